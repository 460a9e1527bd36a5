"""Splitting training identities, so that nothing is ever chosen on people it was fitted to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reidr.data.checks.official_counts import TITLES
from reidr.data.layouts.market1501 import TRAIN_PREFIX
from reidr.data.person_key import PersonKey, dataset_of, in_dataset
from reidr.data.protocols.dataset_overlap import NUMBERED, same_family
from reidr.data.types import Crop, ReIDDataset

STREET = "street"
NUMBER = re.compile(r"\d+$")  # a rendered street's data set is called after its seed


def family_of(person: str) -> str:
    """The data sets that a joined person's belongs to: all rendered streets (`STREET`) are one family."""
    return NUMBER.sub("", dataset_of(person))


def hold_out_identities(crops: Sequence[Crop], share: float, seed: int) -> tuple[tuple[Crop, ...], tuple[Crop, ...]]:
    """Split labelled crops by person into (kept, held out), about `share` of the persons held out.

    The choice hashes each person's label with the seed: it does not depend on file order, on other persons, or on
    the machine, so a partial copy of a data set holds out the same people. Crops without a person are kept.
    """

    people = {crop.person for crop in crops}
    chosen = {person for person in people if person is not None and is_held_out(person, share, seed)}
    return tuple(c for c in crops if c.person not in chosen), tuple(c for c in crops if c.person in chosen)


@dataclass(frozen=True)
class SplitCrops:
    """Training crops by the use of their persons.

    Attributes:
        vision_encoder: crops of identities that a vision encoder is trained on. reasoning: of identities it is not
            trained on; a reasoner's candidate pairs are made of them. held_out: of identities that no part is trained
            on, for choices afterwards.
    """

    vision_encoder: tuple[Crop, ...]
    reasoning: tuple[Crop, ...]
    held_out: tuple[Crop, ...]


def split_identities(crops: Sequence[Crop], held_out_share: float, reasoning_share: float, seed: int) -> SplitCrops:
    """Split by person: `held_out_share` of all identities held out, `reasoning_share` of the others left to reasoning.

    One split for the retriever, the vision encoder and the reasoner, so that nothing is chosen on people it knows.
    """
    kept, held_out = hold_out_identities(crops, held_out_share, seed)
    # With the same seed the second split would select the very people that the first has removed.
    trained, reasoning = hold_out_identities(kept, reasoning_share, seed + 1)
    return SplitCrops(trained, reasoning, held_out)


def is_held_out(person: str, share: float, seed: int) -> bool:
    """Whether the split (share, seed) holds out a joined person, `market1501:0002`."""
    digest = hashlib.sha256(f"{seed}:{person}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


@dataclass(frozen=True)
class KnownPeople:
    """The people of a data set that a model was, or may have been, trained on.

    Attributes:
        names: the model's training data that are, or may be, the same data set; empty where there are none.
        certain: whether one of them surely is. people: their labels.
    """

    names: tuple[str, ...]
    certain: bool
    people: frozenset[str]


def known_people(
    data: ReIDDataset | str, crops: Sequence[Crop], trained_on: Sequence[str], held_out: tuple[float, int] | None
) -> KnownPeople:
    """Which people on `crops` a model knows or may know: all of a related data set, but those it surely held out.

    Models say names of data sets and a split, not people. So `data` is compared with each name (`same_family`), and a
    person is taken for unknown only where the model's split holds out what that person is called *there*: a folder
    that is called otherwise, a manifest, a subset all give the same answer.

    Args:
        data: the data set, or its name where that is all that is known. crops: of it, or joined of it (`name:person`).
        trained_on: names or folders of the model's training data. held_out: its (share, seed); None: it does not say.
    """
    related = {each: relation for each in trained_on if (relation := same_family(data, each)) != "other"}
    own = data if isinstance(data, str) else data.name
    names = tuple(dict.fromkeys(training_name(data, each) for each in related))
    labels: dict[str, set[str]] = {}
    for crop in crops if related else ():
        if crop.person is not None:
            own_label = in_dataset(crop.person, own)
            label = crop.person if own_label is None else own_label
            for name in names:
                there = {label} if name == own else spellings_there(crop, label)
                labels.setdefault(crop.person, set()).update(str(PersonKey(name, each)) for each in there)
    people = frozenset(
        person
        for person, called in labels.items()
        if held_out is None or not all(is_held_out(label, *held_out) for label in called)
    )
    return KnownPeople(names, "same" in related.values(), people)


def training_name(data: ReIDDataset | str, trained: str) -> str:
    """What a model called its training data when it split their people: the name that their loader gives.

    Most loaders take the folder's name. Where the folder is this very one, or its loader has one name for all folders
    (`ltcc`), it is this data set's.
    """
    last = trained.replace("\\", "/").rstrip("/").rpartition("/")[2]
    if isinstance(data, str):
        return last
    has_folder = "/" in trained.replace("\\", "/")
    here = has_folder and data.root is not None and Path(trained).exists() and Path(trained).samefile(data.root)
    one_name = data.kind in TITLES and data.name in (data.kind.replace("/", "-"), "msmt17-v1", "msmt17-v2")
    return data.name if here or (has_folder and one_name) else last


def spellings_there(crop: Crop, label: str) -> set[str]:
    """What the data set's own loader may call a person: the number in the file's name, as it is written there.

    Where the label is another number, people may have been renumbered (0, 1, 2, … as training code does). Which of
    the two numbers the model's split used is then unknown, and both count.
    """
    facts = NUMBERED.match(crop.id.rpartition("/")[2])
    if facts is None or label.startswith(TRAIN_PREFIX):
        return {label}
    return {facts[1]} if not label.isdecimal() or int(label) == int(facts[1]) else {facts[1], label}
