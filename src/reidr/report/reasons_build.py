"""`reidr evaluate --reasons`: which pairs are tested, how their regions are erased, and the cases worth looking at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reidr.evaluation.experiment.candidate_scoring import candidate_pairs
from reidr.evaluation.experiment.outcome import Outcome
from reidr.evaluation.explanations.cue_masking import pair_without
from reidr.evaluation.explanations.masking import MasksOf, StreetMasks, band_masks
from reidr.evaluation.explanations.reason_numbers import reason_numbers
from reidr.evaluation.explanations.reasons import Progress, measure_reasons, most_asked
from reidr.evaluation.explanations.reasons_tested import ReasonCase, ReasonsTested
from reidr.reasoning.backends.backend import Backend
from reidr.reasoning.rationales.statements import CHECKED, Known, statements_of, what_is_known, with_notes
from reidr.reasoning.rationales.support import supports
from reidr.reasoning.types import Pair
from reidr.report.content import Fact
from reidr.report.reasons import Erased, ReasonCard, ReasonGroup, ReasonsPage

EXACT = "On this rendered street every pixel of a region is known, so exactly that region is erased."
BANDS = (
    "Where a region lies on a photo is not known: fixed bands of the crop are erased instead, which fit only a person "
    "seen whole and upright."
)
SHOWN = 8  # cases of a kind on the page


@dataclass(frozen=True)
class ReasonsRun:
    """What was tested and how.

    Attributes:
        tested: the numbers and all cases. pairs_in_all: candidates of which the tested pairs were drawn.
        masks_of: where regions lie; exact on a street, else bands. known: what claims were held against.
    """

    tested: ReasonsTested
    pairs_in_all: int
    masks_of: MasksOf
    exact: bool
    known: Known

    def document(self) -> dict[str, Any]:
        """The numbers for JSON, with how they were made."""
        return {
            **self.tested.numbers(),
            "table": [
                {
                    "name": each.title,
                    "value": each.value,
                    "interval": each.interval,
                    "detail": each.detail if each.estimate is not None else each.missing,
                    **({"warning": each.warning} if each.warning else {}),
                }
                for each in reason_numbers(self.tested)
            ],
            "pairs_in_all": self.pairs_in_all,
            "masks": "exact" if self.exact else "bands",
            "attributes": self.known,
            "interval": "95 % percentile bootstrap over persons, with all their queries, 1,000 draws",
        }


@dataclass(frozen=True)
class PairsDrawn:
    """Which pairs are tested: `number` of the queries with their first `k` candidates, drawn by `seed`; 0 for all.

    `root` is the data set's folder: a rendered street's says where each region of a crop lies.
    """

    k: int
    number: int
    seed: int
    root: Path | None


def run_reasons(
    outcome: Outcome, reasoner: Backend, drawn: PairsDrawn, progress: Progress, say: Callable[[str], Any]
) -> ReasonsRun:
    """Draw pairs of queries with their first k candidates and test the reasons given for them.

    `say` is given a sentence beforehand about how many questions there will be.

    Raises:
        ReIDError: there are no candidates.
    """
    everything = candidate_pairs(outcome.trial, outcome.ranked, min(drawn.k, outcome.ranked.k))[0]
    pairs = sample_pairs(everything, drawn.number, drawn.seed)
    root = drawn.root
    exact = root is not None and (root / "street.json").is_file()
    masks_of: MasksOf = StreetMasks.of_folder(root) if exact and root is not None else band_masks
    known = what_is_known((*outcome.trial.query, *outcome.trial.gallery))
    thoughts, passes = most_asked(len(pairs))
    say(
        f"testing the reasons for {len(pairs):,} of {len(everything):,} pairs: {thoughts:,} thoughts and at most "
        f"{passes:,} scores{'; and some ten short questions a pair' if reasoner.capabilities.ask_about_crops else ''}"
    )
    tested = measure_reasons(reasoner, pairs, masks_of, progress, per_crop=known == "per crop", seed=drawn.seed)
    return ReasonsRun(tested, len(everything), masks_of, exact, known)


def sample_pairs(pairs: Sequence[Pair], number: int, seed: int) -> list[Pair]:
    """`number` of the pairs, drawn by `seed` and kept in order; all of them for 0, or where there are no more."""
    if number == 0 or number >= len(pairs):
        return list(pairs)
    chosen = np.sort(np.random.default_rng(seed).choice(len(pairs), number, replace=False))
    return [pairs[place] for place in chosen]


def reasons_page(
    run: ReasonsRun, *, title: str, created: str, facts: Mapping[str, Fact], notice: str = ""
) -> ReasonsPage:
    """The page of a run, for `write_reasons`."""
    tested = run.tested
    queries = len({case.pair.query.id for case in tested.cases})
    return ReasonsPage(
        title=title,
        subtitle=f"{tested.pairs:,} pairs of {queries:,} queries, drawn from {run.pairs_in_all:,} candidates",
        created=created,
        numbers=reason_numbers(tested),
        groups=groups_of(run),
        facts=facts,
        checked=CHECKED[run.known],
        masks=EXACT if run.exact else BANDS,
        notice=notice,
    )


def kind_of(case: ReasonCase) -> str:
    """Where a case stands on the page: its worst fault, or none."""
    if not case.verdict.parsable:
        return "unreadable"
    if case.verdict.answer != case.turned.answer:
        return "flips"
    if case.marked("contradicted"):
        return "contradicted"
    if case.verdict.cues and not supports(case.verdict.answer, case.verdict.reasoning):
        return "unsupported"
    return "good" if case.verdict.cues else "silent"


def severity(case: ReasonCase) -> tuple[float, ...]:
    """What to sort cases of a kind by, greatest first: the plainest example of its kind comes first."""
    # An unreadable answer has no score, and no gap to another.
    gap = float(np.nan_to_num(abs(case.verdict.evidence - case.turned.evidence)))
    hard = float({case.verdict.answer, case.turned.answer} == {"same", "different"})
    by_kind = {"flips": (hard, gap), "contradicted": (float(case.marked("contradicted")),)}
    right = float(case.pair.label is None or case.pair.label == (case.verdict.answer == "same"))
    return by_kind.get(kind_of(case), (right, float(case.without_cited is not None), float(case.marked("confirmed"))))


KINDS: tuple[tuple[str, str, str], ...] = (
    ("flips", "The order decided", "Shown the other way round, the same two crops got another answer."),
    (
        "contradicted",
        "Contradicted",
        "The answer held, but the reason says something that the known attributes refute.",
    ),
    ("unsupported", "Words against the answer", "What the reason compares does not support the answer below it."),
    ("good", "Good", "The answer held, its words bear it out, and nothing known speaks against them."),
    ("silent", "Nothing compared", "An answer whose reason compares no region of the body."),
    ("unreadable", "Unreadable", "The completion did not follow the form; such an answer carries no evidence."),
)


def groups_of(run: ReasonsRun) -> tuple[ReasonGroup, ...]:
    """The cases by kind, at most `SHOWN` of each; ties by ids."""
    groups = []
    for key, title, lead in KINDS:
        cases = [case for case in run.tested.cases if kind_of(case) == key]
        cases.sort(key=lambda case: (*(-value for value in severity(case)), case.pair.query.id, case.pair.candidate.id))
        if cases:
            cards = tuple(card_of(case, run) for case in cases[:SHOWN])
            groups.append(ReasonGroup(key, title, lead, cards, len(cases)))
    return tuple(groups)


def card_of(case: ReasonCase, run: ReasonsRun) -> ReasonCard:
    """A case with its pictures, those with a region erased included."""
    pair, verdict, turned = case.pair, case.verdict, case.turned
    words = verdict.reasoning if verdict.parsable else ""
    return ReasonCard(
        query=pair.query.id,
        candidate=pair.candidate.id,
        query_image=pair.query.image,
        candidate_image=pair.candidate.image,
        truth=pair.label,
        answer=verdict.answer,
        probability=verdict.probability,
        reasoning=verdict.reasoning or "(no words)",
        statements=with_notes(
            statements_of(words, pair.query.attributes, pair.candidate.attributes, run.known), case.looks
        ),
        swapped_answer=turned.answer,
        swapped_probability=turned.probability,
        swapped_reasoning=turned.reasoning or "(no words)",
        direct=case.probability,
        cited=erased(case, case.cited, set(), case.without_cited, run),
        uncited=erased(case, case.uncited, {cue.region for cue in verdict.cues}, case.without_uncited, run),
        readable=verdict.parsable,
        tokens=verdict.tokens,
        seconds=verdict.seconds,
    )


def erased(
    case: ReasonCase, region: str | None, kept: set[str], probability: float | None, run: ReasonsRun
) -> Erased | None:
    """The two pictures without a region, as they were scored; None where the case has none."""
    if region is None or probability is None:
        return None
    pair, _ = pair_without(case.pair, region, kept, run.masks_of)
    return Erased(region, pair.query.image, pair.candidate.image, probability)
