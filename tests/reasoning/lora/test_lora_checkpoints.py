"""What was taught is what is saved: LoRA weights, loaded anew or merged in float32, answer as the live model does."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from reidr.data.types import Crop
from reidr.errors import WeightsError
from reidr.reasoning.backends.local import Engine
from reidr.reasoning.backends.reference import Reasoner
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.inference.sampling import sample_completions
from reidr.reasoning.lora.merge import RoundingLoss, merge_checkpoint, rounding_loss
from reidr.reasoning.lora.storage import read_lora
from reidr.reasoning.models.checkpoint import inference_precision, load_model, save_taught
from reidr.reasoning.models.processor import load_processor
from reidr.reasoning.prompting.prompt import encode_pairs
from reidr.reasoning.types import Pair
from reidr.training.common.lora import add_lora

pytest.importorskip("peft")
RANK, ALPHA = 4, 8
PHOTOGRAPHS = {"shortest_edge": 3136, "longest_edge": 12_845_056}  # Qwen2.5-VL's own budget


@pytest.fixture(scope="session")
def trained(reasoner: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Any]:
    """(base in bfloat16 as on the hub, LoRA weights on it, the live model) of each Qwen architecture."""
    root = tmp_path_factory.mktemp(reasoner.name)
    base, folder = root / "base", root / "lora"
    reasoner.model.to(torch.bfloat16).save_pretrained(base)
    reasoner.model.float()
    reasoner.processor.save_pretrained(base)
    written = json.loads((base / "processor_config.json").read_text())
    written["image_processor"]["size"] = PHOTOGRAPHS
    (base / "processor_config.json").write_text(json.dumps(written))
    model = add_lora(load_model(str(base), local_files_only=True, device="cpu", dtype=torch.float32), RANK, ALPHA, 0)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(2)
        for name, weights in model.named_parameters():
            if "lora_B" in name:
                weights.normal_(0, 0.02)
    save_taught(model, load_processor(base), base, folder)
    return base, folder, model


def test_live_saved_and_merged_give_the_same_answers(
    trained: tuple[Path, Path, Any], pairs: list[Pair], tmp_path: Path
) -> None:
    base, folder, live = trained
    merge_checkpoint(folder, tmp_path / "merged")
    reasoners = [Reasoner(live, load_processor(base)), Reasoner.load(folder), Reasoner.load(tmp_path / "merged")]
    scores = [reasoner.score(pairs) for reasoner in reasoners]
    untaught = Reasoner.load(base).score(pairs)
    assert np.abs(scores[0] - untaught).max() > 1e-3, "the LoRA weights must make a difference"
    for each in scores[1:]:
        np.testing.assert_allclose(each, scores[0], atol=1e-5)
    # The engine, which evaluates and searches, and the sampler, which writes the rollouts of training.
    np.testing.assert_allclose(Engine(reasoners[1]).score(pairs), scores[0], atol=1e-4)
    written = [sample_completions(one.adapter, pairs[:3], 2, Thinking(8, 1.0, seed=3)) for one in reasoners]
    texts = [[[completion.ids for completion in row] for row in rows] for rows in written]
    assert texts[0] == texts[1] == texts[2]
    assert len({one.weights_hash for one in (*reasoners[1:], Reasoner.load(base))}) == 3


def test_the_folder_is_peft_and_transformers_see_the_same_visual_tokens(
    trained: tuple[Path, Path, Any], pairs: list[Pair]
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    base, folder, live = trained
    processor = load_processor(folder)
    with torch.no_grad():
        wanted = live(**encode_pairs(processor, pairs[:2], "score")).logits
        for other in (
            PeftModel.from_pretrained(AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32), folder),
            AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32),
        ):
            found = other.eval()(**encode_pairs(processor, pairs[:2], "score")).logits
            torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
    # Upstream's own picture preparation, told nothing, makes as many tokens of a crop as the training did.
    picture = Image.new("RGB", (64, 128))
    grids = {
        place: Qwen2VLImageProcessorPil.from_pretrained(place)(picture, return_tensors="pt")["image_grid_thw"].prod()
        for place in (base, folder)
    }
    merged = processor.image_processor.merge_size**2
    adapter = Reasoner.load(base).adapter
    seen = adapter.picture_length(64, 128)
    assert int(grids[folder]) // merged == seen == Reasoner.load(folder).adapter.picture_length(64, 128)
    assert int(grids[base]) // merged != seen, "the base's own budget is for photographs"
    assert processor.chat_template == load_processor(base).chat_template
    card = (folder / "README.md").read_text()
    assert f"rank {RANK} and alpha {ALPHA}" in card
    assert f"{adapter.picture_length(128, 256)} visual tokens" in card
    assert 'PeftModel.from_pretrained(base, "THIS_FOLDER")' in card
    assert "--enable-lora" in card


def test_nothing_is_rounded_on_the_way_to_the_file(trained: tuple[Path, Path, Any]) -> None:
    _, folder, live = trained
    stored = load_file(folder / "adapter_model.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float32}
    named = dict(live.named_parameters())
    for name, value in stored.items():
        assert torch.equal(value, named[name.replace(".weight", ".default.weight")])
    # Half a precision for the base leaves the LoRA weights in float32.
    half = load_model(str(folder), local_files_only=True, device="cpu", dtype=torch.bfloat16)
    kinds = {("lora_" in name, weights.dtype) for name, weights in half.named_parameters()}
    assert kinds == {(True, torch.float32), (False, torch.bfloat16)}


def test_merging_in_bfloat16_says_what_it_loses(trained: tuple[Path, Path, Any], tmp_path: Path) -> None:
    base, folder, live = trained
    exact = merge_checkpoint(folder, tmp_path / "exact")
    assert exact.total == 0
    assert "nothing of what was trained is lost" in exact.sentence("float32")
    # Training for a short time at a small rate: changes of a thousandth of the weights.
    small = tmp_path / "small"
    shutil.copytree(folder, small)
    weights = load_file(small / "adapter_model.safetensors")
    save_file(
        {name: value * (0.01 if "lora_B" in name else 1) for name, value in weights.items()},
        small / "adapter_model.safetensors",
    )
    loss = merge_checkpoint(small, tmp_path / "rounded", "bfloat16")
    merge_checkpoint(small, tmp_path / "whole")
    # The naive twin, from the files.
    start, rounded, whole = (
        load_file(place / "model.safetensors") for place in (base, tmp_path / "rounded", tmp_path / "whole")
    )
    lost = taught = 0.0
    for name, value in whole.items():
        before = start[name].float()
        if not torch.equal(value, before):
            lost += float((rounded[name].double() - value.double()).square().sum())
            taught += float((value.double() - before.double()).square().sum())
    assert loss.total == pytest.approx((lost / taught) ** 0.5, rel=1e-3)
    assert loss.least <= loss.total <= loss.most
    assert loss.total > 0.1
    assert f"rounds {loss.total:.0%} of what was trained away" in loss.sentence("bfloat16")
    assert loss.sentence("bfloat16") in (tmp_path / "rounded" / "README.md").read_text()
    assert rounding_loss(live, torch.float32) == RoundingLoss(0, 0, 0, loss_of_first(live))


def loss_of_first(model: Any) -> str:
    return next(
        name for name, layer in model.named_modules() if "default" in getattr(layer, "lora_A", {})
    ).removeprefix("base_model.model.")


def test_a_base_that_is_absent_or_another_is_one_sentence(trained: tuple[Path, Path, Any], tmp_path: Path) -> None:
    _, folder, _ = trained
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    settings = json.loads((moved / "adapter_config.json").read_text())

    def put(**values: Any) -> None:
        (moved / "adapter_config.json").write_text(json.dumps(settings | values))

    put(base_model_name_or_path=str(tmp_path / "gone"))
    with pytest.raises(
        WeightsError, match=r"holds LoRA weights on .*gone, which is not on this machine; .*base_model_name_or_path"
    ):
        Reasoner.load(moved)
    put(base_model_name_or_path="nobody/no-such-model")
    with pytest.raises(
        WeightsError, match=r"holds LoRA weights on nobody/no-such-model, .* hf download nobody/no-such-model"
    ):
        Reasoner.load(moved)
    put(peft_type="IA3")
    with pytest.raises(WeightsError, match="holds ia3 weights"):
        Reasoner.load(moved)
    (moved / "adapter_config.json").write_text("{")
    with pytest.raises(WeightsError, match="not an adapter's settings"):
        read_lora(moved)
    put()
    weights = load_file(moved / "adapter_model.safetensors")
    name = sorted(weights)[0]
    save_file({key: value for key, value in weights.items() if key != name}, moved / "adapter_model.safetensors")
    with pytest.raises(WeightsError, match="do not fit their base"):
        Reasoner.load(moved)
    whole = (folder / "adapter_model.safetensors").read_bytes()
    (moved / "adapter_model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match="its LoRA weights cannot be loaded"):
        Reasoner.load(moved)


def test_lora_weights_of_other_programs_load_too(
    trained: tuple[Path, Path, Any], tmp_path: Path, pairs: list[Pair]
) -> None:
    """Only PEFT's two files, without configuration and processor."""
    _, folder, _ = trained
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(folder / name, tmp_path / name)
    np.testing.assert_allclose(
        Reasoner.load(tmp_path).score(pairs[:2]), Reasoner.load(folder).score(pairs[:2]), atol=1e-6
    )


def test_what_holds_no_lora_weights_cannot_be_merged(trained: tuple[Path, Path, Any], tmp_path: Path) -> None:
    from click.testing import CliRunner

    from reidr.cli.main import reidr

    base, folder, _ = trained
    with pytest.raises(WeightsError, match="nothing to merge"):
        merge_checkpoint(base, tmp_path / "merged")
    done = CliRunner().invoke(reidr, ["merge", str(folder), str(tmp_path / "merged"), "--precision", "bfloat16"])
    assert done.exit_code == 0, done.output
    assert "of what was trained away" in done.output
    crop = Crop("a", Image.new("RGB", (64, 128), "red"))
    assert np.isfinite(Reasoner.load(tmp_path / "merged").score([Pair(crop, crop)])).all()


def test_weights_in_float32_are_not_rounded_for_inference(trained: tuple[Path, Path, Any], tmp_path: Path) -> None:
    """On a GPU the base computes in bfloat16, with or without LoRA weights; a merged copy in float32 does not."""
    base, folder, _ = trained
    merge_checkpoint(folder, tmp_path / "merged")
    places = {"base": base, "lora": folder, "merged": tmp_path / "merged"}
    found = {name: inference_precision(str(each), "cuda", local_files_only=True) for name, each in places.items()}
    assert found == {"base": torch.bfloat16, "lora": torch.bfloat16, "merged": torch.float32}
    assert inference_precision(str(base), "cpu", local_files_only=True) == torch.float32


def test_a_base_of_the_hub_is_found_in_the_cache_by_its_commit(
    trained: tuple[Path, Path, Any], tmp_path: Path, pairs: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `owner/model@commit` leaves it there: no branch points to the commit."""
    base, _, _ = trained
    commit = "c" * 40
    snapshot = tmp_path / "hub" / "models--owner--model" / "snapshots" / commit
    shutil.copytree(base, snapshot)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    live = load_model(str(snapshot), local_files_only=True, device="cpu", dtype=torch.float32)
    model = add_lora(live, RANK, ALPHA, 0)
    save_taught(model, load_processor(snapshot), f"owner/model@{commit}", tmp_path / "lora")
    settings = read_lora(tmp_path / "lora")
    assert settings is not None
    assert (settings.base, settings.revision, settings.place) == ("owner/model", commit, str(snapshot))
    np.testing.assert_allclose(
        Reasoner.load(tmp_path / "lora").score(pairs[:2]),
        Reasoner(model, load_processor(base)).score(pairs[:2]),
        atol=1e-6,
    )
    card = (tmp_path / "lora" / "README.md").read_text()
    assert f"`owner/model` (commit {commit})" in card
    assert f'revision="{commit}"' in card
    shutil.rmtree(tmp_path / "hub")
    with pytest.raises(WeightsError, match=f"hf download owner/model --revision {commit}"):
        Reasoner.load(tmp_path / "lora")


def test_what_bfloat16_loses_is_what_the_page_says() -> None:
    page = (Path(__file__).parents[3] / "docs" / "memory.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\d.]+) % \| (\d+) % \|$", page, re.MULTILINE)
    assert len(rows) == 5
    generator = torch.Generator().manual_seed(0)
    weights = (0.02 * torch.randn(512, 512, generator=generator)).to(torch.bfloat16).float()
    for share, lost in rows:
        change = 0.02 * float(share) / 100 * torch.randn(512, 512, generator=generator)
        exact = weights + change
        found = (exact.to(torch.bfloat16).float() - exact).norm() / change.norm()
        assert 100 * float(found) == pytest.approx(float(lost), abs=1)
