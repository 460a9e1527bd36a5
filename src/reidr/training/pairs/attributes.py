"""Known attributes of the two crops of each pair, for the reward that compares rationales with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from reidr.data.attributes import common_attributes
from reidr.data.person_key import dataset_of
from reidr.data.types import Crop
from reidr.reasoning.rationales.statements import Known, what_is_known
from reidr.reasoning.types import Pair
from reidr.training.grpo.rewards.columns import Facts


def facts_finder(pairs: Iterable[Pair]) -> Callable[[Pair], Facts | None]:
    """A function that gives the known attributes of the crops of any of `pairs`, in their order; None without any.

    Whether attributes are known per crop or per person is decided from all crops of a data set together: the renderer
    says of each crop what is visible on it, a table of persons never does.
    """
    of_set: dict[str, list[Crop]] = {}
    for pair in pairs:
        for crop in (pair.query, pair.candidate):
            of_set.setdefault(dataset_of(crop.person), []).append(crop)
    known: dict[str, Known] = {name: what_is_known(crops) for name, crops in of_set.items()}

    def find(pair: Pair) -> Facts | None:
        kinds = {known.get(dataset_of(crop.person), "nothing") for crop in (pair.query, pair.candidate)}
        if "nothing" in kinds:
            return None
        a, b = (common_attributes(crop.attributes) for crop in (pair.query, pair.candidate))
        return Facts(a, b, kinds == {"per crop"})

    return find
