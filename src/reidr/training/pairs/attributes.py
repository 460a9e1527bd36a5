"""What is known of the two crops of each pair, for the reward that asks whether reasons are true."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from reidr.data.attributes import common_attributes
from reidr.data.types import Crop
from reidr.reasoning.rationales.statements import Known, what_is_known
from reidr.reasoning.types import Pair
from reidr.training.grpo.rewards import Facts


def facts_finder(pairs: Iterable[Pair]) -> Callable[[Pair], Facts | None]:
    """A function that gives what is known of the crops of any of `pairs`, as shown; None where one is not known.

    Whether attributes are known of each crop or of persons is told from all crops of a data set together: a drawn crop
    on which all can be seen says so of itself, and a table of persons never does.
    """
    of_set: dict[str, list[Crop]] = {}
    for pair in pairs:
        for crop in (pair.query, pair.candidate):
            of_set.setdefault(data_set(crop), []).append(crop)
    known: dict[str, Known] = {name: what_is_known(crops) for name, crops in of_set.items()}

    def find(pair: Pair) -> Facts | None:
        kinds = {known.get(data_set(crop), "nothing") for crop in (pair.query, pair.candidate)}
        if "nothing" in kinds:
            return None
        a, b = (common_attributes(crop.attributes) for crop in (pair.query, pair.candidate))
        return Facts(a, b, kinds == {"per crop"})

    return find


def data_set(crop: Crop) -> str:
    """The data set that a joined crop's person is named after."""
    return str(crop.person).split(":")[0]
