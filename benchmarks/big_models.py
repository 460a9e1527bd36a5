"""A 7B-shaped model on the GPU at hand: memory and step time of warm-up and GRPO, beside TRL's own, and `plan`'s error.

    PYTHONPATH=src python benchmarks/big_models.py --minutes 9 --out big_models      # on a GPU; nothing is downloaded
    PYTHONPATH=src python benchmarks/big_models.py --tiny --minutes 2 --out tiny     # the same on a CPU, tiny
    PYTHONPATH=src python benchmarks/big_models.py --page big_models/big_models.json  # into docs/performance.md

Weights are random, in the shape of a public config (`--model`); so rollouts run to their last token. Each case has a
process of its own, and one that no time is left for is skipped: the order is by importance. What was measured is
written after every case, so a run that is cut off leaves a table.

`memory` is what torch has allocated at the highest point of a step after the first; on a CPU what its tensors hold. The
settings are those of the recipe qwen2.5-vl-7b with the rows that `--rows` gives.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

CASES = ("warmup-ours", "grpo-ours", "scoring", "grpo-trl")
PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- begin big_models -->", "<!-- end big_models -->"
GIB = 2**30
TINY: dict[str, dict[str, Any]] = {
    "text_config": {"hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 4, "num_attention_heads": 4,
                    "num_key_value_heads": 2, "vocab_size": 3000},
    "vision_config": {"depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 2, "out_hidden_size": 128,
                      "fullatt_block_indexes": [1]},
}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """What the cases have in common. `rows`: of a backward pass, in the warm-up and in GRPO."""

    model: str
    tiny: bool
    rows: tuple[int, int]

    def warmup(self) -> dict[str, Any]:
        size = {"batch": 4, "max_new_tokens": 24, "lora_rank": 8} if self.tiny else {"batch": 16, "max_new_tokens": 256}
        lora = {"lora_rank": 32, "lora_alpha": 64, "gradient_checkpointing": True} | size
        return {"steps": 4, "regenerate": 100, "rationales": 0.5, "measure_pairs": 2, "rows": self.rows[0]} | lora

    def grpo(self) -> dict[str, Any]:
        size = {"pairs": 2, "num_generations": 4, "max_new_tokens": 16, "lora_rank": 8}
        full = {"pairs": 16, "num_generations": 8, "max_new_tokens": 256, "lora_rank": 32, "lora_alpha": 64}
        rest = {"rewards": {"calibration": 0, "cues": 0}, "gradient_checkpointing": True}
        return {"steps": 3, "save_every": 100, "backward_rows": self.rows[1], **rest, **(size if self.tiny else full)}


def build(setting: Setting) -> tuple[Any, Any, Any]:
    """The model with random weights on the device of training, a small processor, and the architecture."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForImageTextToText

    from reidr.reasoning.models.qwen import Qwen2_5_VLProcessor
    from reidr.reasoning.nano.build import CHAT_TEMPLATE, NanoSize, build_image_processor, build_tokenizer
    from reidr.reasoning.prompting.prompt import CROP_PIXELS
    from reidr.training.common.device import training_device
    from reidr.training.planning.dry_run.model import Architecture, find_sizes

    tokenizer = build_tokenizer(["Upper clothing: red in A, blue in B: differ."] * 20, 600)
    values = dict(find_sizes(setting.model).config)
    for part, changes in (TINY if setting.tiny else {}).items():
        values[part] = values[part] | changes
    if setting.tiny:
        rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 4, 8]}
        values["text_config"] |= {"rope_parameters": rope}
    token = tokenizer.convert_tokens_to_ids
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    values["text_config"] = values["text_config"] | ends
    values |= {"image_token_id": token("<|image_pad|>"), "video_token_id": token("<|video_pad|>")}
    values |= {"vision_start_token_id": token("<|vision_start|>"), "vision_end_token_id": token("<|vision_end|>")}
    architecture = Architecture(setting.model, "the benchmark", dict(values))
    config = CONFIG_MAPPING[values.pop("model_type")].from_dict(values)
    device = training_device()
    torch.manual_seed(0)
    with device:
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        model = AutoModelForImageTextToText.from_config(config, dtype=dtype)
    pixels = (5000, 9000) if setting.tiny else CROP_PIXELS
    pictures = build_image_processor(NanoSize(patch=14, pixels=pixels))
    return model.eval(), Qwen2_5_VLProcessor(pictures, tokenizer, chat_template=CHAT_TEMPLATE), architecture


def noise_pairs(count: int) -> list[Any]:
    """Labelled pairs of noise pictures of Market-1501's size, each person in two cameras."""
    from PIL import Image

    from reidr.data.types import Crop
    from reidr.reasoning.types import Pair

    random = np.random.default_rng(0)

    def crop(person: int, camera: int) -> Crop:
        picture = Image.fromarray(random.integers(0, 255, (128, 64, 3), dtype=np.uint8))
        return Crop(f"s/{person}c{camera}", picture, f"s:{person}", f"s:{camera}")

    people = [(crop(person, 1), crop(person, 2)) for person in range(count)]
    same = [Pair(a, b, 0.5, True) for a, b in people]
    return same + [Pair(people[i][0], people[(i + 1) % count][1], 0.4, False) for i in range(count)]


def seconds_of(work: Callable[[], Any]) -> float:
    """Wall time of `work`."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
    began = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def highest_of(work: Callable[[], Any], standing: Callable[[], int]) -> int:
    """Bytes at the highest point of `work`; `standing`: of what is there before, which a CPU does not tell.

    On a CPU counting takes time, so `work` is not timed with it.
    """
    import torch

    from reidr.training.planning.dry_run.meter import MemoryMeter

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        work()
        return int(torch.cuda.max_memory_allocated())
    before = standing()
    with MemoryMeter() as meter:
        work()
    return before + meter.peak


def lengths_of(model: Any, processor: Any) -> Any:
    """Lengths of the prompts about these crops."""
    from reidr.reasoning.inference.crop_features import CropFeatures
    from reidr.reasoning.prompting.prompt import render
    from reidr.training.planning.dry_run.lengths import PromptLengths

    features = CropFeatures(model, processor, [noise_pairs(1)[0].query.open])
    score, think = (len(features.prompt(render(processor, task), (0, 0))[0]) for task in ("score", "think"))
    rows, columns = features.shapes[0][1:]
    return PromptLengths(score, think, features.visual_tokens(0), rows * columns, exact=True)


def warmup(setting: Setting) -> dict[str, Any]:
    """A step of the warm-up after the first, its passes at their full length."""
    from reidr.training.planning import work
    from reidr.training.planning.dry_run.memory import Device, warmup_memory
    from reidr.training.planning.dry_run.meter import bytes_of
    from reidr.training.planning.gpus import processor_here
    from reidr.training.recipes.warmup import WarmupRecipe
    from reidr.training.warmup.rationales import Rationale
    from reidr.training.warmup.train import WarmupTrainer

    model, processor, architecture = build(setting)
    recipe, lengths, here = WarmupRecipe(**setting.warmup()), lengths_of(model, processor), processor_here()
    with tempfile.TemporaryDirectory() as folder:
        trainer = WarmupTrainer(recipe, noise_pairs(8), noise_pairs(8), (model, processor), Path(folder))
        written = Rationale(tuple([5] * recipe.max_new_tokens), recipe.max_new_tokens - 1, "")
        numbers = range(round(recipe.rationales * recipe.batch))
        trainer.rationales.current = {f"{step} {number}": written for step in (1, 2, 3) for number in numbers}
        trainer.step(1)

        def standing() -> int:
            states = [value for state in trainer.optimiser.state.values() for value in state.values()]
            kept = [part for own in trainer.parts.features._kept for part in own]
            return bytes_of([*trainer.model.parameters(), *states, *kept])

        seconds = seconds_of(lambda: trainer.step(2))
        peak = highest_of(lambda: trainer.step(3), standing)
    plan = warmup_memory(recipe, architecture, lengths, len(trainer.parts.features), Device(here.gpu))
    speed = work.Speed(here, 1, model, lengths)
    one = recipe.model_copy(update={"steps": 1, "rationales": 0.0, "measure_pairs": 0})
    tokens = round(recipe.rationales * recipe.batch) * (lengths.think + recipe.max_new_tokens)
    expected = work.warmup_seconds(one, speed, 0) + speed.training(tokens, recipe)
    return facts(seconds, peak, plan.total, expected)


def grpo(setting: Setting, ours: bool) -> dict[str, Any]:
    """A step of GRPO after the first: rollouts, rewards, passes, update."""
    from reidr.training.grpo.build import build_trainer
    from reidr.training.planning import work
    from reidr.training.planning.dry_run.memory import Device, grpo_memory
    from reidr.training.planning.dry_run.meter import bytes_of
    from reidr.training.planning.gpus import processor_here
    from reidr.training.recipes.grpo import ReinforcementRecipe

    model, processor, architecture = build(setting)
    recipe, lengths, here = ReinforcementRecipe(**setting.grpo()), lengths_of(model, processor), processor_here()
    with tempfile.TemporaryDirectory() as folder:
        trainer: Any = build_trainer(recipe, noise_pairs(8), model, processor, Path(folder) / "run")
        if not ours:
            trainer = trl_trainer(setting, recipe, Path(folder))
        passes = max(1, recipe.pairs * recipe.num_generations // recipe.rows)
        times: list[float] = []
        peaks: list[int] = []
        step = trainer.training_step

        def standing() -> int:
            states = [v for state in trainer.optimizer.state.values() for v in state.values() if hasattr(v, "numel")]
            grads = [each.grad for each in trainer.model.parameters() if each.grad is not None]
            return bytes_of([*trainer.model.parameters(), *states, *grads])

        def watched(*arguments: Any, **options: Any) -> Any:
            answer: list[Any] = []

            def work() -> None:
                answer.append(step(*arguments, **options))

            # The second step is timed, the third one's memory is counted.
            if len(times) < 2 * passes:
                times.append(seconds_of(work))
            else:
                peaks.append(highest_of(work, standing))
            return answer[0]

        trainer.training_step = watched
        trainer.train()
        seconds, peak = sum(times[passes:]), max(peaks)
        if not ours:
            return facts(seconds, peak)
    plan = grpo_memory(recipe, architecture, lengths, Device(here.gpu))
    speed = work.Speed(here, 1, model, lengths)
    return facts(seconds, peak, plan.total, work.grpo_seconds(recipe, 1, speed))


def trl_trainer(setting: Setting, recipe: Any, folder: Path) -> Any:
    """`GRPOTrainer` as it comes, on as many rows with the same settings and a reward that takes no time."""
    from datasets import Dataset
    from trl import GRPOTrainer

    from reidr.reasoning.models.qwen import VISION_TOKENS
    from reidr.reasoning.prompting.prompt import pair_messages
    from reidr.training.common.lora import lora_config
    from reidr.training.grpo.arguments import arguments

    model, processor, _ = build(setting)
    pairs = noise_pairs(8)

    def rows(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        shown = [pairs[number % len(pairs)] for number in batch["pair"]]
        images = [[pair.query.open(), pair.candidate.open()] for pair in shown]
        return {"prompt": [pair_messages(None, "think") for _ in shown], "images": images}

    dataset = Dataset.from_dict({"pair": list(range(recipe.steps * recipe.pairs))}).with_transform(rows)
    settings = arguments(recipe, folder / "trl")
    vocabulary = processor.tokenizer.get_vocab()
    settings.generation_kwargs = {"suppress_tokens": [vocabulary[t] for t in VISION_TOKENS if t in vocabulary]}
    return GRPOTrainer(
        model,
        reward_funcs=[lambda completions, **_: [float(len(text[0]["content"]) % 7) for text in completions]],
        args=settings,
        train_dataset=dataset,
        processing_class=processor,
        peft_config=lora_config(recipe.lora_rank, recipe.lora_alpha),
    )


def scoring(setting: Setting) -> dict[str, Any]:
    """Direct scores of pairs, both orders, from crops that were encoded once."""
    from reidr.reasoning.inference.crop_features import CropFeatures
    from reidr.reasoning.inference.direct_score import score_seen_pairs
    from reidr.training.planning.dry_run.meter import bytes_of

    model, processor, _ = build(setting)
    crops = [crop for pair in noise_pairs(8)[:8] for crop in (pair.query, pair.candidate)]
    features = CropFeatures(model, processor, [crop.open for crop in crops])
    number = 16 if setting.tiny else 512
    random = np.random.default_rng(0)
    pairs = [(int(a), int(b)) for a, b in random.integers(len(crops), size=(number, 2))]
    score_seen_pairs(features, model, pairs[:4], batch=64)
    seconds = seconds_of(lambda: score_seen_pairs(features, model, pairs, batch=64))
    some = pairs[:64]
    peak = highest_of(lambda: score_seen_pairs(features, model, some, batch=64), lambda: bytes_of(model.parameters()))
    return facts(seconds, peak) | {"pairs_a_second": round(number / seconds, 2)}


def facts(seconds: float, peak: int, planned: int | None = None, expected: float | None = None) -> dict[str, Any]:
    """What a case gives, with the plan's errors as shares where there is a plan."""
    found: dict[str, Any] = {"seconds": round(seconds, 3), "bytes": peak}
    if planned is not None:
        found |= {"planned_bytes": planned, "memory_error": round(planned / peak - 1, 4)}
    if expected is not None:
        found |= {"planned_seconds": round(expected, 3), "time_ratio": round(expected / seconds, 2)}
    return found


def run_case(name: str, setting: Setting) -> dict[str, Any]:
    """One case in this process."""
    if name == "warmup-ours":
        return warmup(setting)
    return scoring(setting) if name == "scoring" else grpo(setting, ours=name == "grpo-ours")


def run_child(name: str, words: Sequence[str], seconds: float) -> dict[str, Any]:
    """One case in a process of its own, for at most so many seconds."""
    command = [sys.executable, __file__, "--child", name, *words]
    try:
        child = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {seconds:.0f} s"}
    if child.returncode:
        return {"failed": (child.stderr.strip().splitlines() or [f"exit status {child.returncode}"])[-1]}
    found: dict[str, Any] = json.loads(child.stdout.strip().splitlines()[-1])
    return found


def machine() -> dict[str, Any]:
    """Where it ran."""
    import torch
    import transformers
    import trl

    from reidr.core.run import git_commit

    gpu = torch.cuda.is_available()
    return {
        "date": date.today().isoformat(), "commit": git_commit(), "torch": torch.__version__,
        "transformers": transformers.__version__, "trl": trl.__version__,
        "processor": torch.cuda.get_device_name(0) if gpu else f"CPU, {os.cpu_count()} cores",
    }  # fmt: skip


def table(result: dict[str, Any]) -> str:
    """Markdown: memory and time of every case, the plan's figures beside them, and under it where and when."""
    lines = [
        "| case | memory | planned | step | planned | remark |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for name, case in result["cases"].items():
        if "seconds" not in case:
            lines.append(f"| {name} | – | – | – | – | {case.get('failed') or case.get('skipped')} |")
            continue
        planned = size_text(case["planned_bytes"]) if "planned_bytes" in case else "–"
        expected = f"{case['planned_seconds']:.2f} s" if "planned_seconds" in case else "–"
        remark = f"{case['pairs_a_second']} pairs a second" if "pairs_a_second" in case else ""
        if "memory_error" in case:
            remark = f"plan's memory {case['memory_error']:+.1%}"
        lines.append(
            f"| {name} | {size_text(case['bytes'])} | {planned} | {case['seconds']:.2f} s | {expected} | {remark} |"
        )
    here = result["machine"]
    lines += ["", f"{result['model']}{' at tiny size' if result['tiny'] else ''}, random weights; {here['processor']}, "
              f"torch {here['torch']}, TRL {here['trl']}, {here['date']}, commit {here['commit']}."]  # fmt: skip
    return "\n".join(lines)


def size_text(size: int) -> str:
    """Bytes for readers."""
    return f"{size / GIB:.2f} GiB" if size >= GIB else f"{size / 2**20:.1f} MiB"


def write_page(result: dict[str, Any], page: Path = PAGE) -> None:
    """Put the table between the page's marks."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"{page}: has no marks {BEGIN} … {END} for the table")
    page.write_text(f"{before}{BEGIN}\n{table(result)}\n{END}{after}", encoding="utf-8")


def main(arguments: Sequence[str]) -> None:
    """Run what the time allows, and write JSON and table after every case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=9.0, help="stop in time for this")
    parser.add_argument("--tiny", action="store_true", help="a tiny model, for a CPU")
    parser.add_argument("--model", default="Qwen/Qwen2.5-VL-7B-Instruct", help="whose sizes: a Qwen2.5-VL")
    parser.add_argument("--rows", type=int, nargs=2, default=(64, 16), help="of a pass of the warm-up, and of GRPO")
    parser.add_argument("--out", type=Path, default=Path("big_models"), help="folder for big_models.json and .md")
    parser.add_argument("--page", type=Path, help="only write the table of this JSON into docs/performance.md")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    setting = Setting(given.model, given.tiny, tuple(given.rows))
    if given.page is not None:
        write_page(json.loads(given.page.read_text(encoding="utf-8")))
    elif given.child:
        print(json.dumps(run_case(given.child, setting)))
    else:
        run_all(setting, given.minutes * 60, given.out)


def run_all(setting: Setting, seconds: float, out: Path, cases: Sequence[str] = CASES) -> dict[str, Any]:
    """The cases in order, as far as the time goes; JSON and table are written after each."""
    began = time.perf_counter()
    words = ["--model", setting.model, "--rows", *map(str, setting.rows), *(["--tiny"] if setting.tiny else [])]
    out.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {
        "model": setting.model, "tiny": setting.tiny, "rows": list(setting.rows), "machine": machine(), "cases": {}
    }  # fmt: skip
    for name in cases:
        left = seconds - (time.perf_counter() - began) - 5
        case = run_child(name, words, left) if left > 20 else {"skipped": "no time was left"}
        result["cases"][name] = case
        print(json.dumps({"case": name, **case}), flush=True)
        (out / "big_models.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        (out / "big_models.md").write_text(table(result) + "\n", encoding="utf-8")
    return result


if __name__ == "__main__":
    main(sys.argv[1:])
