"""Non-trivial sampling: keep the pairs about which the retriever is unsure and the model is right only sometimes.

Where every rollout of a pair passes, or none does, all advantages of its group are zero and nothing is learned from it
(DAPO, arXiv 2503.14476); where the retriever is sure, the reasoner will not be asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np

from reidr.errors import DataError
from reidr.training.pairs.table import MinedPair
from reidr.training.recipes.sampling import SampleRecipe

Reason = Literal["kept", "retriever is sure", "never passes", "always passes", "label balance", "over budget"]
REASONS: tuple[str, ...] = get_args(Reason)


def select_non_trivial(
    pass_rates: Sequence[float],
    labels: Sequence[bool],
    ranks: Sequence[int],
    gaps: Sequence[float],
    recipe: SampleRecipe,
    budget: int | None = None,
) -> list[Reason]:
    """Why each of N pairs is kept or dropped; the first reason that applies, in this order.

    1. "retriever is sure": rank above `rank_most`, or more than `gap_most` beyond the query's nearest candidate.
    2. "never passes": pass rate not above `band_low`. "always passes": not below `band_high`.
    3. "label balance", "over budget": of the rest, pairs are taken alternately from both labels, those with a pass rate
       nearest to 1/2 (the most variance in the group's rewards) first and equals in random order, until one label has
       run out or the budget is spent. What remains of a label is "label balance" where the other label ran out, else
       "over budget".

    `budget`: most pairs kept; None takes the recipe's share of these pairs.

    The rule "random" skips 1 and 2 and takes pairs at random; "all" does so without a budget. Both keep labels
    balanced, so that only the choice differs.

    Raises:
        DataError: sequences of different lengths, or a pass rate outside [0, 1].
    """
    number = len(pass_rates)
    if not number == len(labels) == len(ranks) == len(gaps):
        raise DataError(f"{number} pass rates, {len(labels)} labels, {len(ranks)} ranks, {len(gaps)} gaps: not equal")
    outside = next((rate for rate in pass_rates if not 0 <= rate <= 1), None)
    if outside is not None:
        raise DataError(f"a pass rate must lie in [0, 1], not {outside!r}")
    reasons: list[Reason] = ["over budget"] * number
    random_order = np.random.default_rng(recipe.seed).permutation(number).tolist()
    eligible: dict[bool, list[int]] = {True: [], False: []}
    for place in range(number):
        dropped = (
            _dropped(pass_rates[place], ranks[place], gaps[place], recipe) if recipe.rule == "non-trivial" else None
        )
        if dropped is not None:
            reasons[place] = dropped
        else:
            eligible[bool(labels[place])].append(place)
    for own in eligible.values():
        if recipe.rule == "non-trivial":
            own.sort(key=lambda place: (abs(pass_rates[place] - 0.5), random_order[place]))
        else:
            own.sort(key=lambda place: random_order[place])
    most = budget_of(number, recipe) if budget is None else budget
    per_label = min(most // 2, len(eligible[True]), len(eligible[False]))
    for label, own in eligible.items():
        # The other label ran out although the budget had room for two more pairs.
        short = len(eligible[not label]) == per_label and 2 * per_label + 2 <= most
        for turn, place in enumerate(own):
            reasons[place] = "kept" if turn < per_label else "label balance" if short else "over budget"
    return reasons


def select_per_data_set(
    pass_rates: Sequence[float], pairs: Sequence[MinedPair], budgets: Mapping[str, int], recipe: SampleRecipe
) -> list[Reason]:
    """`select_non_trivial` within each data set, up to its own budget; what one cannot use, no other gets."""
    reasons: list[Reason] = ["over budget"] * len(pairs)
    for name in sorted({pair.dataset for pair in pairs}):
        places = [place for place, pair in enumerate(pairs) if pair.dataset == name]
        own = [pairs[place] for place in places]
        chosen = select_non_trivial(
            [pass_rates[place] for place in places],
            [pair.label for pair in own],
            [pair.rank for pair in own],
            [pair.gap for pair in own],
            recipe,
            len(own) if recipe.rule == "all" else budgets.get(name, 0),
        )
        for place, reason in zip(places, chosen, strict=True):
            reasons[place] = reason
    return reasons


def image_budgets(images: Mapping[str, int], share: float) -> dict[str, int]:
    """Even numbers of pairs, `share` of all training images together, divided by each data set's images.

    Largest remainders get what rounding down leaves over: 20.9 % of Market-1501, MSMT17, CUHK03 and PRCC are 14,304.
    """
    total = sum(images.values())
    exact = {name: share * number / 2 for name, number in images.items()}
    halves = {name: int(value) for name, value in exact.items()}
    left = int(share * total / 2) - sum(halves.values())
    for name in sorted(exact, key=lambda each: (halves[each] - exact[each], each))[:left]:
        halves[name] += 1
    return {name: 2 * half for name, half in halves.items()}


def budget_of(number: int, recipe: SampleRecipe) -> int:
    """Most pairs to keep of `number`."""
    if recipe.rule == "all" or recipe.budget_share is None:
        return number
    return int(number * recipe.budget_share)


def _dropped(rate: float, rank: int, gap: float, recipe: SampleRecipe) -> Reason | None:
    """Why a pair is not even eligible; None where it is."""
    if rank > recipe.rank_most or gap > recipe.gap_most:
        return "retriever is sure"
    if rate <= recipe.band_low:
        return "never passes"
    if rate >= recipe.band_high:
        return "always passes"
    return None
