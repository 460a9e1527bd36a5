"""Non-trivial sampling: the selection against a plain twin, its reasons, resuming, and the reward behind pass rates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reidr.data.types import Crop
from reidr.errors import DataError, RecipeError
from reidr.training.pairs.table import MinedPair
from reidr.training.recipes.sampling import SampleRecipe
from reidr.training.sampling.rollouts import Rollouts, roll_out, sampled_columns
from reidr.training.sampling.select import budget_of, select_non_trivial
from reidr.training.warmup.figures import draw_pass_rates, draw_warmup

RECIPE = SampleRecipe(budget_share=0.5, band_low=0.1, band_high=0.9, rank_most=10, gap_most=0.5)

ROW = st.tuples(
    st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.75, 0.875, 1.0]), st.booleans(), st.integers(1, 14),
    st.sampled_from([0.0, 0.3, 0.5, 0.6]),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(ROW, max_size=30), st.floats(0.05, 1.0), st.integers(0, 3))
def test_selection_against_a_plain_twin(rows: list[tuple[float, bool, int, float]], share: float, seed: int) -> None:
    recipe = RECIPE.model_copy(update={"budget_share": share, "seed": seed})
    budget = int(len(rows) * share)
    columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[], [], [], []]
    reasons = select_non_trivial(*columns, recipe)  # type: ignore[arg-type]
    left = {True: [], False: []}  # type: dict[bool, list[int]]
    for place, (rate, label, rank, gap) in enumerate(rows):
        if rank > 10 or gap > 0.5:
            assert reasons[place] == "retriever is sure"
        elif rate <= 0.1:
            assert reasons[place] == "never passes"
        elif rate >= 0.9:
            assert reasons[place] == "always passes"
        else:
            left[label].append(place)
    # One of each label in turn, until a label has run out or the budget has no room for two more.
    kept = 0
    while kept < min(len(left[True]), len(left[False])) and 2 * kept + 2 <= budget:
        kept += 1
    spent = 2 * kept + 2 > budget
    for label, own in left.items():
        chosen = [place for place in own if reasons[place] == "kept"]
        rest = [place for place in own if reasons[place] != "kept"]
        assert len(chosen) == kept
        middle = [abs(rows[place][0] - 0.5) for place in chosen], [abs(rows[place][0] - 0.5) for place in rest]
        assert not chosen or not rest or max(middle[0]) <= min(middle[1])
        why = "over budget" if spent or len(left[not label]) > kept else "label balance"
        assert {reasons[place] for place in rest} <= {why}


def test_reasons_by_hand() -> None:
    rates = [0.0, 1.0, 0.5, 0.5, 0.25, 0.75, 0.5, 0.1]
    labels = [True, True, True, True, True, False, True, False]
    ranks = [1, 2, 3, 11, 4, 5, 6, 1]
    gaps = [0.1, 0.1, 0.1, 0.1, 0.1, 0.2, 0.6, 0.0]
    reasons = select_non_trivial(rates, labels, ranks, gaps, RECIPE)
    # One negative (place 5) is left, so one positive is kept: place 2, at 0.5. 0.1 is not strictly inside the band.
    assert reasons == [
        "never passes", "always passes", "kept", "retriever is sure", "label balance", "kept", "retriever is sure",
        "never passes",
    ]  # fmt: skip


def test_rules_to_compare_with_take_the_budget_at_random() -> None:
    number = 400
    rates = [0.0 if place % 3 else 0.5 for place in range(number)]
    labels = [place % 2 == 0 for place in range(number)]
    far = [1000] * number
    share = SampleRecipe(rule="random", budget_share=0.209)
    reasons = select_non_trivial(rates, labels, far, [9.0] * number, share)
    kept = [place for place, reason in enumerate(reasons) if reason == "kept"]
    assert len(kept) == 82  # 20.9 % of 400 is 83.6; both labels alike
    assert sum(labels[place] for place in kept) == 41
    # Two thirds of all pairs never pass, and so do about two thirds of those taken.
    assert 0.5 < sum(rates[place] == 0 for place in kept) / 82 < 0.82
    other = select_non_trivial(rates, labels, far, [9.0] * number, share.model_copy(update={"seed": 1}))
    assert other != reasons
    everything = select_non_trivial(rates, labels, far, [9.0] * number, SampleRecipe(rule="all"))
    assert set(everything) == {"kept"}


def test_budget() -> None:
    assert budget_of(1000, SampleRecipe()) == 209
    assert budget_of(1000, SampleRecipe(budget_share=None)) == 1000


def test_bad_input_is_named() -> None:
    with pytest.raises(DataError, match="not equal"):
        select_non_trivial([0.5], [True], [1], [], RECIPE)
    with pytest.raises(DataError, match=r"\[0, 1\]"):
        select_non_trivial([1.5], [True], [1], [0.0], RECIPE)
    with pytest.raises(RecipeError, match="band_low"):
        SampleRecipe.from_values({"band_low": 0.6, "band_high": 0.5}, "test")


def test_a_rollout_passes_with_the_right_answer_and_enough_reward() -> None:
    rollouts = Rollouts((1.5, 0.2, 0.4, -2.0), (True, True, False, False), ("yes", "yes", "insufficient", None))
    # Above 0: the first two (the third is not right). Above 0.2: the first alone.
    assert (rollouts.pass_rate(0.0), rollouts.pass_rate(0.2)) == (0.5, 0.25)
    columns = sampled_columns([rollouts], ["kept"], SampleRecipe())
    # Mean (1.5 + 0.2 + 0.4 - 2.0) / 4 = 0.025.
    assert columns["mean_reward"] == [pytest.approx(0.025)]
    assert [columns[f"said_{word}"] for word in ("yes", "no", "insufficient")] == [[2], [0], [1]]
    assert (columns["unparsable"], columns["kept"]) == ([1], [True])


def mined(number: int) -> list[MinedPair]:
    crops = [Crop(f"c{place}", Path("x.png"), "p", str(place)) for place in range(number + 1)]
    return [
        MinedPair(crops[place], crops[place + 1], "a", "train", 0, 1, 0.5, 0.0, place % 2 == 0, "abc")
        for place in range(number)
    ]


def test_rollouts_go_on_after_the_last_whole_chunk(tmp_path: Path) -> None:
    recipe = SampleRecipe(chunk=3)
    asked: list[tuple[int, int]] = []

    def sample(pairs: list[MinedPair], seed: int) -> list[Rollouts]:
        asked.append((len(pairs), seed))
        return [Rollouts((float(seed), 0.0), (True, False), ("yes", None)) for _ in pairs]

    path, pairs = tmp_path / "rollouts.jsonl", mined(8)
    whole = roll_out(recipe, pairs, sample, path)  # type: ignore[arg-type]
    assert asked == [(3, 0), (3, 3), (2, 6)]
    lines = path.read_text().splitlines()
    assert [json.loads(line)["query"] for line in lines] == [pair.query.id for pair in pairs]
    path.write_text("\n".join(lines[:5]) + '\n{"rewards": [1')
    assert roll_out(recipe, pairs, sample, path) == whole  # type: ignore[arg-type]
    assert asked[3:] == [(3, 3), (2, 6)]
    assert roll_out(recipe, pairs, sample, path) == whole  # type: ignore[arg-type]
    assert len(asked) == 5
    for others in (pairs[::-1], pairs[:3]):
        with pytest.raises(DataError, match="rollouts of other pairs"):
            roll_out(recipe, others, sample, path)  # type: ignore[arg-type]
    assert path.read_text().splitlines() == lines


def test_pictures_are_drawn(tmp_path: Path) -> None:
    rates, labels = [0.0, 0.5, 1.0, 0.25], [True, True, False, False]
    reasons = select_non_trivial(rates, labels, [1] * 4, [0.0] * 4, RECIPE)
    draw_pass_rates(rates, labels, reasons, RECIPE, tmp_path / "rates.png")
    log = [{"step": step, "direct_loss": 1 / step, "direct_accuracy": 0.5} for step in range(1, 90)]
    draw_warmup([*log, {"step": 90, "loss": 0.1, "held_out_parsable": 1.0}], tmp_path / "warmup.png")
    assert all((tmp_path / name).stat().st_size > 5000 for name in ("rates.png", "warmup.png"))
