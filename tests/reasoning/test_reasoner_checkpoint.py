from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from reidr.errors import WeightsError
from reidr.reasoning.backends.reference import Reasoner
from reidr.reasoning.models.checkpoint import find_checkpoint, hash_weights, load_model, save_taught
from reidr.reasoning.models.processor import load_processor
from reidr.reasoning.models.qwen import Qwen3VLProcessor
from reidr.reasoning.nano.build import NANO, TINY, build_nano


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    model, processor = build_nano(["shoes agree"], TINY, vocabulary=300)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def test_a_saved_processor_names_the_upstream_class(saved: Path) -> None:
    for name in ("processor_config.json", "tokenizer_config.json"):
        assert json.loads((saved / name).read_text())["processor_class"] == "Qwen3VLProcessor"
    assert (saved / "chat_template.jinja").is_file()


def test_a_loaded_processor_pads_on_the_left(saved: Path) -> None:
    processor = load_processor(saved)
    assert processor.tokenizer.padding_side == "left"
    assert processor.tokenizer.encode("<answer>yes</answer>") == processor.tokenizer.convert_tokens_to_ids(
        ["<answer>", "yes", "</answer>"]
    )


def test_a_tokenizer_saved_again_does_not_name_what_prepares_pictures(saved: Path, tmp_path: Path) -> None:
    load_processor(saved).save_pretrained(tmp_path)
    before, after = (json.loads((folder / "tokenizer_config.json").read_text()) for folder in (saved, tmp_path))
    assert after["backend"] == before["backend"] == "tokenizers"


def test_pictures_are_prepared_alike_with_and_without_torchvision(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # With torchvision upstream's own class would be taken, and pictures resized by it: other scores, and no nano at all
    # where its checkpoint lacked a video processor. Here torchvision is absent, so what is asked for must be looked at.
    asked: list[dict[str, Any]] = []
    load = Qwen3VLProcessor.from_pretrained

    def recorded(*given: Any, **options: Any) -> Any:
        asked.append(options)
        return load(*given, **options)

    monkeypatch.setattr(Qwen3VLProcessor, "from_pretrained", recorded)
    assert type(load_processor(saved).image_processor).__name__ == "Qwen2VLImageProcessorPil"
    assert [options["backend"] for options in asked] == ["pil"]


def test_other_tools_find_a_video_processor(saved: Path) -> None:
    """Upstream's processors, which vLLM loads too, refuse a folder without one."""
    stored = json.loads((saved / "video_preprocessor_config.json").read_text(encoding="utf-8"))
    pictures = json.loads((saved / "processor_config.json").read_text(encoding="utf-8"))["image_processor"]
    assert stored["video_processor_type"] == "Qwen3VLVideoProcessor"
    assert stored["size"] == pictures["size"]
    assert stored["patch_size"] == pictures["patch_size"]


def test_a_tokenizer_alone_is_refused(copy: Path) -> None:
    (copy / "processor_config.json").unlink()
    with pytest.raises(WeightsError, match="processor"):
        load_processor(copy)


@pytest.mark.parametrize("source", ["no-such-preset", "./no/such/folder", "a/b/c", "/nowhere/x"])
def test_an_unknown_source_names_the_presets(source: str) -> None:
    with pytest.raises(WeightsError, match="no such checkpoint folder or preset"):
        Reasoner.load(source)


def test_a_preset_goes_before_a_folder_of_its_name(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reidr.reasoning.models.checkpoint.PRESETS", tmp_path)
    shutil.copytree(saved, tmp_path / "small")
    (tmp_path / "elsewhere" / "small").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert find_checkpoint("small") == (str(tmp_path / "small"), True)
    with pytest.raises(WeightsError, match=r"has no config\.json"):
        find_checkpoint("./small")


def test_a_hub_id_is_the_only_thing_that_may_download() -> None:
    assert find_checkpoint("Qwen/Qwen2.5-VL-7B-Instruct") == ("Qwen/Qwen2.5-VL-7B-Instruct", False)


def test_other_weight_formats_are_refused(copy: Path) -> None:
    torch.save({}, copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"no \*.safetensors"):
        Reasoner.load(copy)


def test_missing_weights_are_refused_instead_of_drawn_at_random(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    name = next(name for name in weights if "layers.1.mlp" in name)
    del weights[name]
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(WeightsError, match=r"1 weights are missing, first .*layers\.1\.mlp"):
        Reasoner.load(copy)


def test_damaged_and_misshapen_weights_are_refused(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    name = next(name for name in weights if "layers.1.mlp" in name)
    save_file(weights | {name: torch.zeros(3, 3)}, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(WeightsError, match="cannot be loaded"):
        Reasoner.load(copy)
    (copy / "model.safetensors").write_bytes((copy / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(WeightsError, match="cannot be loaded"):
        Reasoner.load(copy)


def test_another_kind_of_model_is_refused(copy: Path) -> None:
    (copy / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(WeightsError):
        Reasoner.load(copy)


def test_code_in_a_checkpoint_is_never_run(copy: Path) -> None:
    config: dict[str, Any] = json.loads((copy / "config.json").read_text())
    config |= {
        "model_type": "made_up",
        "auto_map": {"AutoConfig": "trap.Config", "AutoModelForImageTextToText": "trap.M"},
    }
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "trap.py").write_text(f"open({str(copy / 'ran')!r}, 'w')")
    with pytest.raises(WeightsError):
        Reasoner.load(copy)
    assert not (copy / "ran").exists()


def test_the_same_seed_builds_the_same_nano() -> None:
    first, second, third = (build_nano(["shoes agree"], TINY, vocabulary=300, seed=seed)[0] for seed in (0, 0, 1))
    assert hash_weights(first) == hash_weights(second) != hash_weights(third)


def test_half_precision_weights_are_hashed(saved: Path) -> None:
    half = build_nano(["shoes agree"], TINY, vocabulary=300)[0].to(torch.bfloat16)
    assert len(hash_weights(half)) == 64


def test_nano_is_small_and_its_prompt_short() -> None:
    from reidr.reasoning.prompting.prompt import render

    model, processor = build_nano(["shoes agree"], NANO, vocabulary=300)
    assert sum(p.numel() for p in model.parameters()) < 8_000_000
    for task in ("score", "think"):
        assert len(processor.tokenizer.encode(render(processor, task))) <= 24  # type: ignore[arg-type]


def test_the_tokenizer_gives_every_text_back(saved: Path) -> None:
    tokenizer = load_processor(saved).tokenizer
    for text in (
        "There is no bag, yes. Not now, user!",
        "<think>a  b\n</think>\n<answer>no</answer>",
        "weiß, 靴 ½ 🙂 <|im_end|>",
    ):
        assert tokenizer.decode(tokenizer.encode(text), skip_special_tokens=False) == text


@pytest.mark.parametrize("precision", [torch.float16, torch.float32, torch.bfloat16])
def test_a_taught_model_is_kept_in_the_precision_it_came_in(
    saved: Path, tmp_path: Path, precision: torch.dtype
) -> None:
    """Taught in single precision, with the cache switched off as trainers do.

    One that came in bfloat16 stays in float32: steps of training are smaller than what bfloat16 can tell apart.
    """
    start, taught = tmp_path / "start", tmp_path / "taught"
    load_model(str(saved), local_files_only=True, device="cpu", dtype=precision).save_pretrained(start)
    model = load_model(str(start), local_files_only=True, device="cpu", dtype=torch.float32)
    model.config.use_cache = False
    with torch.no_grad():
        model.lm_head.weight.mul_(2)
    wanted = {name: value.clone() for name, value in model.state_dict().items()}
    save_taught(model, load_processor(saved), start, taught)
    kept = load_file(taught / "model.safetensors")
    assert {value.dtype for value in kept.values()} == {torch.float16 if precision == torch.float16 else torch.float32}
    assert all(torch.allclose(value.float(), wanted[name], rtol=1e-3, atol=1e-6) for name, value in kept.items())
    written = json.loads((taught / "config.json").read_text())
    assert False not in (written.get("use_cache"), written["text_config"].get("use_cache"))
    assert load_processor(taught).tokenizer.get_vocab() == load_processor(saved).tokenizer.get_vocab()


def test_attention_is_chosen_by_name_and_what_is_not_installed_is_said(saved: Path) -> None:
    options: dict[str, Any] = {"local_files_only": True, "device": "cpu", "dtype": torch.float32}
    kinds = {
        kind: load_model(str(saved), **options, attention=kind).config._attn_implementation
        for kind in ("sdpa", "eager")
    }
    assert kinds == {"sdpa": "sdpa", "eager": "eager"}
    if importlib.util.find_spec("flash_attn") is None:
        with pytest.raises(WeightsError, match=r"cannot be loaded: .*[Ff]lash"):
            load_model(str(saved), **options, attention="flash_attention_2")
