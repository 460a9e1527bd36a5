"""The experiments on reinforcement: pseudo-labels, dealt-out rewards, and the numbers of their tables."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError
from reidr.evaluation.metrics.roc_area import roc_area
from reidr.reasoning.models.checkpoint import find_checkpoint
from reidr.reasoning.models.processor import load_processor
from reidr.reasoning.rationales.claims import parse_claims

FOLDER = Path(__file__).parents[1] / "research" / "reinforcement"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    return importlib.import_module


def crop(person: int, camera: int, frame: int, box: int) -> Crop:
    name = f"{person:04d}_c{camera}s1_{frame:06d}_{box:02d}.jpg"
    return Crop(name, Path(name), str(person), str(camera))


def test_pseudo_labels_come_from_frames_and_likeness_alone(script: Any) -> None:
    """Persons 1 and 2 share a frame in camera 1; each is seen again, alone, in camera 2."""
    crops = [crop(1, 1, 7, 1), crop(2, 1, 7, 2), crop(1, 2, 50, 1), crop(2, 2, 90, 1)]
    looks = np.array([[1.0, 0.1], [0.1, 1.0], [1.0, 0.2], [0.2, 1.0]])
    features = (looks / np.linalg.norm(looks, axis=1, keepdims=True)).astype(np.float32)
    found = script("unseen_eyes").pseudo_labelled(crops, features)
    told = {(pair.query.id[:6], pair.candidate.id[:6]): pair.label for pair in found}
    assert told == {
        ("0001_c", "0001_c"): True,
        ("0002_c", "0002_c"): True,
        ("0001_c", "0002_c"): False,
        ("0002_c", "0001_c"): False,
    }
    assert all(pair.query.camera != pair.candidate.camera for pair in found), "the camera must not give it away"
    # Whoever is told apart is told apart although names say nothing of persons.
    nameless = [Crop(each.id.replace("0001", "0000"), each.image, None, each.camera) for each in crops]
    again = script("unseen_eyes").pseudo_labelled(nameless, features)
    assert [pair.label for pair in again] == [pair.label for pair in found]
    with pytest.raises(DataError, match="does not say camera"):
        script("unseen_eyes").pseudo_labelled([Crop("a.jpg", Path("a.jpg"))], features[:1])
    with pytest.raises(DataError, match="none of them has somebody else"):
        script("unseen_eyes").pseudo_labelled([crops[0], crops[2]], features[[0, 2]])


def test_shuffled_rewards_are_the_same_ones_dealt_out_within_groups(script: Any) -> None:
    arms = script("arms")
    texts = [f"<think>Shoes agree{'.' * (place + 1)}</think><answer>yes</answer>" for place in range(2 * arms.GROUP)]
    labels, chances = [True] * len(texts), [place / 20 for place in range(len(texts))]
    found = np.array(arms.shuffled(texts, labels, chances)).reshape(2, -1)
    weights = arms.RewardWeights(**(dict.fromkeys(arms.RewardWeights.model_fields, 0.0) | arms.EXACT))
    own = [each.total for each in arms.total_rewards(texts, labels, weights, probability=chances)]
    expected = np.array(own).reshape(2, -1)
    np.testing.assert_allclose(np.sort(found), np.sort(expected))
    assert not np.allclose(found, expected)
    assert arms.shuffled(texts, labels, chances) == found.ravel().tolist(), "an interrupted run goes on with the same"


def described(random: np.random.Generator, queries: int) -> dict[str, list[Any]]:
    rows = 4 * queries
    label = [place % 4 == place // 4 % 4 for place in range(rows)]
    return {
        "person": [str(place // 8) for place in range(rows)],  # two queries a person
        "query": [str(place // 4) for place in range(rows)],
        "label": label,
        "distance": random.random(rows).tolist(),
    }


def test_tables_count_as_one_would_by_hand(script: Any) -> None:
    tables = script("experiment_tables")
    random = np.random.default_rng(0)
    own = described(random, 12)
    pairs = tables.Pairs(own, 50)
    scores, label = random.random(48), np.array(own["label"])
    found = pairs.number([scores], tables.area)
    assert found.value == pytest.approx(roc_area(scores, label))
    # One bootstrap draw by hand: every person's pairs as often as the person is drawn.
    rows = [row for row in range(48) for _ in range(pairs.counts[3][pairs.person[row]])]
    assert found.draws[3] == pytest.approx(roc_area(scores[rows], label[rows]))
    fused = 0.5 * np.array(own["distance"]) + (1 - scores)
    first = [label[4 * query + int(np.argmin(fused[4 * query : 4 * query + 4]))] for query in range(12)]
    assert pairs.number([scores], tables.rank1(0.5)).value == pytest.approx(np.mean(first))
    assert pairs.number([label.astype(float)], tables.oracle_share(0.9)).value == pytest.approx(1.0)
    assert pairs.number([np.full(48, 0.5)], tables.oracle_share(0.5)).value == pytest.approx(0.0)


def test_the_same_is_claimed_by_two_one_sided_tests(script: Any) -> None:
    tables = script("experiment_tables")
    draws = np.random.default_rng(0).normal(0.0, 0.004, 4000)
    near = tables.Number(0.0, draws)
    assert near.same(0.01)
    assert not near.same(0.005), "an interval that reaches beyond the margin shows nothing"
    assert not tables.Number(0.02, draws + 0.02).same(0.01)


@pytest.mark.parametrize("name", ["A", "B", "C"])
def test_each_experiment_has_its_tables(script: Any, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str],
                                        monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    random = np.random.default_rng(1)
    names = {"A": ["seen S0", "unseen S0", "seen S1", "unseen S1"], "B": ["target", "source"], "C": ["market"]}[name]
    arms = {
        "A": ["D-SFT-100", "D-SFT-20.9", "D-GRPO-20.9", "B-RL-20.9", "B-STaR-100"],
        "B": ["SFT-100", "RL-100", "RL-20.9", "RL-target"],
        "C": ["RL-exact", "SFT", "RL-shuffled"],
    }[name]
    tests = {test: described(random, 8) for test in names}
    (tmp_path / "tests.json").write_text(json.dumps(tests))
    readings = {"A": ("direct", "reasoned")}.get(name, ("direct", "one", "mean", "reasoned"))
    lines = []
    for seed in (0, 1):
        for arm in ("warm-up", *arms):
            line: dict[str, Any] = {"seed": seed, "arm": arm}
            for test, own in tests.items():
                truth = np.array(own["label"]) * (0.6 if arm.startswith("B-RL") else 0.0)
                line[f"{test} scores"] = {each: (truth + 0.4 * random.random(32)).tolist() for each in readings}
                line[test] = {"leverage": 0.3, "claims": 4.0}
            lines.append(json.dumps(line))
    (tmp_path / "results.jsonl").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(sys, "argv", ["tables.py", name, str(tmp_path), "--draws", "30"])
    script("experiment_tables").main()
    told = capsys.readouterr().out
    assert all(arm in told for arm in arms)
    assert "nan" not in told
    if name == "A":
        assert next(line for line in told.splitlines() if line.startswith("| H1")).endswith("| yes |")
        assert next(line for line in told.splitlines() if "B-RL-20.9-random" in line).endswith("| not run | – |")


def test_true_words_about_twins_name_what_was_changed(script: Any) -> None:
    """Whatever the wording: what a judge learns to read tells two people apart."""
    cue_shift = script("cue_shift")
    world = cue_shift.World(3, 10)
    pairs = world.pairs(24, cue_shift.SEEN, sorted(world.by_person))
    folder, local = find_checkpoint("nano-street")
    tokenizer = load_processor(folder, local_files_only=local).tokenizer
    arm = SimpleNamespace(
        crops=world.crops,
        features=SimpleNamespace(processor=SimpleNamespace(tokenizer=tokenizer)),
        model=SimpleNamespace(answer_word=lambda label: {True: 1, False: 2}[label]),
    )
    random = np.random.default_rng(0)
    for pair in pairs:
        said = cue_shift.made_up(arm, pair, random)
        assert said.ids[said.answer] == (1 if pair.label else 2)
        assert tokenizer.decode(said.ids[said.answer + 1 :]) == f"</answer>{tokenizer.eos_token}"
        told = {claim.region: claim for claim in parse_claims(said.reasoning)}
        region = {"": None, "lower_color": "lower clothing", "jacket_color": "upper clothing"}[pair.cue]
        assert region is None or told[region].agreement == "differ", said.reasoning


def test_nobody_who_is_tested_lends_a_crop_to_the_pseudo_labels(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    arms = script("arms")
    crops = tuple(crop(person, camera, 7 * person, 1) for person in range(60) for camera in (1, 2))
    monkeypatch.setattr(arms, "load_dataset", lambda _: ReIDDataset("scene", None, train=crops))
    others, held_out = arms.training_people(Path("scene"))
    assert others
    assert held_out
    assert not {each.person for each in others} & {each.person for each in held_out}
    assert len(others) + len(held_out) == len(crops)
    tested: list[ReIDDataset] = []
    monkeypatch.setattr(arms, "trials", lambda dataset, *_, **__: tested.append(dataset) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        arms.test_of("target", Path("scene"), None, None, held_out=True)
    shown = {each.person for part in (tested[0].query, tested[0].gallery) for each in part}
    assert shown == {each.person for each in held_out}
