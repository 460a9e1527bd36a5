"""Against servers that run: whatever `REIDR_CHAT_SERVER` and `REIDR_RERANK_SERVER` name. Not part of a usual run.

vllm serve Qwen/Qwen2.5-VL-3B-Instruct
REIDR_CHAT_SERVER=http://localhost:8000 pytest -m slow tests/reasoning/backends/test_real_servers.py
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from reidr.data.types import Crop
from reidr.reasoning.backends.backend import Backend
from reidr.reasoning.backends.chat_server.served import drawn_person
from reidr.reasoning.backends.loading import load_reasoner
from reidr.reasoning.backends.verdict_cache import VerdictCache
from reidr.reasoning.types import Pair

pytestmark = pytest.mark.slow

CLOTHES = (("firebrick", "navy"), ("seagreen", "black"), ("gold", "gray"))
CROPS = [Crop(f"{top} {legs}", drawn_person(top, legs)) for top, legs in CLOTHES]
PAIRS = [Pair(CROPS[0], CROPS[0]), *(Pair(CROPS[0], other) for other in CROPS[1:])]


def served(variable: str, **options: object) -> Backend:
    url = os.environ.get(variable)
    if not url:
        pytest.skip(f"{variable} names no running server")
    return load_reasoner(url, **options)  # type: ignore[arg-type]


def test_a_chat_server(tmp_path) -> None:  # type: ignore[no-untyped-def]
    cache = VerdictCache(tmp_path / "v.sqlite")
    remote = served("REIDR_CHAT_SERVER", cache=cache)
    scores = remote.score(PAIRS)
    assert np.isfinite(scores).all(), remote.counts.sentences()
    asked = remote.counts.requests
    np.testing.assert_allclose(remote.score(PAIRS), scores)
    assert remote.counts.requests == asked  # the cache has them
    verdicts = remote.think(PAIRS)
    assert all(verdict.parsable for verdict in verdicts), [verdict.problem for verdict in verdicts]


def test_a_reranking_server(tmp_path) -> None:  # type: ignore[no-untyped-def]
    reranker = served("REIDR_RERANK_SERVER", cache=VerdictCache(tmp_path / "v.sqlite"))
    scores = reranker.score(PAIRS)
    assert np.isfinite(scores).all(), reranker.counts.sentences()
    assert scores[0] > scores[1:].max()  # a picture is more like itself than like another
