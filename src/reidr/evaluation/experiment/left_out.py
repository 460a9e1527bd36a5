"""What took no part in an evaluation, with its number: for the terminal, the result file and the page."""

from __future__ import annotations

from collections.abc import Sequence

from reidr.core.text import some_of, whole
from reidr.data.left_out import NAMES_KEPT, LeftOut
from reidr.data.reading.notes import Note, as_notes
from reidr.data.types import ReIDDataset
from reidr.evaluation.experiment.outcome import Outcome

NAMES_SHOWN = 5  # in a sentence


def left_out_of(dataset: ReIDDataset, outcomes: Sequence[Outcome]) -> list[LeftOut]:
    """Everything that took no part in the evaluation of `dataset`, in the order in which it was found."""
    first = outcomes[0]
    # The trial notes what a protocol removes from a search (a query's own picture).
    notes = as_notes((*dataset.notes, *first.trial.notes))
    entries = [_of_note(note) for note in notes if note.is_left_out]
    problems = list(dict.fromkeys(problem for outcome in outcomes for problem in outcome.problems))
    if problems:
        entries.append(_entry("unreadable", _some("unusable pictures are left out", problems), problems))
    return [*entries, *queries_without_match(outcomes)]


def queries_without_match(outcomes: Sequence[Outcome]) -> list[LeftOut]:
    """The entry for queries without a match in the gallery; none where all have one."""
    alone = without_match(outcomes[0])
    if not alone:
        return []
    words = f"of {len(outcomes[0].trial.query):,} queries have no match in the gallery and count in no mean"
    words += " (draw 1)" if len(outcomes) > 1 else ""
    return [_entry("no match", _some(words, alone), alone)]


def warnings_of(dataset: ReIDDataset) -> list[str]:
    """Notes of the loader that change what the numbers mean, though nothing was left out."""
    return [note.text for note in as_notes(dataset.notes) if note.level != "info" and not note.is_left_out]


def without_match(outcome: Outcome) -> list[str]:
    """Ids of the queries without a match in the gallery, in their order."""
    evaluated = outcome.rows[0].result.evaluated
    return [query.id for query, counts in zip(outcome.trial.query, evaluated, strict=True) if not counts]


def _of_note(note: Note) -> LeftOut:
    return LeftOut(kind="loader", text=whole(note.text), count=note.count or None, names=_kept(note.names))


def _entry(kind: str, text: str, names: Sequence[str]) -> LeftOut:
    return LeftOut(kind=kind, text=whole(text), count=len(names), names=_kept(names))


def _kept(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(whole(name) for name in names[:NAMES_KEPT])


def _some(words: str, names: Sequence[str]) -> str:
    """The number, the words and the first names, in one sentence."""
    return f"{len(names):,} {words}: {some_of(names, NAMES_SHOWN)}"
