"""docs/attributes.md equals the tables, and every word of every source is mapped or left out with a reason."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from reidr.data.attribute_sources import (
    LEFT_OUT,
    MARKET_LEFT_OUT,
    PETA_ACCESSORIES,
    PETA_CARRIED,
    PETA_LENGTH,
    PETA_ONE,
    PETA_PASSED_OVER,
    PETA_WORDS,
    STREET_LEFT_OUT,
    facts_of_peta,
    facts_of_street,
    peta_color,
)
from reidr.data.attributes import LOWER_COLORS, TWO_VALUED, UPPER_COLORS
from reidr.data.synthetic.person.appearance import ATTRIBUTES
from reidr.data.vocabulary import FAMILIES, VOCABULARY

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "attributes.md"
MARKET_COLUMNS = {
    *TWO_VALUED,
    *(f"up{color}" for color in UPPER_COLORS),
    *(f"down{color}" for color in LOWER_COLORS),
    *MARKET_LEFT_OUT,
}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("attribute_page", REPOSITORY / "scripts" / "attribute_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows_of(section: str) -> dict[str, str]:
    """Word → meaning of the tables of one section of the page."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| ([^|]+) \|$", text, re.M))


def test_the_page_is_what_the_script_writes(script: ModuleType) -> None:
    assert PAGE.read_text(encoding="utf-8") == script.page(), "run scripts/attribute_page.py"


def test_every_value_of_the_vocabulary_stands_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for family in VOCABULARY:
        assert f"| {family.name} | {', '.join(family.values)} |" in text


@pytest.mark.parametrize("word", PETA_WORDS)
def test_every_word_of_peta_is_mapped_or_left_out(word: str) -> None:
    tables = (PETA_ONE, PETA_LENGTH, PETA_CARRIED, PETA_ACCESSORIES)
    is_mapped = any(word in table for table in tables) or peta_color(word) is not None
    assert is_mapped != (word in LEFT_OUT)
    told = rows_of("PETA")[word]
    if word in LEFT_OUT:
        assert told == LEFT_OUT[word]
        return
    facts = facts_of_peta([word])
    true = {(family, value) for family, known in facts.items() for value, is_so in known.items() if is_so}
    assert true
    assert {tuple(part.split(": ")) for part in told.split("; ")} == true


def test_every_attribute_of_the_street_is_mapped_or_left_out() -> None:
    told = rows_of("The rendered street")
    for name, values in ATTRIBUTES.items():
        if name in STREET_LEFT_OUT:
            assert told[name] == STREET_LEFT_OUT[name]
            continue
        listed = [value for row in told if row.startswith(f"{name}: ") for value in row.split(": ")[1].split(", ")]
        assert sorted(listed) == sorted(values)
        for value in values:
            facts = facts_of_street({name: value})
            assert value == "none" or any(any(known.values()) for known in facts.values()), (name, value)


def test_every_column_of_market_1501_is_mapped_or_left_out() -> None:
    told = rows_of("Market-1501")
    columns = {part.split(" = ")[0] for row in told for part in row.split(", ")}
    assert columns == MARKET_COLUMNS
    for column in {*TWO_VALUED} - {"down", "clothes"}:
        assert {f"{column} = 1", f"{column} = 2"} <= told.keys()
    assert told["down = 1, clothes = 2"] == "lower length: long; not lower garment: shorts, skirt"


def test_what_is_protected_is_left_out_with_that_reason() -> None:
    for words in (MARKET_LEFT_OUT["gender"], MARKET_LEFT_OUT["age"], *PETA_PASSED_OVER.values()):
        assert words.startswith("gender, age, origin, religion")
    assert not [word for word in PETA_WORDS if word.startswith(tuple(PETA_PASSED_OVER))]


def test_families_of_the_page_exist() -> None:
    for section in ("PETA", "Market-1501", "The rendered street"):
        for word, told in rows_of(section).items():
            if word in {*LEFT_OUT, *MARKET_LEFT_OUT, *STREET_LEFT_OUT} or word.endswith("\u2026") or ": none" in word:
                continue
            assert {part.removeprefix("not ").split(": ")[0] for part in told.split("; ")} <= FAMILIES.keys()


def test_the_words_of_the_files_are_the_words_of_the_page(photos: Path) -> None:
    with (photos / "peta" / "labels.jsonl").open(encoding="utf-8") as file:
        words = {word for line in file for word in json.loads(line)["labels"]}
    assert words <= set(PETA_WORDS)
    with (photos / "market1501" / "attributes.csv").open(encoding="utf-8", newline="") as file:
        assert set(next(csv.reader(file))) == MARKET_COLUMNS
