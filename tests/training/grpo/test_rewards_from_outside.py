"""A reward from outside the package: named in a recipe, used by sampling and training, and refused when it is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reidr.errors import RecipeError, ReIDError
from reidr.training.grpo.rewards.registry import REWARDS, RewardWeights, find_reward
from reidr.training.grpo.rewards.total import total_rewards
from reidr.training.recipes.grpo import ReinforcementStageRecipe
from reidr.training.recipes.sampling import SampleRecipe

ANSWER = "<think>Hair: same in both.</think><answer>yes</answer>"
BROKEN = "I cannot tell."


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes a module with a function `reward` of the given body; returns its dotted path."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(body: str) -> str:
        name = f"outside_{len(list(tmp_path.glob('*.py')))}_{tmp_path.name.replace('-', '_')}"
        (tmp_path / f"{name}.py").write_text(f"def reward(completions, **columns):\n    {body}\n", encoding="utf-8")
        return f"{name}:reward"

    return write


def test_it_is_added_to_those_of_the_package(outside: Callable[[str], str]) -> None:
    name = outside("return [len(text) / 100 if label else None for text, label in zip(completions, columns['label'])]")
    values = {"rewards": {"cues": 0.0, name: 2.0}}
    for recipe in (ReinforcementStageRecipe.from_values(values, "here"), SampleRecipe.from_values(values, "here")):
        without = RewardWeights(cues=0.0)
        same, different = total_rewards([ANSWER] * 2, [True, False], recipe.rewards)
        expected = [reward.total for reward in total_rewards([ANSWER] * 2, [True, False], without)]
        assert same.total == pytest.approx(expected[0] + 2.0 * len(ANSWER) / 100)
        assert different.total == expected[1]
        assert (same.parts[name], different.parts[name]) == (len(ANSWER) / 100, None)
        # The names survive the manifest of a run.
        assert type(recipe).from_values(recipe.model_dump(mode="json"), "again") == recipe


def test_it_sees_the_columns(outside: Callable[[str], str]) -> None:
    rows = "zip(columns['parsed'], columns['probability'], columns['facts'])"
    seen = "answer is not None and chance == 0.75 and facts is None"
    name = outside(f"return [float({seen}) for answer, chance, facts in {rows}]")
    rewards = total_rewards([ANSWER, ANSWER], [True, True], RewardWeights(**{name: 1.0}), probability=[0.75, 0.5])
    assert [reward.parts[name] for reward in rewards] == [1.0, 0.0]


def test_a_completion_that_cannot_be_parsed_earns_the_least_unless_it_says_otherwise(
    outside: Callable[[str], str],
) -> None:
    silent, indifferent = outside("return [None for _ in completions]"), outside("return [0.5 for _ in completions]")
    weights = RewardWeights(**{silent: 0.3})
    assert total_rewards([BROKEN], [True], weights)[0].total == pytest.approx(-weights.total())
    assert (
        total_rewards([ANSWER], [True], weights)[0].total == total_rewards([ANSWER], [True], RewardWeights())[0].total
    )
    weights = RewardWeights(**{indifferent: 0.4})
    assert total_rewards([BROKEN], [True], weights)[0].total == pytest.approx(-RewardWeights().total() + 0.2)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return [1.0]", "returned 1 values for 2 completions"),
        ("return [float('nan')] * 2", "returned nan; a reward is a finite number"),
        ("return [float('inf'), None]", "returned inf"),
        ("return ['much'] * 2", "the call failed: ValueError"),
        ("return columns['colour']", "the call failed: KeyError: 'colour'"),
    ],
)
def test_what_it_does_wrong_is_said(outside: Callable[[str], str], body: str, message: str) -> None:
    with pytest.raises(ReIDError, match=message):
        total_rewards([ANSWER, BROKEN], [True, False], RewardWeights(**{outside(body): 1.0}))


def test_names_that_mean_nothing_are_refused() -> None:
    with pytest.raises(RecipeError, match="no reward 'shortness'; there are format, identity"):
        RewardWeights.from_values({"shortness": 1.0}, "here")
    with pytest.raises(RecipeError, match="at least 0"):
        RewardWeights.from_values({"mine:reward": -1.0}, "here")
    with pytest.raises(RecipeError, match="cannot import"):
        total_rewards([ANSWER], [True], RewardWeights(**{"no_such_module_of_mine:reward": 1.0}))
    with pytest.raises(RecipeError, match="no reward 'shortness'"):
        find_reward("shortness")
    with pytest.raises(ReIDError, match="no column 'distance'"):
        total_rewards([ANSWER], [True], RewardWeights(), distance=[0.1])


def test_every_reward_of_the_package_has_a_weight() -> None:
    assert set(REWARDS) == set(RewardWeights.model_fields)
    assert all(callable(find_reward(name)) for name in REWARDS)
