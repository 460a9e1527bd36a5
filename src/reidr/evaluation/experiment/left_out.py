"""What took no part in an evaluation: said in the terminal, in the result file and on the page, with its number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reidr.core.text import some_of
from reidr.data.reading.notes import Note, as_notes
from reidr.data.types import ReIDDataset
from reidr.evaluation.experiment.outcome import Outcome

NAMES_SHOWN = 5  # in a sentence
NAMES_KEPT = 50  # in a file


@dataclass(frozen=True)
class LeftOut:
    """One kind of thing that took no part.

    Attributes:
        kind: "loader" (seen when the data were read), "unreadable" (pictures) or "no match" (queries).
        text: one sentence. count: how many; None where the loader does not say. names: of the first of them.
    """

    kind: str
    text: str
    count: int | None = None
    names: tuple[str, ...] = ()


def left_out_of(dataset: ReIDDataset, outcomes: Sequence[Outcome]) -> list[LeftOut]:
    """Everything that took no part in the evaluation of `dataset`, in the order in which it was found."""
    first = outcomes[0]
    # What a protocol takes out of a search (a query's own picture) is noted by the trial.
    notes = as_notes((*dataset.notes, *getattr(first.trial, "notes", ())))
    found = [_of_note(note) for note in notes if note.is_left_out]
    problems = list(dict.fromkeys(problem for outcome in outcomes for problem in outcome.problems))
    if problems:
        found.append(LeftOut("unreadable", _some("unusable pictures are left out", problems), len(problems),
                             tuple(problems[:NAMES_KEPT])))  # fmt: skip
    return [*found, *queries_without_match(outcomes)]


def queries_without_match(outcomes: Sequence[Outcome]) -> list[LeftOut]:
    """The entry for queries that nothing in the gallery answers; none where all have a match."""
    alone = without_match(outcomes[0])
    if not alone:
        return []
    words = f"of {len(outcomes[0].trial.query):,} queries have no match in the gallery and count in no mean"
    words += " (draw 1)" if len(outcomes) > 1 else ""
    return [LeftOut("no match", _some(words, alone), len(alone), tuple(alone[:NAMES_KEPT]))]


def warnings_of(dataset: ReIDDataset) -> list[str]:
    """Notes of the loader that change what the numbers mean, though nothing was left out."""
    return [note.text for note in as_notes(dataset.notes) if note.level != "info" and not note.is_left_out]


def without_match(outcome: Outcome) -> list[str]:
    """Ids of the queries that nothing in the gallery answers, in their order."""
    matches = outcome.rows[0].result.matches
    return [query.id for query, number in zip(outcome.trial.query, matches, strict=True) if not number]


def _of_note(note: Note) -> LeftOut:
    return LeftOut("loader", note.text, note.count or None, note.names[:NAMES_KEPT])


def _some(words: str, names: Sequence[str]) -> str:
    """The number, the words and the first names, in one sentence."""
    return f"{len(names):,} {words}: {some_of(names, NAMES_SHOWN)}"
