"""What takes no part is told by the kind of a note, never by its wording."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from reidr.data.reading.listing import KINDS
from reidr.data.reading.notes import LEFT_OUT_KINDS, Note
from reidr.data.types import ReIDDataset
from reidr.evaluation.experiment.left_out import left_out_of, warnings_of

NOTHING_LEFT_OUT = frozenset(
    {
        "layout", "queries", "linked folders", "other ending", "counts", "attributes", "label spelling", "features",
        "people with one picture", "people seen in training", "equal rows", "same data set",
        "captions", "captions of strangers",
    }
)  # fmt: skip


def test_every_kind_in_the_source_is_known_for_what_it_is() -> None:
    """A new kind of note must be put on one of the two lists."""
    source = Path(__file__).parents[2] / "src" / "reidr"
    kinds = {
        keyword.value.value
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Note"
        for keyword in node.keywords
        if keyword.arg == "kind" and isinstance(keyword.value, ast.Constant)
    } | set(KINDS.values())
    assert kinds == LEFT_OUT_KINDS | NOTHING_LEFT_OUT
    assert not LEFT_OUT_KINDS & NOTHING_LEFT_OUT


def test_the_words_of_a_note_decide_nothing() -> None:
    notes = (
        Note("3 gone", "warning", kind="missing file", names=["a", "b", "c"]),
        Note("nothing is left out, not there or skipped", "warning", kind="counts"),
        "a plain sentence in which something is left out",
        Note("all well", kind="layout"),
    )
    dataset = ReIDDataset("shop", None, notes=cast(Any, notes))
    row = SimpleNamespace(result=SimpleNamespace(evaluated=[True]))
    outcome: Any = SimpleNamespace(trial=SimpleNamespace(notes=(), query=("q",)), problems=(), rows=[row])
    (entry,) = left_out_of(dataset, [outcome])
    assert (entry.kind, entry.text, entry.count, entry.names) == ("loader", "3 gone", 3, ("a", "b", "c"))
    assert warnings_of(dataset) == ["nothing is left out, not there or skipped"]
