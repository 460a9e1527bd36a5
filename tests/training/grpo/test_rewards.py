"""Rewards: worked examples, adversarial tables, and policies that must not pay."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from reidr.errors import RecipeError, ReIDError
from reidr.reasoning.prompting.grammar import ParsedAnswer
from reidr.reasoning.prompting.prompt import QUESTIONS
from reidr.training.grpo.rewards.calibration import calibration_reward
from reidr.training.grpo.rewards.columns import Facts, RankContext
from reidr.training.grpo.rewards.cues import cues_reward
from reidr.training.grpo.rewards.format import format_reward
from reidr.training.grpo.rewards.identity import identity_reward
from reidr.training.grpo.rewards.rank import average_precision, rank_reward
from reidr.training.grpo.rewards.registry import RewardWeights
from reidr.training.grpo.rewards.text_only import text_only_reward
from reidr.training.grpo.rewards.total import Reward, total_rewards
from reidr.training.grpo.rewards.truth import truth_reward
from reidr.training.recipes.find import stage_values

WEIGHTS = RewardWeights(rank=0.3, text_only=0.3)
ALIKE = "Hair: same in both. Upper clothing: same in both. Shoes match."
UNLIKE = "Hair: same in both. Upper clothing: red in A, blue in B: differ. Shoes differ."


def total_reward(text: str, label: bool, weights: RewardWeights, **columns: Any) -> Reward:
    """The reward of one completion."""
    (reward,) = total_rewards([text], [label], weights, **{name: [value] for name, value in columns.items()})
    return reward


def say(reasoning: str, answer: str) -> str:
    return f"<think>{reasoning}</think><answer>{answer}</answer>"


UNPARSABLE = [
    "",
    "yes",
    "<answer>yes</answer>",
    "<think></think><answer>yes</answer>",
    "<think>...</think><answer>yes</answer>",
    say(ALIKE, "Yes"),
    say(ALIKE, "yes or no"),
    say(ALIKE, "yes") + say(ALIKE, "no"),
    say(ALIKE, "yes") + " no",
    "So: " + say(ALIKE, "yes"),
    say(ALIKE + "<answer>no</answer>", "yes"),
    say(ALIKE, "yes").replace("</think>", ""),
    say(ALIKE, "yes") + "<|im_end|>",
    say("a" * 30_000, "yes"),
    say("Hair\u200b same.", "yes"),
    say(ALIKE, "yes")[:-1],
]


@pytest.mark.parametrize("text", UNPARSABLE)
@pytest.mark.parametrize("label", [True, False])
def test_an_unparsable_answer_earns_the_least_there_is(text: str, label: bool) -> None:
    reward = total_reward(text, label, WEIGHTS, probability=float(label), text_only_probability=float(label))
    assert reward.total == -WEIGHTS.total() < 0
    assert reward.answer is None
    assert not reward.correct
    assert reward.parts["format"] == -1
    assert all(value is None for name, value in reward.parts.items() if name != "format")
    # Even the worst parsable answer is above it: there is no reason to break the grammar when in doubt.
    context = RankContext((0.1, 0.5), (True, False), 0)
    worst = total_reward(
        say("Hair: same. Hair: different.", "no" if label else "yes"), label, WEIGHTS,
        probability=float(not label), text_only_probability=float(label), rank_context=context,
    )  # fmt: skip
    assert worst.total > reward.total


@pytest.mark.parametrize("weights", [RewardWeights(), WEIGHTS, RewardWeights(format=0), RewardWeights(identity=0)])
def test_an_unparsable_answer_never_earns_more_than_zero(weights: RewardWeights) -> None:
    assert all(total_reward(text, True, weights, probability=1.0).total <= 0 for text in UNPARSABLE)


def test_format() -> None:
    assert format_reward(None) == -1
    assert format_reward(ParsedAnswer("yes", "Hair: same.")) == 1


@pytest.mark.parametrize(
    ("answer", "label", "expected"),
    [("yes", True, 1), ("yes", False, -1), ("no", False, 1), ("no", True, -1), ("insufficient", True, 0),
     ("insufficient", False, 0)],
)  # fmt: skip
def test_identity(answer: str, label: bool, expected: float) -> None:
    assert identity_reward(answer, label) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "label", "probability", "expected"),
    [
        ("yes", True, 1.0, 1.0),  # 1 - 0²
        ("yes", True, 0.6, 0.84),  # 1 - 0.4²
        ("yes", False, 0.6, -0.36),  # 0 - 0.6²
        ("yes", False, 1.0, -1.0),
        ("no", False, 0.25, 0.9375),  # q = 0.75: 1 - 0.25²
        ("no", True, 0.25, -0.5625),  # 0 - 0.75²
        ("no", True, 1.0, 0.0),  # said no, believed yes: wrong, but not sure of it
        ("insufficient", True, 0.5, None),
        ("yes", True, None, None),
    ],
)
def test_calibration(answer: str, label: bool, probability: float | None, expected: float | None) -> None:
    found = calibration_reward(answer, label, probability)  # type: ignore[arg-type]
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("truth", [0.0, 0.3, 0.5, 0.8, 1.0])
def test_calibration_is_proper(truth: float) -> None:
    """The expected reward of a "yes" that is right with chance `truth` peaks at q = truth, at truth², never below 0."""

    def expected(q: float) -> float:
        return truth * calibration_reward("yes", True, q) + (1 - truth) * calibration_reward("yes", False, q)  # type: ignore[operator]

    grid = [round(0.05 * i, 2) for i in range(21)]
    assert max(grid, key=expected) == truth
    assert expected(truth) == pytest.approx(truth**2)


CUES = [
    # reasoning, reward for yes, no, insufficient
    (ALIKE, 1.0, -1.0, -1.0),
    (UNLIKE, -1 / 3, 1.0, -1.0),  # one region agrees, two differ
    ("Hair: same in both.", 1 / 3, -1.0, -1.0),  # one region of three
    ("Hair: same. Shoes match.", 2 / 3, -1.0, -1.0),
    ("Shoes differ.", -1.0, 1 / 3, -1.0),
    ("Hair: same. Hair: different. Shoes match.", -1.0, -1.0, -1.0),  # disagrees with itself
    ("Hair cannot be seen. Shoes cannot be seen. Bag is hidden.", 0.0, 0.0, 1.0),
    ("Hair cannot be seen. Shoes match.", 1 / 3, -1.0, 0.0),
    ("a.", 0.0, 0.0, 0.0),
    ("Hair, headwear, upper clothing, sleeves, lower clothing, shoes, bags, build.", 0.0, 0.0, 0.0),
    ("Same background. Same lighting. Same pose.", 0.0, 0.0, 0.0),
    ("The background differs and the camera angle differs.", 0.0, 0.0, 0.0),
    ("Hair: same. Shoes match. Build is the same. Same background. Same pose. Same camera.", 0.5, -1.0, -1.0),
    ("Hair: same. " * 40, 1 / 3 / 40, -1.0, -1.0),  # repetition is not breadth, and takes the place of it
    ("Person A is Person B.", 0.0, 0.0, 0.0),
    ("Light grey trousers in both. Light blue shirt in both. Shoes match.", 1.0, -1.0, -1.0),  # colours, not lighting
    ("Both wear the same light blue shirt. The light grey trousers match. Same shoes.", 1.0, -1.0, -1.0),
    ("Hair: same. Shoes match. Bag: same. It is the same light.", 0.75, -1.0, -1.0),
    ("Hair: same. Shoes match. Bag: same. The light differs.", 0.75, -1.0, -1.0),
    # How alike two parts look, in four steps: from "somewhat alike" on they agree.
    ("The upper clothing is much alike. The lower clothing is somewhat alike: blue jeans in both.", 2 / 3, -1.0, -1.0),
    ("The upper clothing is very unlike: a red top in A, a blue top in B.", -1.0, 1 / 3, -1.0),
    ("The upper clothing is much alike. The lower clothing is somewhat unlike.", 0.0, 2 / 3, -1.0),
    # Clothes of one description may look unlike, and unlike ones alike: neither belies itself.
    ("The upper clothing is somewhat unlike: a red top in both.", -1.0, 1 / 3, -1.0),
    ("The upper clothing is somewhat alike: a red top in A, a blue top in B.", 1 / 3, -1.0, -1.0),
    ("Both have probably a red top. Same shoes: probably black shoes.", 2 / 3, -1.0, -1.0),
    ("The headwear differs: probably a hat in A, probably a hat in B.", -1.0, -1.0, -1.0),
    ("Both have a folder. Both have no hair. Both have black and white sneakers.", 1.0, -1.0, -1.0),
    (QUESTIONS["think"].replace("<", "").replace(">", ""), 0.0, 0.0, 0.0),
]


@pytest.mark.parametrize(("reasoning", "yes", "no", "insufficient"), CUES)
def test_cues(reasoning: str, yes: float, no: float, insufficient: float) -> None:
    assert cues_reward("yes", reasoning) == pytest.approx(yes)
    assert cues_reward("no", reasoning) == pytest.approx(no)
    assert cues_reward("insufficient", reasoning) == pytest.approx(insufficient)


def test_no_reasoning_suits_both_yes_and_no() -> None:
    """Whoever writes one text for every answer is punished for one of them, or earns nothing."""
    for reasoning, yes, no, _ in CUES:
        assert not (yes > 0 and no > 0), reasoning


BELIED = [
    "The lower clothing differs: gray trousers in A, gray trousers in B.",
    "Different shoes: A has black shoes, B has black shoes.",
    "The upper clothing differs: a red checked top against a red checked top.",
    "The hair differs: long brown hair in both.",
    # What 200 steps of reinforcement came to: one value, and no difference to be seen in it.
    "The hair differs: long brown hair.",
    "The headwear differs: a beanie in A.",
    "Different shoes: A has black shoes.",
]


@pytest.mark.parametrize("sentence", BELIED)
@pytest.mark.parametrize("answer", ["yes", "no"])
def test_a_difference_that_states_one_value_contradicts_itself(sentence: str, answer: str) -> None:
    """Found in nano's own completions: it said that something differs because a "no" needs that to be said."""
    assert cues_reward(answer, sentence) == -1.0  # type: ignore[arg-type]
    honest = "The hair agrees: long black hair in both. The shoes differ: black shoes in A, white shoes in B."
    assert cues_reward("no", honest) > 0
    assert cues_reward("no", f"{honest} {sentence}") == -1.0


def test_a_region_claimed_again_takes_the_place_of_another() -> None:
    bags = "Both have a black handbag."
    four = f"Same hair: black hair. Both have no hat. Same shoes: gray shoes. {bags}"
    assert cues_reward("yes", four) == 1.0
    assert cues_reward("yes", f"{four} {bags}") == pytest.approx(4 / 5)
    # Whether it says the same of it or something else.
    assert cues_reward("yes", f"{four} Both have a black backpack. {bags}") == pytest.approx(4 / 6)
    # A region more is never punished.
    assert cues_reward("yes", f"{four} Same sleeves: short sleeves.") == 1.0


def test_a_difference_in_one_of_several_values_is_one() -> None:
    told = "The upper clothing differs: a red checked top in A, a red plain top in B."
    assert cues_reward("no", told) == pytest.approx(1 / 3)
    # What is stated of one side alone cannot belie it.
    assert cues_reward("no", "The shoes differ.") == pytest.approx(1 / 3)


def test_rank_worked_example() -> None:
    # Neutral distances with w = 0.5: 0.5d + 0.5 = 0.7, 0.75, 0.9; matches at ranks 2 and 3:
    # AP = (1/2 + 2/3) / 2 = 7/12.
    context = RankContext((0.4, 0.5, 0.8), (False, True, True), 1)
    # p = 0.9: 0.75 + 0.5·(1 - 1.8) = 0.35, now first: AP = (1 + 2/3) / 2 = 5/6; the change is 1/4.
    assert rank_reward(0.9, context) == pytest.approx(0.25)
    # p = 0.1: 0.75 + 0.4 = 1.15, now last: AP still 7/12.
    assert rank_reward(0.1, context) == pytest.approx(0.0)
    # Place 0 is no match. p = 0.1 moves it to 1.1, last: AP = 1, the change 5/12.
    assert rank_reward(0.1, RankContext((0.4, 0.5, 0.8), (False, True, True), 0)) == pytest.approx(5 / 12)


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_rank_neutral_verdict_changes_nothing_and_truth_never_harms(place: int) -> None:
    random = np.random.default_rng(place)
    for _ in range(50):
        labels = tuple(bool(x) for x in random.random(4) < 0.5)
        context = RankContext(tuple(random.random(4).tolist()), labels, place, float(random.random()))
        if not any(labels):
            assert rank_reward(0.9, context) is None
            continue
        assert rank_reward(0.5, context) == 0
        right, wrong = (rank_reward(p if labels[place] else 1 - p, context) for p in (0.95, 0.05))
        assert right is not None
        assert wrong is not None
        assert wrong <= 0 <= right


def test_rank_does_not_apply() -> None:
    assert rank_reward(0.9, None) is None
    assert rank_reward(None, RankContext((0.1,), (True,), 0)) is None
    assert rank_reward(0.9, RankContext((0.1, 0.2), (False, False), 0)) is None


def test_ties_are_pessimistic() -> None:
    assert average_precision([1.0, 1.0], [True, False]) == average_precision([1.0, 1.0], [False, True]) == 0.5


@pytest.mark.parametrize(
    ("answer", "probability", "expected"),
    [("yes", 1.0, 1.0), ("yes", 0.0, -1.0), ("no", 0.0, 1.0), ("no", 0.75, -0.5), ("yes", 0.5, 0.0),
     ("insufficient", 0.9, None), ("yes", None, None)],
)  # fmt: skip
def test_text_only(answer: str, probability: float | None, expected: float | None) -> None:
    assert text_only_reward(answer, probability) == expected  # type: ignore[arg-type]


A = {"upper colors": "red", "pattern": "plain", "lower garment": "trousers", "lower colors": "black",
     "headwear": "none", "shoe colors": "white", "carried": "not visible"}  # fmt: skip
B = {**A, "upper colors": "blue", "headwear": "hat", "carried": "backpack"}
TRUE = "Different upper clothing: A has a red plain top, B has a blue plain top. Same shoes: white shoes."
TRUTH = [
    # reasoning, per crop, per person
    (TRUE + " Both have black trousers.", 1.0, 1.0),
    (TRUE, 2 / 3, 2 / 3),  # two regions of three
    ("Both have black trousers.", 1 / 3, 1 / 3),
    ("Both have black trousers. " * 30, 1 / 3, 1 / 3),  # repetition is not breadth
    ("Both have a red plain top.", -1.0, -1.0),  # B's is blue
    ("Both have a red plain top. Same shoes: white shoes.", 0.0, 0.0),  # one true, one false
    ("Both have black trousers. Both have a red skirt.", -1.0, -1.0),  # says two things of one region
    ("Same shoes: black shoes.", -1.0, -1.0),  # they agree, and are white
    ("The bag cannot be seen in A.", 1 / 3, 0.0),  # of persons nobody knows what a crop hides
    ("The shoes are hidden in A.", -1.0, 0.0),  # they are in plain view
    ("Both carry a backpack.", -1.0, 0.0),  # A's crop does not show it: an invention
    ("Same hair: long hair.", 0.0, 0.0),  # nothing is known of hair
    # What is said to look alike or unlike is as true as the values that are stated of it.
    ("The lower clothing is somewhat unlike: black trousers in both.", 1 / 3, 1 / 3),
    ("The lower clothing is somewhat alike: black trousers in A, a red skirt in B.", -1.0, -1.0),
    ("The lower clothing is somewhat alike.", 0.0, 0.0),  # of that nothing is known
    ("The lower clothing is much alike.", 0.0, 0.0),  # nobody has written down how alike two regions look
    ("The upper clothing is much alike: a red top in A, a blue top in B.", 1 / 3, 1 / 3),  # both values are true
    ("The upper clothing is much alike: a red top in both.", -1.0, -1.0),
    ("Both have probably black trousers.", 1 / 3, 1 / 3),
    ("Both have probably blue trousers.", -1.0, -1.0),  # "probably" is no excuse
    ("Both have black and white shoes.", -1.0, -1.0),  # white alone
    ("The background agrees. Same person, surely.", 0.0, 0.0),
    ("a.", 0.0, 0.0),
]


@pytest.mark.parametrize(("reasoning", "per_crop", "per_person"), TRUTH)
def test_truth(reasoning: str, per_crop: float, per_person: float) -> None:
    assert truth_reward(reasoning, Facts(A, B, True)) == pytest.approx(per_crop)
    # A table of persons never says that something is not visible.
    first = {name: value for name, value in A.items() if value != "not visible"}
    assert truth_reward(reasoning, Facts(first, B, False)) == pytest.approx(per_person)


def test_where_nothing_is_known_truth_does_not_apply() -> None:
    assert truth_reward(TRUE, None) is None
    assert truth_reward(TRUE, Facts({}, B, True)) is None
    known = total_reward(say(TRUE, "no"), False, RewardWeights(truth=0.5), probability=0.1, facts=Facts(A, B, True))
    unknown = total_reward(say(TRUE, "no"), False, RewardWeights(truth=0.5), probability=0.1)
    assert unknown.parts["truth"] is None
    assert known.total == pytest.approx(unknown.total + 0.5 * 2 / 3)


def test_total_is_the_weighted_sum() -> None:
    reward = total_reward(say(ALIKE, "yes"), True, RewardWeights(), probability=0.8)
    # 0.2·1 + 1·1 + 0.5·(1 - 0.2²) + 0.3·1
    assert reward.total == pytest.approx(0.2 + 1 + 0.48 + 0.3)
    assert reward.correct
    assert reward.answer == "yes"
    assert reward.parts["rank"] is None
    assert reward.parts["text_only"] is None
    assert not total_reward(say(ALIKE, "insufficient"), True, RewardWeights()).correct


def expectation(policy: str, accuracy: float, weights: RewardWeights) -> float:
    """Expected total reward of a policy on a balanced set.

    "honest" answers right with chance `accuracy`, says so in its probability, and gives reasons for what it answers.
    All others get the best probabilities that they could give: the true chances of being right.
    """
    total = 0.0
    for label, right in itertools.product((True, False), (True, False)):
        chance = 0.5 * (accuracy if right else 1 - accuracy)
        belief = label if right else not label  # what this policy's eyes say
        word, sure = ("yes", accuracy) if belief else ("no", 1 - accuracy)
        completion, probability = {
            "honest": (say(ALIKE if belief else UNLIKE, word), sure),
            "always yes": (say(ALIKE, "yes"), 0.5),
            "always no": (say(UNLIKE, "no"), 0.5),
            "always yes, sure of it": (say(ALIKE, "yes"), 1.0),
            "always insufficient": (say("Hair, shoes and bag cannot be seen.", "insufficient"), 0.5),
            "a.": (say("a.", word), sure),
            "a. and yes": (say("a.", "yes"), 0.5),
            "copies the prompt": (QUESTIONS["think"], sure),
            "copies the prompt into its thoughts": (say(CUES[-1][0], word), sure),
            "one reason for everything": (say(ALIKE, word), sure),
            "breaks the grammar": ("I cannot tell.", 0.5),
            "breaks the grammar when in doubt": (say(ALIKE, word) if right else "I cannot tell.", sure),
        }[policy]
        text_only = (
            0.9 if "same in both. Upper clothing: same" in completion else 0.1 if "differ" in completion else 0.5
        )
        alone = {"yes": 0.9, "no": 0.1}.get(word if policy == "honest" else "", 0.5)  # what its words say alone
        reward = total_reward(
            completion, label, weights, probability=probability, text_only_probability=text_only,
            reasoned_probability=alone,
        )  # fmt: skip
        total += chance * reward.total
    return total


def test_inventing_reasons_does_not_pay_beside_true_ones() -> None:
    """Right or wrong about the person, true claims earn more than claims made up to bear out the answer."""
    weights = RewardWeights(truth=0.5)
    made_up = "Same upper clothing: a red plain top. Both have black trousers. Same headwear: no hat."
    for label, answer in itertools.product((True, False), ("yes", "no")):
        honest, invented = (
            total_reward(say(text, answer), label, weights, probability=0.5, facts=Facts(A, B, True)).parts["truth"]
            for text in (TRUE, made_up)
        )
        assert honest is not None
        assert invented is not None
        assert honest > invented


CHEATS = ["always yes", "always no", "always yes, sure of it", "always insufficient", "a.", "a. and yes",
          "copies the prompt", "copies the prompt into its thoughts", "one reason for everything",
          "breaks the grammar"]  # fmt: skip


@pytest.mark.parametrize("policy", CHEATS)
@pytest.mark.parametrize("accuracy", [0.6, 0.75, 0.95])
@pytest.mark.parametrize("weights", [RewardWeights(), WEIGHTS])
def test_no_cheat_beats_an_honest_policy(policy: str, accuracy: float, weights: RewardWeights) -> None:
    assert expectation(policy, accuracy, weights) < expectation("honest", accuracy, weights)


@pytest.mark.parametrize("part", ["cues", "calibration", "text_only", "format"])
@pytest.mark.parametrize(
    "policy", ["always yes", "always no", "always insufficient", "a. and yes", "copies the prompt"]
)
def test_without_any_one_part_constant_answers_still_do_not_pay(policy: str, part: str) -> None:
    weights = WEIGHTS.model_copy(update={part: 0.0})
    assert expectation(policy, 0.75, weights) < expectation("honest", 0.75, weights)


@pytest.mark.parametrize("accuracy", [0.7, 0.75, 0.9])
def test_who_sees_but_does_not_argue_yet_is_not_drawn_to_one_answer(accuracy: float) -> None:
    """With cues alone beside identity, "all agrees: yes" to everything once earned as much as a fair judge."""
    weights = RewardWeights(calibration=0.0, cues=0.5)
    judge = expectation("one reason for everything", accuracy, weights)
    for constant in ("always yes", "always no"):
        assert expectation(constant, accuracy, weights) < judge


@pytest.mark.parametrize("accuracy", [0.5, 0.55, 0.75])
@pytest.mark.parametrize("recipe", ["nano", "qwen2.5-vl-7b", "qwen3-vl-8b"])
def test_no_verdict_pays_less_than_a_fair_judge_even_on_pairs_where_he_must_guess(recipe: str, accuracy: float) -> None:
    """With the weights of what ships: sampling looks for pairs that are right every other time."""
    weights = RewardWeights(**stage_values(recipe, "rl", {})[0].get("rewards", {}))
    least = expectation("always insufficient", accuracy, weights)
    assert least <= weights.format
    honest = expectation("honest", accuracy, weights)
    # Where the words alone are rewarded by their exact probability, a mere guess is worth as much as no verdict.
    assert least < honest or (accuracy == 0.5 and weights.identity == 0 and least == pytest.approx(honest))


def test_words_for_a_wrong_verdict_earn_nothing_and_contradiction_still_costs() -> None:
    assert total_reward(say(ALIKE, "yes"), False, WEIGHTS).parts["cues"] == 0.0
    assert total_reward(say(ALIKE, "no"), True, WEIGHTS).parts["cues"] == -1.0
    assert total_reward(say(ALIKE, "yes"), True, WEIGHTS).parts["cues"] == 1.0
    assert total_reward(say(ALIKE, "no"), False, WEIGHTS).parts["cues"] == -1.0


def test_breaking_the_grammar_is_worse_than_being_wrong() -> None:
    wrong = total_reward(say(ALIKE, "yes"), False, RewardWeights(), probability=1.0)
    assert total_reward("I cannot tell.", False, RewardWeights(), probability=1.0).total < wrong.total


@pytest.mark.parametrize(
    "wrong", [{"probability": 1.2}, {"probability": float("nan")}, {"text_only_probability": -0.1}]
)
def test_a_probability_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ReIDError, match=r"must lie in \[0, 1\]"):
        total_reward(say(ALIKE, "yes"), True, RewardWeights(), **wrong)  # type: ignore[arg-type]


def test_a_rank_context_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ReIDError, match="do not fit"):
        RankContext((0.1, 0.2), (True,), 0)
    with pytest.raises(ReIDError, match="do not fit"):
        RankContext((0.1,), (True,), 1)
    with pytest.raises(ReIDError, match="weight"):
        RankContext((0.1,), (True,), 0, weight=1.5)


def test_weights_are_checked() -> None:
    with pytest.raises(RecipeError, match="idenity"):
        RewardWeights.from_values({"idenity": 1.0}, "here")
    with pytest.raises(RecipeError, match="format"):
        RewardWeights.from_values({"format": -1}, "here")
