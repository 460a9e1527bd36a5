"""What a completion earns: seven small pure functions, and their weighted sum.

Each part lies in [-1, 1], or is None where it does not apply. Guessing, abstaining and hedging earn nothing in
expectation on balanced pairs through `identity`; `calibration` (RLCR) pays for saying how sure one is; the others pay
for reasons that name body regions, agree with the verdict, carry it, and are true where truth is known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pydantic import Field

from reidr.core.recipe import Recipe
from reidr.errors import ReIDError
from reidr.reasoning.prompting.grammar import ANSWERS, AnswerWord, ParsedAnswer, try_parse
from reidr.reasoning.rationales.claims import check_claim, parse_claims, states_what_is_hidden
from reidr.reasoning.rationales.support import compared_regions, degree_of_support

ENOUGH_REGIONS = 3
"""Regions compared for the full `cues` reward: more words than that earn no more."""

SCENERY = re.compile(
    r"\b(?:backgrounds?|scenery|scenes?|lighting|illumination|brightness|shadows?|(?:the|same|other|different) light"
    # The noun: "the same light blue shirt" is of clothes.
    r"(?=[.,;:!?)]|$|\s+(?:is|was|in|on|at|of|from|differs?|agrees?|matches|conditions?|falls?|comes?|sources?)\b)"
    r"|poses?|posture|stances?|cameras?|viewpoints?|(?:viewing )?angles?|walls?|floors?|streets?|weather)\b",
    re.I,
)


class RewardWeights(Recipe):
    """Weights of the reward's parts; 0 leaves a part out."""

    format: float = Field(0.2, ge=0, description="the answer follows the grammar")
    identity: float = Field(1.0, ge=0, description="the answer word is right")
    calibration: float = Field(0.5, ge=0, description="the answer's probability is honest (RLCR)")
    cues: float = Field(0.3, ge=0, description="body regions are compared, and the comparisons support a right answer")
    rank: float = Field(0.0, ge=0, description="the probability moves the query's candidates the right way")
    text_only: float = Field(0.0, ge=0, description="a frozen copy reaches the verdict from the reasoning alone")
    truth: float = Field(0.0, ge=0, description="what is claimed of body regions is so, where attributes are known")

    def total(self) -> float:
        """Sum of the weights."""
        return self.format + self.identity + self.calibration + self.cues + self.rank + self.text_only + self.truth


@dataclass(frozen=True)
class RankContext:
    """The list in which the judged pair stands: one query's candidates.

    Attributes:
        distances: the retriever's, unit vectors' Euclidean distances. labels: True where a candidate is the query's
            person. place: which candidate the pair is about. weight: the fusion's, as in `reasoning.fusion.fuse`.
    """

    distances: tuple[float, ...]
    labels: tuple[bool, ...]
    place: int
    weight: float = 0.5

    def __post_init__(self) -> None:
        if len(self.distances) != len(self.labels) or not 0 <= self.place < len(self.labels):
            raise ReIDError(
                f"rank context: {len(self.distances)} distances, {len(self.labels)} labels and place {self.place}"
                " do not fit together"
            )
        if not 0 <= self.weight <= 1:
            raise ReIDError(f"rank context: the weight must lie in [0, 1], not {self.weight!r}")


@dataclass(frozen=True)
class Facts:
    """What is known of the two crops of a pair.

    Attributes:
        a, b: attributes of person A, which is shown first, and of person B.
        per_crop: whether they say what each crop shows (drawn streets), or only what is so of the person (photos).
    """

    a: Mapping[str, str]
    b: Mapping[str, str]
    per_crop: bool


@dataclass(frozen=True)
class Reward:
    """What one completion earned. `parts` holds each part unweighted, None where it does not apply.

    `answer` is None for an unparsable completion; `correct` says whether the answer word is the label's (never so for
    "insufficient" or an unparsable one).
    """

    total: float
    parts: Mapping[str, float | None]
    answer: AnswerWord | None
    correct: bool


def total_reward(
    completion: str,
    label: bool,
    weights: RewardWeights,
    *,
    probability: float | None = None,
    text_only_probability: float | None = None,
    rank_context: RankContext | None = None,
    facts: Facts | None = None,
) -> Reward:
    """The weighted sum of all parts that apply.

    An unparsable completion earns minus the sum of all weights, the least that any completion can: were it merely 0, it
    would pay to break the grammar rather than to be wrong.

    Args:
        completion: the text without its end token.
        label: True for the same person.
        probability: P(same) at the answer position. None: `calibration` and `rank` do not apply.
        text_only_probability: P(same) of the frozen scorer that sees only the reasoning. None: no such scorer.
        rank_context: the query's candidates. None: `rank` does not apply.
        facts: what is known of the two crops. None: `truth` does not apply.

    Raises:
        ReIDError: a probability outside [0, 1].
    """
    for name, value in (("probability", probability), ("text-only probability", text_only_probability)):
        if value is not None and not 0.0 <= value <= 1.0:
            raise ReIDError(f"reward: the {name} must lie in [0, 1], not {value!r}")
    parsed = try_parse(completion)
    parts: dict[str, float | None] = dict.fromkeys(RewardWeights.model_fields)
    parts["format"] = format_reward(parsed)
    if parsed is None:
        return Reward(-weights.total(), MappingProxyType(parts), None, False)
    parts["identity"] = judged = identity_reward(parsed.answer, label)
    parts["calibration"] = calibration_reward(parsed.answer, label, probability)
    # Words for a wrong verdict earn nothing. Paid for, "all agrees: yes" to everything earned as much as a fair judge
    # who does not argue yet, and with much weight on cues that is what reinforcement made of nano.
    supported = cues_reward(parsed.answer, parsed.reasoning)
    # Nor do words for no verdict: "hair, shoes and bag cannot be seen" of every pair needs no looking, and on pairs
    # that an honest judge has right every other time (which sampling looks for) would earn more than he does.
    parts["cues"] = supported if judged > 0 else min(supported, 0.0)
    parts["rank"] = rank_reward(probability, rank_context)
    parts["text_only"] = text_only_reward(parsed.answer, text_only_probability)
    parts["truth"] = truth_reward(parsed.reasoning, facts)
    total = sum(getattr(weights, name) * value for name, value in parts.items() if value is not None)
    return Reward(total, MappingProxyType(parts), parsed.answer, judged == 1.0)


def format_reward(parsed: ParsedAnswer | None) -> float:
    """1 where the completion follows the strict grammar, else -1."""
    return -1.0 if parsed is None else 1.0


def identity_reward(answer: AnswerWord, label: bool) -> float:
    """1 for the right answer, -1 for the wrong one, 0 for "insufficient": what a fair guess earns in expectation."""
    if answer == "insufficient":
        return 0.0
    return 1.0 if (answer == "yes") == label else -1.0


def calibration_reward(answer: AnswerWord, label: bool, probability: float | None) -> float | None:
    """RLCR (arXiv 2507.16806): correct - (q - correct)², q the probability of the answer given.

    The expected value is greatest where q is the true chance of being correct, and is then q², never below 0. None for
    "insufficient", which claims nothing, and where there is no probability.
    """
    if probability is None or answer == "insufficient":
        return None
    correct = float((answer == "yes") == label)
    confidence = probability if answer == "yes" else 1.0 - probability
    return correct - (confidence - correct) ** 2


def cues_reward(answer: AnswerWord, reasoning: str) -> float:
    """Whether the reasoning compares body regions and its comparisons support the answer, in [-1, 1].

    The degree of support is `rationales.support.degree_of_support`. It counts in full from `ENOUGH_REGIONS` regions on
    (for "insufficient": unseen ones), less below, and each mention of background, light, pose or camera takes the place
    of a region; so does each further claim about a region that there is one about already: consistent it is safe, and
    cost nothing, until every fourth text of a model so taught had its bag twice. Contradiction (negative
    support) always counts in full. 0 where nothing was compared.
    """
    regions = compared_regions(reasoning)
    support = degree_of_support(ANSWERS[answer], regions)
    if support <= 0:
        return support
    breadth = len(regions.unseen if answer == "insufficient" else regions.compared)
    claims = parse_claims(reasoning)
    beside = len(SCENERY.findall(reasoning)) + len(claims) - len({claim.region for claim in claims})
    return support * min(breadth, ENOUGH_REGIONS) / ENOUGH_REGIONS * breadth / (breadth + beside)


def rank_reward(probability: float | None, context: RankContext | None) -> float | None:
    """Change in the query's average precision that the verdict makes, in [-1, 1]: after fusion, less before.

    Fused by MUSE's (1 - w)·d + w·2·(1 - p) with p = 0.5 for every other candidate, so a verdict of 0.5 changes nothing.
    Ties are ordered pessimistically. None without a probability, a context, or a match among the candidates.
    """
    if probability is None or context is None or not any(context.labels):
        return None
    w, place = context.weight, context.place
    neutral = [(1 - w) * distance + w for distance in context.distances]
    moved = list(neutral)
    moved[place] += w * (1 - 2 * probability)
    return average_precision(moved, context.labels) - average_precision(neutral, context.labels)


def average_precision(distances: Sequence[float], labels: Sequence[bool]) -> float:
    """Mean precision at each match, nearest first, matches last among equals. At least one label must be True."""
    hits = total = 0.0
    ordered = sorted(zip(distances, labels, strict=True))
    for rank, (_, match) in enumerate(ordered, start=1):
        if match:
            hits += 1
            total += hits / rank
    return total / hits


def text_only_reward(answer: AnswerWord, probability: float | None) -> float | None:
    """2·P(answer) - 1, P from a frozen scorer that sees no picture: does the reasoning lead to the verdict?

    Idea of Embed-RL's process reward (arXiv 2602.13823). None without a scorer, and for "insufficient", about which
    P(same) says nothing.
    """
    if probability is None or answer == "insufficient":
        return None
    return 2.0 * (probability if answer == "yes" else 1.0 - probability) - 1.0


def truth_reward(reasoning: str, facts: Facts | None) -> float | None:
    """Whether what the reasoning claims of body regions is so, in [-1, 1]: no label of a rationale, but of the world.

    (true - false regions) / tested regions; in full from `ENOUGH_REGIONS` tested regions on where it is positive, less
    below. A region counts once, as false where any claim on it is contradicted or states what its crop does not show.
    None where nothing is known of the crops, 0 where nothing testable was claimed.
    """
    if facts is None or not (facts.a and facts.b):
        return None
    marks: dict[str, bool] = {}
    for claim in parse_claims(reasoning):
        mark = check_claim(claim, facts.a, facts.b, per_crop=facts.per_crop)
        invented = facts.per_crop and states_what_is_hidden(claim, facts.a, facts.b)
        if invented or mark != "untestable":
            marks[claim.region] = marks.get(claim.region, True) and mark == "confirmed" and not invented
    if not marks:
        return 0.0
    balance = (2 * sum(marks.values()) - len(marks)) / len(marks)
    return balance if balance <= 0 else balance * min(len(marks), ENOUGH_REGIONS) / ENOUGH_REGIONS
