"""`validate` counts what is known of a data set, family by family: true, false, unknown and hidden, by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from reidr.cli.main import reidr
from reidr.data.checks.finding import FamilyCounts, Finding, ValueCounts
from reidr.data.checks.validate import validate
from reidr.data.types import Crop, ReIDDataset

CARRIED = (
    "nothing",
    "backpack",
    "shoulder bag",
    "handbag",
    "plastic bag",
    "suitcase",
    "folder",
    "umbrella",
    "stroller",
)


def crop(name: str, person: str | None, **attributes: str) -> Crop:
    return Crop(name, Image.new("RGB", (8, 16)), person=person, camera=name[-1], attributes=attributes)


def dataset(*crops: Crop) -> ReIDDataset:
    return ReIDDataset("shop", None, train=crops)


def known(findings: list[Finding]) -> dict[str, FamilyCounts]:
    return {finding.known.family: finding.known for finding in findings if finding.known is not None}


def counts_of(family: FamilyCounts) -> dict[str, tuple[int, int, int]]:
    return {own.value: (own.true, own.false, own.unknown) for own in family.values}


STREET = dataset(
    crop("a1", "1", bag="backpack", sleeve="long"),
    crop("a2", "1", bag="not visible", sleeve="short"),
    crop("b1", "2", bag="none"),
    crop("b2", "2"),
)


def test_true_false_unknown_and_hidden_are_counted() -> None:
    counts = known(validate(STREET))
    assert counts.keys() == {"carried", "sleeves"}
    carried = counts["carried"]
    assert (carried.persons, carried.crops, carried.hidden) == (2, 2, 1)
    assert counts_of(carried) == {
        "nothing": (1, 1, 2),
        "backpack": (1, 1, 2),
        "shoulder bag": (0, 2, 2),
        "handbag": (0, 2, 2),
    } | dict.fromkeys(CARRIED[4:], (0, 0, 4))
    assert counts["sleeves"] == FamilyCounts(
        "sleeves", 1, 2, 0, (ValueCounts("long", 1, 1, 2), ValueCounts("short", 1, 1, 2), ValueCounts("none", 0, 2, 2))
    )


def test_the_counts_are_a_line_of_text() -> None:
    [line] = [f.message for f in validate(STREET) if f.known is not None and f.known.family == "carried"]
    assert line == (
        "carried: known of 2 of 2 persons, 2 of 4 crops, hidden in 1; true/false/unknown: "
        "nothing 1/1/2, backpack 1/1/2, shoulder bag 0/2/2, handbag 0/2/2; "
        "nothing is known of plastic bag, suitcase, folder, umbrella, stroller"
    )


def test_what_is_nowhere_described_is_not_counted() -> None:
    assert known(validate(dataset(crop("a1", "1"), crop("a2", "1")))) == {}


def test_a_distractor_counts_as_a_crop_and_as_nobody() -> None:
    data = ReIDDataset(
        "shop", None, query=(crop("q1", "1", hat="cap"),), gallery=(crop("g2", "1"), crop("d2", None, hat="none"))
    )
    assert known(validate(data))["headwear"] == FamilyCounts(
        "headwear", 1, 2, 0, (ValueCounts("none", 1, 1, 1), ValueCounts("hat", 1, 1, 1))
    )


def test_attributes_without_a_meaning_are_a_warning_and_unknown() -> None:
    findings = validate(dataset(crop("a1", "1", sleeve="rolled"), crop("a2", "1", sleeve="long")))
    [warning] = [finding for finding in findings if finding.kind == "attribute values"]
    assert warning.severity == "warning"
    assert "attributes of 1 crop are not in the vocabulary" in warning.message
    assert "a1: sleeves: no value 'rolled'" in warning.message
    assert counts_of(known(findings)["sleeves"])["long"] == (1, 0, 1)


def test_the_command_says_it_in_text_and_in_json(tmp_path: Path) -> None:
    for number in (1, 2):
        Image.new("RGB", (8, 16), (number, 0, 0)).save(tmp_path / f"{number}.png")
    rows = ["image,person,camera,split,attribute:hat", "1.png,1,1,train,cap", "2.png,1,2,train,"]
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    result = CliRunner().invoke(reidr, ["validate", str(tmp_path), "--json", str(tmp_path / "out.json")])
    assert result.exit_code == 0, result.output
    assert "headwear: known of 1 of 1 persons, 1 of 2 crops; true/false/unknown: none 0/1/1, hat 1/0/1" in result.output
    [finding] = [f for f in json.loads((tmp_path / "out.json").read_text()) if f["kind"] == "known attributes"]
    assert finding["known"] == {
        "family": "headwear",
        "persons": 1,
        "crops": 1,
        "hidden": 0,
        "values": [
            {"value": "none", "true": 0, "false": 1, "unknown": 1},
            {"value": "hat", "true": 1, "false": 0, "unknown": 1},
        ],
    }


@pytest.mark.real_data
def test_the_research_photos_are_described(real_data: Path) -> None:
    counts = known(validate(real_data / "market1501", pixels=False))
    assert (counts["carried"].persons, counts["carried"].crops) == (1_501, 29_419)
    assert all(own.true + own.false + own.unknown == 32_217 for family in counts.values() for own in family.values)
