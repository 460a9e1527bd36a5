"""Samples people in groups of look-alikes, who share their colours and differ in one or two attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reidr.data.synthetic.person.appearance import (
    BAGS,
    HAIR_LENGTHS,
    LOWER_KINDS,
    PATTERNS,
    SLEEVES,
    Body,
    Outfit,
    Person,
    true_attributes,
)
from reidr.data.synthetic.person.palette import (
    BAG_COLORS,
    HAIR_COLORS,
    HAT_COLORS,
    JACKET_COLORS,
    LOWER_COLORS,
    SHOES_COLORS,
    UPPER_COLORS,
)

DISTINGUISHING = ("pattern", "sleeve", "jacket", "lower_kind", "shoes", "bag", "hat", "hair_length", "hair_color")
CONTRAST: dict[str, tuple[str, ...]] = {
    "black": ("white", "red", "yellow", "gray", "orange"),
    "navy": ("white", "red", "yellow", "pink", "orange"),
    "gray": ("black", "white", "red", "navy"),
    "white": ("black", "navy", "red", "green", "blue"),
    "beige": ("brown", "navy", "black", "red"),
}
"""Pattern colours that can be distinguished from the ground colour; any other ground takes white, black, or yellow."""


def choose(random: np.random.Generator, values: Sequence[str], weights: Sequence[float] | None = None) -> str:
    """One of `values`, with `weights` that need not sum to 1."""
    if weights is None:
        return values[int(random.integers(len(values)))]
    cumulative = np.cumsum(weights)
    return values[int(np.searchsorted(cumulative, random.random() * cumulative[-1], side="right"))]


def sample_body(random: np.random.Generator) -> Body:
    """A body: height, girths and skin vary independently of one another and of everything worn."""
    light, dark = np.array([240.0, 200.0, 172.0]), np.array([92.0, 58.0, 40.0])
    tone = light + (dark - light) * random.random()
    return Body(
        height=float(np.clip(random.normal(171, 9), 150, 196)),
        build=float(np.clip(random.normal(1.0, 0.11), 0.82, 1.3)),
        shoulders=float(random.uniform(0.9, 1.1)),
        waist=float(random.uniform(0.86, 1.12)),
        hips=float(random.uniform(0.92, 1.1)),
        legs=float(random.uniform(0.485, 0.515)),
        hair_volume=float(random.random()),
        skin=(float(tone[0]), float(tone[1]), float(tone[2])),
    )


def with_pattern(random: np.random.Generator, outfit: Outfit, pattern: str) -> Outfit:
    """`outfit` with `pattern` in a colour that shows on its upper garment."""
    color = "none"
    if pattern != "plain":
        color = choose(random, CONTRAST.get(outfit.upper_color, ("white", "black", "yellow")))
        color = "white" if color == outfit.upper_color else color
    return replace(
        outfit,
        upper_pattern=pattern,
        pattern_color=color,
        pattern_period=float(random.uniform(9.0, 14.0)),
        print_shape=int(random.integers(4)),
    )


def with_bag(random: np.random.Generator, outfit: Outfit, bag: str) -> Outfit:
    """`outfit` with `bag`, in a colour of its own."""
    color = "none" if bag == "none" else choose(random, BAG_COLORS)
    return replace(outfit, bag=bag, bag_color=color, bag_side=1 if random.random() < 0.5 else -1)


def with_hat(random: np.random.Generator, outfit: Outfit, hat: str) -> Outfit:
    """`outfit` with `hat`, in a colour of its own."""
    return replace(outfit, hat=hat, hat_color="none" if hat == "none" else choose(random, HAT_COLORS))


def sample_outfit(random: np.random.Generator, label: str) -> Outfit:
    """A whole outfit."""
    outfit = Outfit(
        label=label,
        upper_color=choose(random, UPPER_COLORS),
        sleeve=choose(random, SLEEVES),
        jacket_color=choose(random, JACKET_COLORS) if random.random() < 0.22 else "none",
        lower_color=choose(random, LOWER_COLORS, (5, 3, 1, 2, 2, 1, 4, 4, 1)),
        lower_kind=choose(random, LOWER_KINDS, (6, 2, 2)),
        shoes_color=choose(random, SHOES_COLORS),
        upper_shade=float(random.uniform(-0.14, 0.14)),
        lower_shade=float(random.uniform(-0.14, 0.14)),
        fit=float(random.random()),
    )
    outfit = with_pattern(random, outfit, choose(random, PATTERNS, (3, 2, 1, 1.5, 1.5, 1.5)))
    outfit = with_bag(random, outfit, choose(random, BAGS, (4, 3, 2, 2)))
    return with_hat(random, outfit, choose(random, ("none", "cap", "beanie"), (6, 2, 1.5)))


def with_other(random: np.random.Generator, person: Person, fact: str) -> Person:
    """`person` with another value of the distinguishing `fact` in the only outfit."""
    outfit = person.outfits[0]

    def other(values: Sequence[str], now: str) -> str:
        return choose(random, [value for value in values if value != now])

    if fact == "hair_length":
        return replace(person, hair_length=other(HAIR_LENGTHS, person.hair_length))
    if fact == "hair_color":
        return replace(person, hair_color=other(tuple(HAIR_COLORS), person.hair_color))
    if fact == "pattern":
        outfit = with_pattern(random, outfit, other(PATTERNS, outfit.upper_pattern))
    elif fact == "sleeve":
        outfit = replace(outfit, sleeve=other(SLEEVES, outfit.sleeve))
    elif fact == "jacket":
        jacket = other(JACKET_COLORS, outfit.upper_color) if outfit.jacket == "none" else "none"
        outfit = replace(outfit, jacket_color=jacket)
    elif fact == "lower_kind":
        outfit = replace(outfit, lower_kind=other(LOWER_KINDS, outfit.lower_kind))
    elif fact == "shoes":
        outfit = replace(outfit, shoes_color=other(SHOES_COLORS, outfit.shoes_color))
    elif fact == "bag":
        outfit = with_bag(random, outfit, other(BAGS, outfit.bag))
    else:
        outfit = with_hat(random, outfit, other(("none", "cap", "beanie"), outfit.hat))
    return replace(person, outfits=(outfit,))


def sample_look_alikes(random: np.random.Generator, labels: Sequence[str]) -> list[Person]:
    """One group: everyone keeps the first one's upper and lower colour, and nobody has all attributes of another."""
    first = Person(
        labels[0],
        sample_body(random),
        choose(random, HAIR_LENGTHS, (6, 5)),
        choose(random, tuple(HAIR_COLORS), (4, 4, 2, 1.5, 1)),
        (sample_outfit(random, "1"),),
    )
    group, seen = [first], [true_attributes(first, first.outfits[0])]
    while len(group) < len(labels):
        outfit = replace(
            first.outfits[0],
            fit=float(random.random()),
            upper_shade=first.outfits[0].upper_shade + float(random.uniform(-0.05, 0.05)),
            lower_shade=first.outfits[0].lower_shade + float(random.uniform(-0.05, 0.05)),
        )
        person = replace(first, label=labels[len(group)], body=sample_body(random), outfits=(outfit,))
        for fact in random.permutation(DISTINGUISHING)[: random.integers(1, 3)]:
            person = with_other(random, person, str(fact))
        attributes = true_attributes(person, person.outfits[0])
        if attributes not in seen:
            group.append(person)
            seen.append(attributes)
    return group


def with_change_of_clothes(random: np.random.Generator, person: Person) -> Person:
    """`person` with a second outfit: other garments, mostly the same bag, hat and shoes."""
    now, then = person.outfits[0], sample_outfit(random, "2")
    if random.random() < 0.7:
        then = replace(then, bag=now.bag, bag_color=now.bag_color, bag_side=now.bag_side)
    if random.random() < 0.7:
        then = replace(then, hat=now.hat, hat_color=now.hat_color)
    if random.random() < 0.5:
        then = replace(then, shoes_color=now.shoes_color)
    if then.upper_color == now.upper_color and then.lower_color == now.lower_color:
        return with_change_of_clothes(random, person)
    return replace(person, outfits=(now, then))
