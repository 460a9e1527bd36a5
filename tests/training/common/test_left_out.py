from __future__ import annotations

import pytest

from reidr.data.reading.notes import Note
from reidr.data.types import ReIDDataset
from reidr.training.common.left_out import say_left_out


def test_what_is_grave_is_said_once_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    notes = (Note("3 names do not parse", "warning"), Note("half is missing", "error"), Note("Market-1501 layout"))
    say_left_out([ReIDDataset("shop", None, notes=notes), ReIDDataset("mall", None, notes=notes[:1])])
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "shop: 3 names do not parse",
        "shop: half is missing",
        "mall: 3 names do not parse",
    ]
    say_left_out([ReIDDataset("shop", None, notes=notes)])
    assert capsys.readouterr().err == ""
