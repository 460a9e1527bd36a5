"""The numbers of `ReasonsTested` with what they mean: one list for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from reidr.core.text import number_of
from reidr.evaluation.explanations.reasons_tested import (
    CheckedClaims,
    ClaimsTested,
    CueMasking,
    EditedClaims,
    Estimate,
    ReasonsTested,
)
from reidr.evaluation.explanations.text_alone import TextAlone
from reidr.evaluation.metrics.statistics import FEWEST_CASES

Unit = Literal["percent", "points", "area"]


@dataclass(frozen=True)
class ReasonNumber:
    """One number with its 95 % interval over persons.

    Attributes:
        title: its name. meaning: what was done and counted, in one sentence.
        good, bad: what a good and a bad value look like. estimate: None where it could not be measured.
        unit: "percent" of a share of 1, "points" (hundredths) of the direct score, or an "area" under a curve.
        detail: what stands beside it. missing: why there is no number.
    """

    title: str
    meaning: str
    good: str
    bad: str
    estimate: Estimate | None
    unit: Unit = "percent"
    detail: str = ""
    missing: str = ""

    @property
    def value(self) -> str:
        """The number alone: "12.3 %", "+4.1" or "0.871"."""
        return "–" if self.estimate is None else written(self.estimate.value, self.unit, sign=True)

    @property
    def warning(self) -> str:
        """A sentence where the number rests on too few cases for its interval to be believed; else empty."""
        if self.estimate is None or self.estimate.cases >= FEWEST_CASES:
            return ""
        return f"Only {number_of(self.estimate.cases, 'case')}: its interval is too narrow."

    @property
    def interval(self) -> str:
        """Its interval without the sign of per cent."""
        if self.estimate is None:
            return ""
        low, high = (written(end, self.unit) for end in (self.estimate.low, self.estimate.high))
        return f"{low} to {high}"


def written(value: float, unit: Unit, *, sign: bool = False) -> str:
    """A value in its unit; `sign` adds the sign of per cent, or the plus of a movement."""
    if unit == "area":
        return f"{value:.3f}"
    if unit == "points":
        return f"{100 * value:+.1f}"
    return f"{100 * value:.1f}" + ("\u202f%" if sign else "")


def reason_numbers(tested: ReasonsTested) -> tuple[ReasonNumber, ...]:
    """All numbers in the order to show."""
    numbers = (
        ReasonNumber(
            "Readable answers",
            "The share of completions that follow the form: a reason, then one word.",
            "100 %",
            "below 95 %: the rest carries no evidence",
            tested.parsable,
        ),
        order_number(tested),
        agreement_number(tested),
        masking_number(tested.masking),
        text_number(tested.text_alone),
        edited_number(tested.edited),
        *claim_numbers(tested.claims),
        *claim_check_numbers(tested.checked_claims),
        invention_number(tested.claims),
    )
    return tuple(number for number in numbers if number is not None)


def order_number(tested: ReasonsTested) -> ReasonNumber:
    """How often the order of the two crops decides."""
    detail = f"{100 * tested.hard_flips.value:.1f} % from same to different or back"
    if tested.score_flips is not None:
        detail += f"; the direct score crosses one half in {100 * tested.score_flips.value:.1f} %"
    return ReasonNumber(
        "Order flips",
        "The two crops change places; the share of pairs whose answer changes with them.",
        "near 0 %",
        "50 %: the order decides, not the persons",
        tested.verdict_flips,
        detail=detail,
    )


def agreement_number(tested: ReasonsTested) -> ReasonNumber:
    """How often the words support the answer below them (`rationales.support`)."""
    chance = "" if tested.agreement_by_chance is None else f"{100 * tested.agreement_by_chance:.1f} % by chance"
    silent = "" if tested.silent is None else f"{100 * tested.silent.value:.1f} % of reasons compare nothing"
    return ReasonNumber(
        "Text supports verdict",
        "The share of answers that the text supports: more regions agree than differ for “same”, one region "
        "differs for “different”; a text that contradicts itself supports nothing.",
        "100 %, and far above chance",
        "no more than by chance: the text is decoration",
        tested.agreement,
        detail="; ".join(part for part in (chance, silent) if part),
        missing="No readable reason compares anything.",
    )


def masking_number(masking: CueMasking | None) -> ReasonNumber:
    """How much more a named region moves the score than one that is not named."""
    detail = ""
    if masking is not None:
        detail = (
            f"named {100 * masking.cited_against.value:+.1f}, not named "
            f"{100 * masking.uncited_against.value:+.1f}; in any direction {100 * masking.cited.value:.1f} and "
            f"{100 * masking.uncited.value:.1f}; areas {100 * masking.cited_area:.0f} and "
            f"{100 * masking.uncited_area:.0f} % of the crop; {masking.difference.cases:,} pairs"
        )
    return ReasonNumber(
        "Cue masking",
        "A region that the reason names is erased from both crops; then, instead, one of like size that it does "
        "not name. How much further the direct score moves away from the verdict in the first case, in hundredths.",
        "clearly above 0: what it names is what moves it",
        "0 or below: the score rests on something else",
        None if masking is None else masking.difference_against,
        "points",
        detail,
        "No reason names a region beside which another of like size could be erased.",
    )


def text_number(text: TextAlone | None) -> ReasonNumber:
    """How well the verdict can be guessed from the regions that are said to agree or differ."""
    detail = ""
    if text is not None:
        detail = (
            f"predicts {100 * text.accuracy:.1f} % of verdicts; always guessing the more frequent one predicts "
            f"{100 * text.majority:.1f} %"
        )
    return ReasonNumber(
        "Verdict predicted from text alone",
        "A small model that sees only which regions are said to agree or differ guesses the verdict of queries it "
        "was not fitted on; area under its curve (AUC).",
        "near 1: the reason carries the verdict",
        "0.5: the reason says nothing of the verdict",
        None if text is None else Estimate(text.area, text.area_interval[0], text.area_interval[1], text.verdicts),
        "area",
        detail,
        "Too few queries, or only one kind of verdict.",
    )


def edited_number(edited: EditedClaims | None) -> ReasonNumber:
    """How often the reasoned score follows a claim that is turned round."""
    detail = ""
    if edited is not None:
        ways = (("into a difference", edited.to_different), ("into an agreement", edited.to_same))
        detail = "; ".join(f"{100 * share.value:.1f} % {way}" for way, share in ways if share is not None)
        detail += f"; by {100 * edited.moved.value:+.1f} hundredths on average; {edited.edits:,} edits"
    return ReasonNumber(
        "Edited claims followed",
        "One claim of a reason is turned round (what agrees differs, what differs agrees) and nothing else; then the "
        "words are scored anew with the pictures taken away. The share of edits after which that score moved the way "
        "the new claim says. By construction the words are its cause; this says whether they are read rightly.",
        "95 % or more",
        "50 %: the words are read, and not understood",
        None if edited is None else edited.followed,
        detail=detail,
        missing="This reasoner reads no words without pictures, or writes no claim that can be turned round.",
    )


def claim_numbers(claims: ClaimsTested) -> tuple[ReasonNumber, ...]:
    """Claims against the known attributes, and differences that state the same of both crops."""
    return (
        ReasonNumber(
            "True claims",
            "Of the claims that the known attributes can test, the share that they confirm.",
            "near 100 %",
            "50 % or less: the crops were hardly looked at",
            claims.true,
            detail=claims_in_words(claims.marks),
            missing="This data set has no attributes that could test them.",
        ),
        ReasonNumber(
            "Stated differences that are none",
            "Of the differences it claims with a value for each crop, the share that states the same of both.",
            "0 %",
            "above 10 %: it says that something differs because the verdict asks for it",
            claims.self_contradictory,
            missing="No difference is claimed with a value for each crop.",
        ),
    )


def invention_number(claims: ClaimsTested) -> ReasonNumber | None:
    """Values stated of what a crop does not show; None where it is not known what a crop shows."""
    if claims.invented is None:
        return None
    return ReasonNumber(
        "Inventions",
        "The share of claims that state a value of something the crop does not show.",
        "0 %",
        "above 10 %: an invented fact reads like a seen one",
        claims.invented,
    )


def claim_check_numbers(checked: CheckedClaims | None) -> tuple[ReasonNumber, ...]:
    """Two numbers where the reasoner could be asked about one crop alone; the second needs known attributes."""
    if checked is None:
        return ()
    others = checked.true_if_inconsistent
    return (
        ReasonNumber(
            "Consistent claims",
            "The share of claims that the reasoner repeats when it is asked about each crop alone.",
            "near 100 %",
            "low: what it says of a crop depends on the crop beside it",
            checked.again,
            detail=", ".join(f"{number:,} {name}" for name, number in checked.marks.items()),
        ),
        ReasonNumber(
            "True if consistent",
            "Of the consistent claims that the known attributes can test, the share that they confirm.",
            "near 100 %, and far above those not consistent: the claim check tells which claims to trust",
            "no better than those: it repeats its mistakes",
            checked.true_if_consistent,
            detail=""
            if others is None
            else f"of the others: {100 * others.value:.1f} % ({100 * others.low:.1f} to "
            f"{100 * others.high:.1f}; {others.cases:,} claims)",
            missing="No claim that the known attributes can test was consistent.",
        ),
    )


def claims_in_words(marks: Mapping[str, int]) -> str:
    """ "12 confirmed, 3 contradicted, 5 untestable"."""
    return ", ".join(f"{marks[name]:,} {name}" for name in ("confirmed", "contradicted", "untestable"))


def number_lines(tested: ReasonsTested) -> str:
    """One line per number, aligned, for a terminal."""
    numbers = reason_numbers(tested)
    width = max(len(number.title) for number in numbers)
    return "\n".join(line_of(number, width) for number in numbers)


def line_of(number: ReasonNumber, width: int) -> str:
    """Title, value, interval, detail."""
    value = number.value.replace("\u202f", " ")
    parts: Sequence[str] = (
        [value.rjust(8), f"({number.interval})".ljust(18), " ".join(filter(None, (number.warning, number.detail)))]
        if number.estimate is not None
        else [value.rjust(8), number.missing]
    )
    return f"{number.title:<{width}}  {'  '.join(parts)}".rstrip()
