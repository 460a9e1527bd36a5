"""A back end from outside the package is loaded by `module:factory`."""

from __future__ import annotations

import pytest

from reidr.core.extensions import is_dotted_path
from reidr.errors import WeightsError
from reidr.reasoning.backends.backend import Capabilities
from reidr.reasoning.backends.card import Card
from reidr.reasoning.backends.loading import load_reasoner
from reidr.reasoning.types import RequestCounts
from reidr.search.query.models import check_models

MODULE = """
import numpy as np
from reidr.reasoning.backends.backend import Backend, Capabilities
from reidr.reasoning.backends.card import Card
from reidr.reasoning.types import RequestCounts


class Constant(Backend):
    name, capabilities, card, counts = "constant", Capabilities(think=False), Card(), RequestCounts()

    def __init__(self, value=0.25):
        self.value = value

    def score(self, pairs, **_):
        return np.full(len(pairs), self.value)
"""


def test_a_back_end_is_added_from_outside(tmp_path, monkeypatch):  # type: ignore[no-untyped-def]
    (tmp_path / "own_verifier.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    check_models(None, "own_verifier:Constant")
    backend = load_reasoner("own_verifier:Constant", value=0.75)
    assert backend.score([]).shape == (0,)
    assert backend.capabilities == Capabilities(think=False)
    assert (backend.name, backend.card, backend.counts) == ("constant", Card(), RequestCounts())


@pytest.mark.parametrize("source", ["no_such_module_here:make", "json:no_such_name"])
def test_a_missing_factory_is_named(source: str) -> None:
    assert is_dotted_path(source)
    with pytest.raises(WeightsError, match=source):
        load_reasoner(source)


def test_names_and_addresses_are_no_factories() -> None:
    assert not any(map(is_dotted_path, ["nano", "owner/model", "http://host:80", "./folder"]))
