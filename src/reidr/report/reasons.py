"""`reasons.html`: what the tests of reasons found, each number explained, and cases to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reidr.core.run import prepare_folder
from reidr.core.storage.files import write_text
from reidr.evaluation.explanations.reason_numbers import ReasonNumber
from reidr.report.content import Answer, ClaimMark, Fact, Picture, Statement
from reidr.report.page import REASONS_PAGE, environment


@dataclass(frozen=True)
class Erased:
    """A region erased from both crops: its name, the two pictures, and the direct score (uncalibrated) without it."""

    region: str
    query: Picture = field(compare=False, repr=False)
    candidate: Picture = field(compare=False, repr=False)
    probability: float


@dataclass(frozen=True)
class ReasonCard:
    """One tested pair.

    Attributes:
        query, candidate: ids. query_image, candidate_image: their pictures; the query is person A.
        truth: whether both show one person; None where unknown.
        answer, probability, reasoning, statements: the verdict, its score after thinking as the model gives it
            (uncalibrated; None where there is none), and its words with the marks of their claims.
        turned_answer, turned_probability, turned_reasoning: the verdict with the crops in the other order.
        direct: the direct score, uncalibrated; None where there is none. cited, uncited: without a region that the
            reason rests on, and without one that it does not name.
        tokens, seconds: what the first verdict cost.
    """

    query: str
    candidate: str
    query_image: Picture = field(compare=False, repr=False)
    candidate_image: Picture = field(compare=False, repr=False)
    truth: bool | None
    answer: Answer
    probability: float | None
    reasoning: str
    statements: tuple[Statement, ...]
    swapped_answer: Answer
    swapped_probability: float | None
    swapped_reasoning: str
    direct: float | None
    cited: Erased | None = None
    uncited: Erased | None = None
    readable: bool = True
    tokens: int = 0
    seconds: float = 0.0

    def marked(self, mark: ClaimMark) -> int:
        """How many of its claims carry `mark`."""
        return sum(found == mark for statement in self.statements for _, found in statement.claims)


@dataclass(frozen=True)
class ReasonGroup:
    """Some cases of one kind; `total` of them were found."""

    key: str
    title: str
    lead: str
    cards: tuple[ReasonCard, ...]
    total: int


@dataclass(frozen=True)
class ReasonsPage:
    """Everything that `reasons.html` shows; `masks` says how well the erased regions are known."""

    title: str
    subtitle: str
    created: str
    numbers: tuple[ReasonNumber, ...]
    groups: tuple[ReasonGroup, ...]
    facts: Mapping[str, Fact]
    checked: str
    masks: str
    notice: str = ""


def write_reasons(page: ReasonsPage, folder: Path) -> Path:
    """Write `reasons.html`, one file that loads nothing from elsewhere; written beside its place and then moved.

    Raises ReIDError where the folder cannot be written.
    """
    text = environment().get_template("reasons.html.j2").render(page=page, claims_marked=marks_claims(page.groups))
    prepare_folder(folder)
    write_text(folder / REASONS_PAGE, text)
    return folder / REASONS_PAGE


def marks_claims(groups: Sequence[ReasonGroup]) -> bool:
    """Whether any claim on the page carries a mark."""
    return any(statement.claims for group in groups for card in group.cards for statement in card.statements)
