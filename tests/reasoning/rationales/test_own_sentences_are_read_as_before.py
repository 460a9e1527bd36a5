"""Every sentence that `nano` can write is read as it was when its shipped scores were made.

`own_readings.json` holds digests of what cues, claims and descriptions said of all templates with all values, written
before the reader of free prose was extended. Whoever changes the grammar on purpose makes the file anew:

    PYTHONPATH=src:tests/reasoning/rationales python -m test_own_sentences_are_read_as_before
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from reidr.data.synthetic.person.appearance import ATTRIBUTES
from reidr.reasoning.rationales.claims import parse_claims, parse_description, self_contradictory
from reidr.reasoning.rationales.cues import extract_cues
from reidr.reasoning.rationales.regions import REGIONS, UNSEEN, Region
from reidr.reasoning.rationales.support import compared_regions
from reidr.training.pretraining import templates

KEPT = Path(__file__).parent / "own_readings.json"


def phrases(region: Region) -> list[str]:
    """All that can be said of a region, each attribute known or not."""
    values = [(None, *ATTRIBUTES[name], *(("hat",) if name == "hat" else ())) for name in region.attributes]
    said = set()
    for chosen in itertools.product(*values):
        known = {name: value for name, value in zip(region.attributes, chosen, strict=True) if value is not None}
        if known.get("bag_color") != "none":  # a bag has a colour, or none is known
            said.add(region.say(known))
    return sorted(one for one in said if one is not None)


def sentences(kind: str) -> Iterator[str]:
    """The sentences of one kind of template, or whole texts."""
    random = np.random.default_rng(0)
    if kind in ("compare", "describe"):
        values = {name: (*given, UNSEEN) for name, given in ATTRIBUTES.items()}
        for number in range(300):
            a, b = ({name: str(random.choice(each)) for name, each in values.items()} for _ in range(2))
            yield (
                templates.compare(a, b, random, regions=3 + number % 5)
                if kind == "compare"
                else templates.describe(a, random)
            )
        return
    for region in REGIONS:
        words = templates.words_of(region) | {"verb": region.verb.capitalize()}
        own = phrases(region)
        own = own[:: 1 + len(own) // 100]
        for template in getattr(templates, kind):
            for a in own:
                others = random.choice(own, min(len(own), 4 if kind == "DIFFER" else 1), replace=False)
                for b in others:
                    for where in ("A", "B", "both") if "{where}" in template else ("A",):
                        yield template.format(**words, a=a, b=b, where=where)


def digest(kind: str) -> str:
    """What is read of all sentences of one kind."""
    found = hashlib.sha256()
    for text in dict.fromkeys(sentences(kind)):
        claims = [
            (c.region, c.agreement, sorted(c.a.items()), sorted(c.b.items()), c.where, c.whole, self_contradictory(c))
            for c in parse_claims(text)
        ]
        cues = [(cue.region, cue.agreement) for cue in extract_cues(text)]
        regions = compared_regions(text)
        whole = (sorted(regions.agree), sorted(regions.differ), sorted(regions.unseen), regions.contradictory)
        found.update(repr((text, claims, cues, sorted(parse_description(text).items()), whole)).encode() + b"\n")
    return found.hexdigest()


KINDS = ("AGREE", "DIFFER", "HIDDEN", "DESCRIBED", "OUT_OF_SIGHT", "compare", "describe")


@pytest.mark.parametrize("kind", KINDS)
def test_own_sentences_are_read_as_before(kind: str) -> None:
    assert digest(kind) == json.loads(KEPT.read_text())[kind]


if __name__ == "__main__":
    KEPT.write_text(json.dumps({kind: digest(kind) for kind in KINDS}, indent=2) + "\n")
