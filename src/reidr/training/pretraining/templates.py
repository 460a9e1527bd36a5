"""Text templates: known attributes of crops as sentences in varied wording. What `nano` learns to write.

No sentence is written by a person or by another model, and none says whether two crops show the same person: a sentence
states what is visible of one region, that it agrees, differs, or cannot be seen, or how alike it looks. Unknown
attributes are not mentioned.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reidr.data.attributes import AND, EITHER, same_value
from reidr.data.vocabulary import FAMILIES
from reidr.reasoning.prompting.questions import QUESTIONS, answer_of
from reidr.reasoning.rationales.regions import PROBABLY, REGIONS, UNSEEN, Known, Region, certain

AGREE = ("The {region} {agrees}: {a} in both.", "Same {region}: {a}.", "Both have {a}.")
DIFFER = (
    "The {region} {differs}: {a} in A, {b} in B.",
    "Different {region}: A has {a}, B has {b}.",
    "{start} {differs}: {a} against {b}.",
)
GRADED = ("The {region} {is_} {grade}: {values}.", "{start} {is_} {grade}: {values}.")
GRADED_ALONE = ("The {region} {is_} {grade}.",)
GRADES = ("very unlike", "somewhat unlike", "somewhat alike", "much alike")
"""How alike two regions look, by quarter of the pairs: see `example_source`."""
GRADED_SHARE = 0.75  # of the sentences about a region of which it is known how alike it looks
HIDDEN = ("The {region} cannot be seen in {where}.", "{start} {is_} hidden in {where}.")
DESCRIBED = ("{verb} {a}.", "{start}: {a}.")
OUT_OF_SIGHT = ("The {region} cannot be seen.", "{start} {is_} hidden.")


def ask(attribute: str, random: np.random.Generator) -> str:
    """A question about `attribute`, in one of its wordings."""
    return choose(QUESTIONS[attribute], random)


def describe(attributes: Known, random: np.random.Generator) -> str:
    """A crop in words, region by region in random order, hidden regions last; empty where nothing is known."""
    seen: list[str] = []
    hidden: list[str] = []
    for region in shuffled(random):
        said = region.say(region.visible(attributes))
        words = words_of(region) | {"a": said, "verb": region.verb.capitalize()}
        if said is not None:
            seen.append(choose(DESCRIBED, random).format(**words))
        elif region.hidden(attributes):
            hidden.append(choose(OUT_OF_SIGHT, random).format(**words))
    return " ".join(seen + hidden)


def compare(
    a: Known, b: Known, random: np.random.Generator, *, regions: int = 5, likeness: Mapping[str, int] | None = None
) -> str:
    """A comparison of up to `regions` regions in random order; what is visible in both is preferred to what is not.

    A region is compared by the attributes that are visible in both crops: a colour that one crop hides is neither said
    to agree nor to differ.

    Args:
        likeness: how alike regions look, as places of `GRADES`, for those of which that is known.
    """
    seen: list[str] = []
    hidden: list[str] = []
    for region in shuffled(random):
        first, second = region.visible(a), region.visible(b)
        common = [name for name in region.attributes if comparable(first.get(name), second.get(name))]
        said_a = region.say({name: first[name] for name in common})
        said_b = region.say({name: second[name] for name in common})
        words = words_of(region) | {"a": said_a, "b": said_b}
        hidden_a = region.say(first) is None and region.hidden(a)
        hidden_b = region.say(second) is None and region.hidden(b)
        graded = None if likeness is None or hidden_a or hidden_b else likeness.get(region.name)
        if graded is not None and random.random() < GRADED_SHARE:
            words["grade"] = GRADES[graded]
            if said_a is None or said_b is None:
                seen.append(choose(GRADED_ALONE, random).format(**words))
                continue
            same = certain(said_a) == certain(said_b)
            words["values"] = f"{said_a} in both" if same else f"{said_a} in A, {said_b} in B"
            seen.append(choose(GRADED, random).format(**words))
        elif said_a is not None and said_b is not None:
            same = certain(said_a) == certain(said_b)
            seen.append(choose(AGREE if same else DIFFER, random).format(**words))
        elif hidden_a or hidden_b:
            words["where"] = "both" if hidden_a and hidden_b else "A" if hidden_a else "B"
            hidden.append(choose(HIDDEN, random).format(**words))
    return " ".join((seen + hidden)[:regions])


def comparable(one: str | None, other: str | None) -> bool:
    """Whether two values of one attribute can be compared: both known, and not one open where the other may be it."""
    if one is None or other is None:
        return False
    one, other = certain(one), certain(other)
    return (EITHER in one) == (EITHER in other) or same_value(one, other) is not None


def words_of(region: Region) -> dict[str, str | None]:
    """The words of a region that templates use."""
    return {
        "region": region.name,
        "start": region.name.capitalize(),
        "agrees": "agree" if region.plural else "agrees",
        "differs": "differ" if region.plural else "differs",
        "is_": "are" if region.plural else "is",
    }


def shuffled(random: np.random.Generator) -> list[Region]:
    """All regions in random order."""
    return [REGIONS[place] for place in random.permutation(len(REGIONS))]


def choose(templates: tuple[str, ...], random: np.random.Generator) -> str:
    """One of `templates`."""
    return templates[int(random.integers(len(templates)))]


def vocabulary_corpus(random: np.random.Generator, number: int = 3000) -> list[str]:
    """Sentences with every word that the grammar can write, for the tokenizer: crops with random attributes."""

    def random_attributes() -> dict[str, str]:
        known = {}
        for name in QUESTIONS:
            possible = FAMILIES[name].values + (("none",) if name == "jacket colors" else ())
            value = choose((*possible, UNSEEN), random)
            if FAMILIES[name].several and value not in ("none", "nothing", UNSEEN) and random.random() < 0.3:
                another = choose(FAMILIES[name].values, random)
                value = AND.join(dict.fromkeys((value, another))) if another != "nothing" else value
            known[name] = value if value == UNSEEN or random.random() < 0.7 else PROBABLY + value
        return known

    questions = [text for texts in QUESTIONS.values() for text in texts]
    values = [value for name in QUESTIONS for value in (*FAMILIES[name].values, UNSEEN)]
    answers = [answer_of(value) for value in values]
    answers += [answer_of(PROBABLY + value) for value in values if value != UNSEEN]
    texts = [describe(random_attributes(), random) for _ in range(number // 3)]
    for _ in range(number // 3):
        alike = {region.name: int(random.integers(len(GRADES))) for region in REGIONS}
        texts.append(compare(random_attributes(), random_attributes(), random, regions=7, likeness=alike))
    return texts + (questions + answers) * 10
