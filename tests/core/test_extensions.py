"""`module:name`: what counts as one, and one sentence where nothing can be loaded."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from reidr.core.extensions import is_dotted_path, load_object, make_object
from reidr.errors import DataError, ReIDError


@pytest.mark.parametrize("source", ["mine:load", "my.own.module:Rule", "m:Class.make", "_m1:f_2"])
def test_module_and_name_are_a_dotted_path(source: str) -> None:
    assert is_dotted_path(source)


@pytest.mark.parametrize(
    "source",
    ["nano", "prcc/clothes-changing/multi-shot", "http://host:80", "C:\\models", "a/b:c", ":x", "x:", "1m:f", 3],
)
def test_names_addresses_and_paths_are_none(source: object) -> None:
    assert not is_dotted_path(source)


def test_the_object_is_found_below_a_class_too() -> None:
    assert load_object("math:pi", "number") is math.pi
    assert load_object("pathlib:Path.cwd", "function")() == Path.cwd()


def test_one_sentence_says_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_extension.py").write_text("raise RuntimeError('no licence')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DataError, match=r"layout broken_extension:f: cannot import .*RuntimeError: no licence"):
        load_object("broken_extension:f", "layout", DataError)
    with pytest.raises(ReIDError, match="PYTHONPATH"):
        load_object("no_such_module_of_mine:f", "embedder")
    with pytest.raises(ReIDError, match="math has no tau2"):
        load_object("math:tau2", "number")


def test_a_factory_is_called_and_what_it_makes_is_checked() -> None:
    assert make_object("collections:Counter", "counter", ("most_common",)) == {}
    for source, reason in (
        ("math:pi", "it is a float, not a class or function that makes one"),
        ("math:sqrt", "the call failed: TypeError: "),
        ("collections:Counter", "what it makes has no rerank, name"),
    ):
        with pytest.raises(DataError, match=reason) as refusal:
            make_object(source, "re-ranker", ("most_common", "rerank", "name"), DataError)
        assert str(refusal.value).startswith(f"re-ranker {source}: ")
