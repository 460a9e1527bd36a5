"""Budgets by training images: the paper's 14.3 K, a budget for each data set, every sampled pair in the training."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reidr.data.types import Crop
from reidr.errors import DataError, RecipeError
from reidr.training.grpo.drawn_pairs import draw_pairs
from reidr.training.pairs.balance import balance_pairs
from reidr.training.pairs.selection import select_candidates
from reidr.training.pairs.stage import shortfalls
from reidr.training.pairs.table import MinedPair, recipe_of, split_of, write_pairs
from reidr.training.recipes.find import stage_values
from reidr.training.recipes.grpo import ReinforcementStageRecipe
from reidr.training.recipes.pairs import PairsRecipe
from reidr.training.recipes.sampling import SampleRecipe
from reidr.training.sampling.select import image_budgets, select_non_trivial, select_per_data_set
from reidr.training.sampling.stage import budgets_of

IMAGES = {"market1501": 12_936, "msmt17": 30_248, "cuhk03": 7_365, "prcc": 17_896}


def mined(dataset: str, number: int, label: bool, image: Image.Image | Path = Path("x.png")) -> MinedPair:
    crops = [Crop(f"{dataset}/{number}{label}{side}", image, f"{dataset}:{side}", f"{dataset}:{side}") for side in "ab"]
    return MinedPair(crops[0], crops[1], dataset, "train", 0, 1 + number % 7, 0.5, 0.1, label, "x")


def test_the_papers_numbers() -> None:
    assert sum(IMAGES.values()) == 68_445
    assert round(0.209 * 68_445) == 14_305
    budgets = image_budgets(IMAGES, 0.209)
    assert sum(budgets.values()) == 14_304, "labels are balanced, so the number is even"
    for name, number in budgets.items():
        assert number % 2 == 0
        assert abs(number - 0.209 * IMAGES[name]) < 2


def test_the_shared_recipe_trains_on_every_pair_it_samples() -> None:
    sample = SampleRecipe.from_values(*stage_values("qwen2.5-vl-7b", "sample", {}))
    rl = ReinforcementStageRecipe.from_values(*stage_values("qwen2.5-vl-7b", "rl", {}))
    assert (sample.budget_of, sample.budget_share) == ("training images", 0.209)
    assert sample.most_pairs >= 68_445, "all candidate pairs are rolled out"
    kept = sum(image_budgets(IMAGES, 0.209).values())
    recipe = rl.with_steps(kept)
    assert recipe.steps == math.ceil(kept / rl.pairs) == 894
    few = [mined("a", number, label).pair() for number in range(10) for label in (True, False)]
    drawn = draw_pairs(few, ReinforcementStageRecipe(pairs=4, epochs=1).with_steps(20).steps * 4, seed=3)
    assert {pair.mined.query.id for pair in drawn} == {pair.query.id for pair in few}
    assert ReinforcementStageRecipe(steps=7).with_steps(1000).steps == 7


@pytest.mark.parametrize("seed", range(20))
def test_budgets_share_out_the_whole(seed: int) -> None:
    random = np.random.default_rng(seed)
    images = {f"set {n}": int(size) for n, size in enumerate(random.integers(1, 5000, random.integers(1, 7)))}
    share = float(random.uniform(0.01, 1.0))
    budgets = image_budgets(images, share)
    assert budgets.keys() == images.keys()
    assert sum(budgets.values()) == 2 * int(share * sum(images.values()) / 2)
    assert all(budgets[name] >= 0 and abs(budgets[name] - share * images[name]) < 2 for name in images)


def test_each_data_set_keeps_its_own_budget() -> None:
    recipe = SampleRecipe(budget_of="training images")
    pairs = [mined(name, number, label) for name in ("a", "b") for number in range(20) for label in (True, False)]
    rates = [0.5] * 40 + [0.5, 1.0] * 20  # half of b is trivial
    reasons = select_per_data_set(rates, pairs, {"a": 10, "b": 60}, recipe)
    kept = [pair for pair, reason in zip(pairs, reasons, strict=True) if reason == "kept"]
    assert [sum(pair.dataset == name for pair in kept) for name in ("a", "b")] == [10, 0], "b has no trivial-free label"
    alone = select_non_trivial(
        rates[:40], [p.label for p in pairs[:40]], [p.rank for p in pairs[:40]], [p.gap for p in pairs[:40]], recipe, 10
    )
    assert reasons[:40] == alone
    everything = select_per_data_set(rates, pairs, {}, recipe.model_copy(update={"rule": "all"}))
    assert everything == ["kept"] * 80


def test_the_budget_needs_a_file_of_pairs_that_counts_images(tmp_path: Path) -> None:
    path = tmp_path / "pairs.parquet"
    pairs = [mined("a", 1, True)]
    write_pairs(path, pairs, {"source": "folds", "held_out_share": 0.1, "seed": 0})
    recipe = SampleRecipe(pairs=path, budget_of="training images")
    with pytest.raises(DataError, match="does not say how many training images"):
        budgets_of(recipe)
    assert budgets_of(recipe.model_copy(update={"budget_of": "pairs"})) is None
    facts = {"training_images": {"a": 40}, "pictures": {"a": ["0f"]}}
    write_pairs(path, pairs, {"source": "folds", "held_out_share": 0.1, "seed": 0, **facts})
    assert budgets_of(recipe) == {"a": 8}
    assert recipe_of(path)["training_images"] == {"a": 40}
    assert split_of(path) == {"held_out_share": 0.1, "split_seed": 0, "pictures": {"a": ["0f"]}}


def test_pairs_per_image_give_each_data_set_its_share_and_say_what_is_short() -> None:
    recipe = PairsRecipe(pairs_per_image=0.5)
    pairs = [mined(name, number, label) for name, most in (("a", 40), ("b", 5)) for number in range(most)
             for label in (True, False)]  # fmt: skip
    kept = balance_pairs(pairs, {"a": 50, "b": 50}, seed=0)
    assert [sum(pair.dataset == name for pair in kept) for name in ("a", "b", "c")] == [50, 10, 0]
    assert sum(pair.label for pair in kept) == 30
    (sentence,) = shortfalls(recipe, {"a": 100, "b": 100}, kept)
    assert sentence.startswith(
        "pairs: 10 of the 50 training pairs that the recipe asks for could be drawn from b; raise"
    )
    assert shortfalls(PairsRecipe(pairs=60), {"a": 100}, kept) == []
    assert "60 of the 80" in shortfalls(PairsRecipe(pairs=80), {"a": 100}, kept)[0]


def test_people_with_many_crops_still_give_hard_negatives() -> None:
    """As in PRCC: a query's first eighty candidates are all of its own person."""
    same = np.array([True] * 80 + [False] * 60)
    people = np.array(["own"] * 80 + [f"other {place // 6}" for place in range(60)])
    by_ranks = PairsRecipe(selection="spread-over-ranks")
    assert [len(places) for places in select_candidates(by_ranks, same, people)] == [3, 0]
    positives, negatives = select_candidates(
        by_ranks.model_copy(update={"selection": "spread-over-others"}), same, people
    )
    assert sorted(positives) == [0, 40, 79] or len(positives) == 3
    assert list(negatives) == [80, 86, 92, 98]
    for seed in range(20):  # where others come early, both rules agree
        random = np.random.default_rng(seed)
        own = random.random(60) < 0.2
        own[:20] = False
        names = np.array([f"p{n}" for n in random.integers(0, 30, 60)])
        assert [list(x) for x in select_candidates(by_ranks, own, names)] == [
            list(x)
            for x in select_candidates(by_ranks.model_copy(update={"selection": "spread-over-others"}), own, names)
        ]


def test_an_unknown_budget_base_is_refused() -> None:
    with pytest.raises(RecipeError, match="budget_of"):
        SampleRecipe.from_values({"budget_of": "images"}, "here")
