"""kill -9 at any moment: nothing half written is met, and the same command ends as if nothing had happened.

The work is done in forked children, so that a kill costs no start of Python. `REIDR_KILLS` changes how many there are.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import multiprocessing
import os
import shutil
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from reidr.cli.main import reidr
from reidr.core.storage.files import LEFT_BEHIND
from reidr.core.storage.json_lines import read_json_lines
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.retrieval.embedding_cache import unpacked

KILLS = int(os.environ.get("REIDR_KILLS", "50"))
NETWORK = {"height": 32, "width": 32, "embedding": 16, "stripes": 2, "stripe_embedding": 8, "flip": False}
TRAINING = {
    "network": NETWORK, "imagenet": False, "frozen_blocks": 0, "epochs": 3, "warmup_epochs": 0, "batch_persons": 2,
    "batch_images": 2,
}  # fmt: skip
VISION_ENCODER = {**TRAINING, "epochs": 2, "attributes": 1.0}
Work = Callable[[], Any]
READING = {"data": [], "streets": 1, "street_people": 16, "batch": 8, "width": 16}


def begin(work: Work) -> Any:
    """A child that does `work`; it ends with 1 where that raises."""

    def run() -> None:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    child = multiprocessing.get_context("fork").Process(target=run)
    child.start()
    return child


def done_in_child(work: Work) -> float:
    """Do `work` whole; returns the seconds it took."""
    begun = time.monotonic()
    child = begin(work)
    child.join(300)
    assert child.exitcode == 0
    return time.monotonic() - begun


def check_whole(folder: Path) -> None:
    """Every file can be read to its end, but temporaries and what TRL was writing in a checkpoint of its own."""
    import torch
    from safetensors.torch import load_file

    readers: dict[str, Callable[[Path], Any]] = {
        ".json": lambda path: json.loads(path.read_bytes()),
        ".jsonl": read_json_lines,
        ".npz": lambda path: unpacked(path.read_bytes()),
        ".pt": lambda path: torch.load(path, weights_only=True),
        ".safetensors": load_file,
        ".parquet": lambda path: __import__("pyarrow.parquet").parquet.read_table(path),
        ".html": lambda path: path.read_text().rstrip().endswith("</html>") or pytest.fail(str(path)),
        ".png": lambda path: Image.open(path).load(),
    }
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and "checkpoints" not in parts and not any(LEFT_BEHIND.match(part) for part in parts):
            readers.get(path.suffix, Path.read_bytes)(path)


def endure(work: Work, folder: Path, result: Callable[[], Any], kills: int, seed: int = 0) -> None:
    """Kill `work` at random moments; each time that it comes through it must give the same result, also at the end."""
    work_is_imported()
    seconds = done_in_child(work)
    wanted, random = result(), np.random.default_rng(seed)
    shutil.rmtree(folder)
    killed = 0
    while killed < kills:
        child = begin(work)
        child.join(float(random.uniform(0.01, 1.1 * seconds)))
        if child.exitcode is None:
            child.kill()
            child.join()
            killed += 1
            check_whole(folder)
        else:
            assert child.exitcode == 0
            assert same(result(), wanted)
            shutil.rmtree(folder)
    done_in_child(work)
    check_whole(folder)
    assert same(result(), wanted)
    assert not [path for path in folder.rglob("*") if LEFT_BEHIND.match(path.name)]


def work_is_imported() -> None:
    """What children would spend their time on otherwise."""
    for name in ("evaluation.experiment.experiment", "search.searching", "report.build", "report.files.store"):
        importlib.import_module(f"reidr.{name}")
    for name in ("reasoning.backends.local", "retrieval.embedders.retriever", "retrieval.rerankers.k_reciprocal"):
        importlib.import_module(f"reidr.{name}")


def same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with an empty cache below `work`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REIDR_CACHE", str(tmp_path / "work" / "cache"))
    return tmp_path


@pytest.fixture
def recipe(place: Path) -> Path:
    """Photos in `place` (Market-1501's layout), a tiny model, and a recipe of all stages; its path."""
    from reidr.reasoning.nano.build import TINY, build_nano
    from reidr.training.recipes.find import find_recipe, read_recipe

    random = np.random.default_rng(0)
    for person in range(1, 28):
        colour = random.integers(60, 255, 3)
        for camera in (1, 2):
            split = "bounding_box_train" if person < 25 else ("query", "bounding_box_test")[camera - 1]
            path = place / "photos" / split / f"{person:04d}_c{camera}s1_000001_00.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (64, 128), tuple(int(value / camera) for value in colour)).save(path)
    model, processor = build_nano(["Shoes cannot be seen."], TINY, vocabulary=300)
    model.save_pretrained(place / "start")
    processor.save_pretrained(place / "start")
    values: dict[str, Any] = {
        "retriever": {"data": ["photos"], "held_out_share": 0.3, **TRAINING},
        "pretraining": {
            "data": [], "vision_encoder": [VISION_ENCODER, {**VISION_ENCODER, "attribute_recognition": READING}],
            "held_out_share": 0.3, "vision_encoder_street_people": 4, "street_people": 4, "attribute_streets": 1,
            "attribute_street_people": 4, "batch": 4, "steps": 4, "save_every": 2,
        },
        "pairs": {"data": ["photos"], "source": "folds", "folds": 2, "training": TRAINING, "held_out_share": 0.3},
        "warmup": {
            "model": "start", "pairs": "pairs/pairs.parquet", "steps": 4, "batch": 4, "max_new_tokens": 8,
            "save_every": 1,
        },
        "sample": {
            "model": "start", "pairs": "pairs/pairs.parquet", "rollouts": 2, "max_new_tokens": 8, "rule": "random",
            "budget_share": 0.5, "chunk": 4,
        },
        "rl": {
            "model": "start", "sampled": "pairs/pairs.parquet", "steps": 3, "pairs": 2, "group": 2, "backward_rows": 4,
            "max_new_tokens": 8, "save_every": 1,
        },
    }  # fmt: skip
    # What `base` leaves unsaid is as in the shipped recipe; the other stages are for another model than that.
    values["pretraining"] = read_recipe(find_recipe("nano-street"))["pretraining"] | values["pretraining"]
    (place / "recipe.yaml").write_text(yaml.safe_dump(values))
    return place / "recipe.yaml"


def command(*words: str) -> Work:
    """`reidr` with these words, the colour histogram for its retriever."""

    def work() -> None:
        from reidr.cli import shared

        shared.load_retriever = lambda *_, **__: HistogramEmbedder()  # type: ignore[assignment]
        done = CliRunner().invoke(reidr, list(words))
        assert done.exit_code == 0, done.output

    return work


def small_street(folder: Path) -> Path:
    settings = StreetSettings(
        seed=6, cameras=2, cameras_per_person=2, test_people=6, crops_per_camera=1, distractors=30, junk=1
    )
    render_street(folder, settings)
    return folder


FIND = ["--reasoner", "none", "--run", "work/run", "--overwrite"]


def found() -> Any:
    """What a search found, whatever its time."""
    matches = json.loads(Path("work/run/report.json").read_text())["matches"]
    assert matches
    return matches


@pytest.mark.parametrize("kills", [2, pytest.param(KILLS, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_find(place: Path, kills: int) -> None:
    street = small_street(place / "street")
    query = next(iter(sorted((street / "query").iterdir())))
    work = command("find", str(query.relative_to(place)), "--in", "street", *FIND)
    endure(work, place / "work", found, kills)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_evaluate(place: Path) -> None:
    small_street(place / "street")
    work = command("evaluate", "street", "--reasoner", "none", "--run", "work/run", "--json", "work/rows.json")
    endure(work, place / "work", measured, KILLS)


def measured() -> Any:
    """The rows of an evaluation without their seconds."""
    rows = json.loads(Path("work/rows.json").read_text())["rows"]
    return [{name: value for name, value in row.items() if "seconds" not in name} for row in rows]


def bytes_of(*paths: str) -> Callable[[], dict[str, str]]:
    """The files' content as hexadecimal digits."""
    return lambda: {path: Path(path).read_bytes().hex() for path in paths}


def columns_of(path: str) -> Callable[[], Any]:
    from reidr.training.pairs.table import read_columns

    return lambda: read_columns(Path(path))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("stage", ["retriever", "pretraining", "pairs", "warmup", "sample", "rl"])
def test_training_stages(place: Path, recipe: Path, stage: str) -> None:
    from reidr.training.grpo.stage import rl_stage
    from reidr.training.pairs.stage import pairs_stage
    from reidr.training.pretraining import stage as pretraining_stage
    from reidr.training.retriever import stage as stages
    from reidr.training.sampling.stage import sample_stage
    from reidr.training.warmup.stage import warmup_stage

    functions = {
        "retriever": stages.retriever_stage,
        "pretraining": pretraining_stage.pretraining_stage,
        "pairs": pairs_stage,
        "warmup": warmup_stage,
        "sample": sample_stage,
        "rl": rl_stage,
    }
    if stage in ("warmup", "sample", "rl"):
        done_in_child(lambda: pairs_stage(str(recipe), Path("pairs"), {}))
    results = {
        "pairs": columns_of("work/pairs.parquet"),
        "sample": columns_of("work/sampled.parquet"),
    }
    weights = bytes_of("work/model/model.safetensors")

    def work() -> None:
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
            functions[stage](str(recipe), Path("work"), {})

    endure(work, place / "work", results.get(stage, weights), KILLS)
