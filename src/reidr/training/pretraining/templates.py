"""Text templates: known attributes of crops as sentences in varied wording. What `nano` learns to write.

No sentence is written by a person or by another model, and none says whether two crops show the same person: a sentence
states what is visible of one region, that it agrees, differs, or cannot be seen. Unknown attributes are not mentioned.
"""

from __future__ import annotations

import numpy as np

from reidr.reasoning.prompting.questions import QUESTIONS, answer_of
from reidr.reasoning.rationales.regions import REGIONS, UNSEEN, Known, Region

AGREE = ("The {region} {agrees}: {a} in both.", "Same {region}: {a}.", "Both have {a}.")
DIFFER = (
    "The {region} {differs}: {a} in A, {b} in B.",
    "Different {region}: A has {a}, B has {b}.",
    "{start} {differs}: {a} against {b}.",
)
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


def compare(a: Known, b: Known, random: np.random.Generator, *, regions: int = 5) -> str:
    """A comparison of up to `regions` regions in random order; what is visible in both is preferred to what is not.

    A region is compared by the attributes that are visible in both crops: a colour that one crop hides is neither said
    to agree nor to differ.
    """
    seen: list[str] = []
    hidden: list[str] = []
    for region in shuffled(random):
        first, second = region.visible(a), region.visible(b)
        common = [name for name in region.attributes if name in first and name in second]
        said_a = region.say({name: first[name] for name in common})
        said_b = region.say({name: second[name] for name in common})
        words = words_of(region) | {"a": said_a, "b": said_b}
        if said_a is not None and said_b is not None:
            seen.append(choose(AGREE if said_a == said_b else DIFFER, random).format(**words))
            continue
        hidden_a = region.say(first) is None and region.hidden(a)
        hidden_b = region.say(second) is None and region.hidden(b)
        if hidden_a or hidden_b:
            words["where"] = "both" if hidden_a and hidden_b else "A" if hidden_a else "B"
            hidden.append(choose(HIDDEN, random).format(**words))
    return " ".join((seen + hidden)[:regions])


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
    from reidr.data.synthetic.person.appearance import ATTRIBUTES

    def random_attributes() -> dict[str, str]:
        values = {name: (*values, UNSEEN) for name, values in ATTRIBUTES.items()}
        values["hat"] = (*values["hat"], "hat")
        return {name: choose(each, random) for name, each in values.items()}

    questions = [text for texts in QUESTIONS.values() for text in texts]
    answers = [answer_of(value) for values in ATTRIBUTES.values() for value in (*values, UNSEEN)]
    texts = [describe(random_attributes(), random) for _ in range(number // 3)]
    texts += [compare(random_attributes(), random_attributes(), random, regions=7) for _ in range(number // 3)]
    return texts + (questions + answers) * 10
