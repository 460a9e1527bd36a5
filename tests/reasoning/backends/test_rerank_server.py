"""Reranking servers as verifiers, against a server that answers as vLLM, SGLang and servers of text rerankers do."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner
from dialects import Server
from dialects import network as network
from PIL import Image

from reidr.cli.main import reidr
from reidr.cli.shared import SERVER_OPTIONS, asked_of_server
from reidr.data.types import Crop
from reidr.errors import ReIDError
from reidr.reasoning.backends.loading import load_reasoner
from reidr.reasoning.backends.rerank_server.forms import INSTRUCTION
from reidr.reasoning.backends.rerank_server.rerank_server import RerankServer, grouped
from reidr.reasoning.backends.verdict_cache import VerdictCache
from reidr.reasoning.types import Pair
from reidr.retrieval.embedders.histogram import HistogramEmbedder

Put = Callable[..., Server]
URL = "http://localhost:8000/v1/rerank"
COLOURS = ("red", "blue", "green", "yellow", "purple", "gray", "orange")
CROPS = [Crop(f"c{i}", Image.new("RGB", (64, 128), colour)) for i, colour in enumerate(COLOURS)]
PAIRS = [Pair(CROPS[0], other) for other in CROPS[1:]]


def colour_of(part: dict[str, Any]) -> np.ndarray:
    url = part["image_url"]["url"]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))), dtype=float).mean(axis=(0, 1))


def closeness(query: list[dict[str, Any]], document: list[dict[str, Any]], scale: float = 100.0) -> float:
    """What the servers here say: near 1 for one colour. The order counts, as it does for a real reranker."""
    (first,), (second,) = ([part for part in parts if part["type"] == "image_url"] for parts in (query, document))
    a, b = colour_of(first), colour_of(second)
    return float(0.9 * math.exp(-np.abs(a - b).mean() / scale) + 0.0002 * a.mean() / 255)


def expected(pair: Pair, scale: float = 100.0) -> float:
    both = [{"type": "image_url", "image_url": {"url": url_of(crop)}} for crop in (pair.query, pair.candidate)]
    return (closeness([both[0]], [both[1]], scale) + closeness([both[1]], [both[0]], scale)) / 2


def url_of(crop: Crop) -> str:
    buffer = io.BytesIO()
    crop.open().save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def vllm(body: dict[str, Any], number: int) -> Any:
    scores = [closeness(body["query"]["content"], one["content"]) for one in body["documents"]]
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    return {"id": "r", "results": [{"index": i, "relevance_score": scores[i], "document": {}} for i in order]}


def sglang(body: dict[str, Any], number: int) -> Any:
    if not isinstance(body["query"], list):
        return 422, {"object": "error", "message": "Input should be a valid string or list", "type": "Unprocessable"}
    assert body["instruct"] == INSTRUCTION
    scores = [closeness(body["query"], one) for one in body["documents"]]
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    return [{"score": scores[i], "index": i, "document": None} for i in order]


def old_vllm(body: dict[str, Any], number: int) -> Any:
    if not isinstance(body["query"], dict) or len(body["query"]["content"]) > 1:
        return 400, {"error": {"message": "Only one content item is supported in a score input"}}
    if isinstance(body["documents"], list):
        return 400, {"error": {"message": "[{'type': 'string_type', 'loc': ('body', 'documents', 0)}]"}}
    scores = [closeness(body["query"]["content"], [part]) for part in body["documents"]["content"]]
    return {"results": [{"index": i, "relevance_score": score} for i, score in enumerate(scores)]}


def vllm_score(body: dict[str, Any], number: int) -> Any:
    scores = [closeness(body["queries"]["content"], one["content"]) for one in body["documents"]]
    return {"object": "list", "data": [{"index": i, "object": "score", "score": s} for i, s in enumerate(scores)]}


def old_score(body: dict[str, Any], number: int) -> Any:
    if "text_1" not in body:
        return 400, {"error": {"message": "Field required: text_1"}}
    (part,) = body["text_2"]["content"]
    return {"data": [{"index": 0, "score": closeness(body["text_1"]["content"], [part])}]}


@pytest.mark.parametrize(
    ("script", "path", "requests"),
    [
        (vllm, "/v1/rerank", 1 + 1 + 6),  # what it takes; one query with six documents; six with the query as document
        (sglang, "/v1/rerank", 2 + 1 + 6),
        (old_vllm, "/v1/rerank", 3 + 2 + 12),
        (vllm_score, "/v1/score", 1 + 1 + 6),
        (old_score, "/v1/score", 2 + 2 + 12),
        (vllm, "/rerank", 1 + 1 + 6),
    ],
)
def test_every_dialect_gives_the_servers_scores(network: Put, script: Any, path: str, requests: int) -> None:
    server = network(script)
    reranker = load_reasoner(f"http://localhost:8000{path}")
    assert isinstance(reranker, RerankServer)
    np.testing.assert_allclose(reranker.score(PAIRS), [expected(pair) for pair in PAIRS], atol=1e-6)
    assert reranker.counts.requests == len(server.asked) == requests
    assert reranker.counts.without_score == 0
    one_order = reranker.answer_logits(PAIRS, both_orders=False)
    assert one_order.shape == (1, 6, 3)
    np.testing.assert_allclose(np.exp(one_order[..., :2]).sum(axis=2), 1.0)


def test_what_it_can_do_and_what_not(network: Put) -> None:
    network(vllm)
    reranker = load_reasoner(f"{URL}#m")
    assert reranker.capabilities.rerank
    assert reranker.capabilities.direct_score
    assert not reranker.capabilities.think
    assert reranker.vision_similarity(PAIRS) is None
    assert "m at localhost:8000" in (reranker.card.name, reranker.name)
    with pytest.raises(ReIDError, match="writes no reasons"):
        reranker.think(PAIRS)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (lambda body, number: (400, {"error": {"message": "documents must be strings"}}), "documents must be strings"),
        (lambda body, number: {"results": [{"index": i, "relevance_score": 0.5} for i in range(2)]}, "same score"),
        (lambda body, number: {"results": [{"index": 0, "relevance_score": 7.1}, {"index": 1, "relevance_score": -3}]},
         "no probability"),
        (lambda body, number: {"choices": []}, "one score for each of 2"),
        (lambda body, number: (404, {"detail": "Not Found"}), "404"),
    ],
)  # fmt: skip
def test_servers_that_cannot_judge_pictures_are_refused(network: Put, script: Any, said: str) -> None:
    network(script)
    with pytest.raises(ReIDError, match=said):
        load_reasoner(URL).score(PAIRS)


def test_one_refused_pair_has_no_score(network: Put) -> None:
    def script(body: dict[str, Any], number: int) -> Any:
        pictures = [*body["query"]["content"][1:], *(one["content"][0] for one in body["documents"])]
        if any(np.allclose(colour_of(part), (255, 255, 0)) for part in pictures):
            return 400, {"error": {"message": "this picture cannot be decoded"}}
        return vllm(body, number)

    network(script)
    reranker = load_reasoner(URL)
    scores = reranker.score(PAIRS)
    assert np.isnan(scores).tolist() == [False, False, True, False, False, False]
    np.testing.assert_allclose(scores[0], expected(PAIRS[0]), atol=1e-6)
    assert (reranker.counts.without_score, reranker.counts.refused) == (1, 1)
    assert "cannot be decoded" in reranker.counts.sentences()[0]


def test_a_limit_on_pictures_makes_smaller_requests(network: Put) -> None:
    def script(body: dict[str, Any], number: int) -> Any:
        if len(body["documents"]) > 2:
            return 400, {"error": {"message": "at most 3 images per request"}}
        return vllm(body, number)

    server = network(script)
    reranker = load_reasoner(URL)
    np.testing.assert_allclose(reranker.score(PAIRS), [expected(pair) for pair in PAIRS], atol=1e-6)
    before = len(server.asked)
    reranker.score(PAIRS)
    assert all(len(body["documents"]) <= 2 for body in server.asked[before:])


def test_the_cache_knows_when_other_weights_are_served(network: Put, tmp_path: Path) -> None:
    cache = VerdictCache(tmp_path / "v.sqlite")
    server = network(vllm)
    first = load_reasoner(URL, cache=cache).score(PAIRS)
    asked = len(server.asked)
    again = load_reasoner(URL, cache=cache)
    np.testing.assert_allclose(again.score(PAIRS), first)
    assert again.counts.requests == 1  # by which the server is recognised
    assert len(server.asked) == asked + 1

    def trained(body: dict[str, Any], number: int) -> Any:
        answer = vllm(body, number)
        for one in answer["results"]:
            one["relevance_score"] = 0.5 * one["relevance_score"]
        return answer

    network(trained)
    np.testing.assert_allclose(load_reasoner(URL, cache=cache).score(PAIRS), 0.5 * first, atol=1e-6)


def test_progress_and_windows(network: Put) -> None:
    network(vllm)
    seen: list[tuple[int, int]] = []
    many = [Pair(CROPS[i % 7], CROPS[(i * 3 + 1) % 7]) for i in range(150)]
    scores = load_reasoner(URL, documents=3).score(many, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (150, 150)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    np.testing.assert_allclose(scores, [expected(pair) for pair in many], atol=1e-6)


def test_questions_are_grouped_by_their_query() -> None:
    wanted = [("a", "x"), ("b", "x"), ("a", "y"), ("a", "z")]
    assert list(grouped(wanted, 2)) == [(("a", "x"), ("a", "y")), (("a", "z"),), (("b", "x"),)]


def test_options_that_a_server_cannot_use_are_refused() -> None:
    nothing = dict.fromkeys(SERVER_OPTIONS)
    assert asked_of_server({**nothing, "reasoner_name": "nano"}) == {}
    asked = {**nothing, "reasoner_name": URL, "concurrency": 4, "timeout": 5.0}
    assert asked_of_server(asked) == {"concurrency": 4, "timeout": 5.0}
    with pytest.raises(click.UsageError, match="writes no answers"):
        asked_of_server({**nothing, "reasoner_name": URL, "samples": 3})
    with pytest.raises(click.UsageError, match="--per-second says how a server is asked"):
        asked_of_server({**nothing, "reasoner_name": "nano", "per_second": 1.0})


def test_find_asks_a_reranking_server(network: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("reidr.cli.shared.load_retriever", lambda *_, **__: HistogramEmbedder())
    Path("crops").mkdir()
    for name in COLOURS[1:]:
        Image.new("RGB", (64, 128), name).save(f"crops/{name}.png")
    Image.new("RGB", (64, 128), "red").save("person.png")
    server = network(vllm)
    words = ["find", "person.png", "--in", "crops", "--reasoner", URL, "--no-cache", "--json", "found.json"]
    done = CliRunner().invoke(reidr, [*words, "--concurrency", "2", "--tries", "3"])
    assert done.exit_code == 0, (done.output, done.exception)
    assert "gives scores and writes no reasons" in done.output
    found = json.loads(Path("found.json").read_text())
    scores = {match["path"]: match["direct_score"] for match in found["matches"]}
    wanted = {f"crops/{name}.png": expected(pair) for name, pair in zip(COLOURS[1:], PAIRS, strict=True)}
    assert {Path(path).name: pytest.approx(score, abs=1e-3) for path, score in scores.items()} == {
        Path(path).name: score for path, score in wanted.items()
    }
    assert len(server.asked) == found["requests"]["requests"]
    refused = CliRunner().invoke(reidr, [*words, "--samples", "4"])
    assert refused.exit_code == 2
    assert "writes no answers" in refused.output
