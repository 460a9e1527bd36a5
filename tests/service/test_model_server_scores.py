"""P(same) through the model server is P(same) in process, however the question is put."""

from __future__ import annotations

import base64
import io
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from asking import request
from PIL import Image

from reidr.cli.evaluate import settings_from
from reidr.data.sketch import TrainingData
from reidr.data.types import Crop
from reidr.errors import ReIDError
from reidr.fusion.ask_policy import Policy
from reidr.fusion.profile import InferenceProfile
from reidr.reasoning.backends.card import Card, read_card
from reidr.reasoning.backends.chat_server.remote import RemoteReasoner
from reidr.reasoning.backends.local import Engine
from reidr.reasoning.backends.reference import Reasoner
from reidr.reasoning.models.checkpoint import hash_weights
from reidr.reasoning.prompting.answers import insufficient_probability, yes_probability
from reidr.reasoning.prompting.prompt import PREFIXES, QUESTIONS, pair_messages
from reidr.reasoning.types import Pair
from reidr.service.model_server.server import ModelServer

SIZES = [(64, 128), (40, 96), (128, 256), (61, 200), (120, 90), (20, 30)]


@pytest.fixture(scope="module", params=["qwen3_vl", "nano", "smolvlm", "internvl"])
def model(request: pytest.FixtureRequest, tiny: Any) -> Any:
    """Small models with random weights, one of each architecture: their answers differ from pair to pair."""
    if request.param == "qwen3_vl":
        return tiny
    sys.path.insert(0, str(Path(__file__).parents[1] / "reasoning"))
    from other_architectures import OTHERS, lively
    from small_nano import build_small_nano

    if request.param in OTHERS:
        return Reasoner(*lively(OTHERS[request.param]), name=request.param)
    return Reasoner(*build_small_nano(), name="small nano")


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    rng = np.random.default_rng(5)

    def crop(name: str, place: int) -> Crop:
        width, height = SIZES[place % len(SIZES)]
        return Crop(name, Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)))

    return [Pair(crop(f"q{i}", i), crop(f"g{i}", 2 * i + 1)) for i in range(6)]


def url(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def question(first: Image.Image, second: Image.Image, **fields: Any) -> dict[str, Any]:
    """The score question as any client of OpenAI's API would send it."""
    (message,) = pair_messages(None, "score")
    pictures = iter((first, second))
    parts = [
        {"type": "image_url", "image_url": {"url": url(next(pictures))}} if part["type"] == "image" else part
        for part in message["content"]
    ]
    return {"messages": [{"role": "user", "content": parts}], "temperature": 0, "logprobs": True, "top_logprobs": 20,
            "max_tokens": 16, **fields}  # fmt: skip


def logits_of(server: ModelServer, body: dict[str, Any]) -> tuple[list[float], str]:
    """Log-probabilities of yes, no and insufficient at the first place that lists a yes, and the text."""
    status, _, told = request(server, "POST", "/v1/chat/completions", body)
    assert status == 200, told
    (choice,) = told["choices"]
    for entry in choice["logprobs"]["content"]:
        found = {one["token"]: one["logprob"] for one in entry["top_logprobs"]}
        if "yes" in found:
            doubt = next(value for token, value in found.items() if "insufficient".startswith(token))
            assert sum(np.exp(list(found.values()))) == pytest.approx(1, abs=1e-5)
            return [found["yes"], found["no"], doubt], choice["message"]["content"]
    raise AssertionError(f"no answer word in {choice}")


@pytest.mark.parametrize("begun", [False, True])
def test_the_score_question_is_answered_and_not_thought_about(
    model: Any, pairs: list[Pair], start: Callable[[Any], Any], begun: bool
) -> None:
    server = start(ModelServer(model))
    expected = Engine(model).answer_logits(pairs)
    fields: dict[str, Any] = {}
    found = np.empty_like(expected)
    for row, pair in enumerate(pairs):
        images = (pair.query.open(), pair.candidate.open())
        for order, side in enumerate((images, images[::-1])):
            body = question(*side, **fields)
            if begun:
                body["messages"].append({"role": "assistant", "content": PREFIXES["score"]})
                body |= {"continue_final_message": True, "add_generation_prompt": False, "max_tokens": 1}
            found[order, row], text = logits_of(server, body)
            word = ("yes", "no", "insufficient")[int(expected[order, row].argmax())]
            if not begun:
                assert text == f"<answer>{word}</answer>"
    np.testing.assert_allclose(yes_probability(found), yes_probability(expected), atol=1e-3)
    np.testing.assert_allclose(insufficient_probability(found), insufficient_probability(expected), atol=1e-3)
    assert np.ptp(yes_probability(expected)) > 0.05


@pytest.mark.parametrize("begin_answer", [False, True])
@pytest.mark.parametrize("both_orders", [True, False])
def test_the_client_gets_the_engine_s_scores(
    model: Any, pairs: list[Pair], start: Callable[[Any], Any], begin_answer: bool, both_orders: bool
) -> None:
    remote = RemoteReasoner(start(ModelServer(model)).address, begin_answer=begin_answer)
    found = remote.score(pairs, both_orders=both_orders)
    np.testing.assert_allclose(found, Engine(model).score(pairs, both_orders=both_orders), atol=1e-3)
    assert remote.sampled == 0


def test_the_answer_can_be_sampled_and_cut(tiny: Any, pairs: list[Pair], start: Callable[[Any], Any]) -> None:
    server = start(ModelServer(tiny))
    images = pairs[0].query.open(), pairs[0].candidate.open()

    def text(**fields: Any) -> tuple[str, str, int]:
        told = request(server, "POST", "/v1/chat/completions", question(*images, **fields))[2]
        choice = told["choices"][0]
        listed = "".join(entry["token"] for entry in choice["logprobs"]["content"])
        assert choice["message"]["content"] == listed
        return listed, choice["finish_reason"], told["usage"]["completion_tokens"]

    drawn = {text(temperature=2, seed=seed)[0] for seed in range(30)}
    assert drawn <= {f"<answer>{word}</answer>" for word in ("yes", "no", "insufficient")}
    assert len(drawn) > 1
    assert text(max_tokens=1) == ("<answer>", "length", 1)
    assert text(max_tokens=2)[1:] == ("length", 2)
    whole = text()
    assert whole[1] == "stop"
    # The words that are asked about are the same with spaces behind them; others are an ordinary question.
    spaced = question(*images)
    spaced["messages"][0]["content"][-1]["text"] += "\n"
    told = request(server, "POST", "/v1/chat/completions", spaced)[2]
    assert told["choices"][0]["message"]["content"].startswith("<answer>")
    thinking = json.loads(json.dumps(question(*images)).replace(QUESTIONS["score"], QUESTIONS["think"]))
    told = request(server, "POST", "/v1/chat/completions", thinking)[2]
    assert len(told["choices"][0]["logprobs"]["content"][0]["top_logprobs"]) == 20


def test_a_model_is_used_through_the_server_as_in_process(
    model: Any, pairs: list[Pair], start: Callable[[Any], Any]
) -> None:
    """Its inference profile, its training data and its eyes' glance, without which a search through a server is
    another one.
    """
    told = Reasoner(
        model.model,
        model.processor,
        name="told",
        card=Card(
            InferenceProfile(0.4, "held-out people", "a notice", policies=((0.5, Policy(1.0, 3)),)),
            (TrainingData("/home/ann/market1501", ("ab", "cd")),),
            (0.1, 7),
        ),
    )
    remote = RemoteReasoner(start(ModelServer(told)).address)
    engine = Engine(told)
    (known,) = remote.card.trained_on
    assert (known, known.pictures) == ("market1501", {"ab", "cd"})  # the folder's place is nobody's business
    assert remote.card.held_out == engine.card.held_out
    assert remote.card.profile.weight == 0.4
    assert json.dumps(asdict(remote.card.profile)) == json.dumps(asdict(engine.card.profile))
    assert remote.card.weights == engine.card.weights == hash_weights(model.model)
    expected, found = engine.vision_similarity(pairs), remote.vision_similarity(pairs)
    if expected is None:
        assert found is None
        return
    np.testing.assert_allclose(found, expected, atol=1e-5)
    crops = len({one.id for pair in pairs for one in (pair.query, pair.candidate)})
    assert remote.counts.requests == crops
    remote.vision_similarity(pairs)
    assert remote.counts.requests == crops  # each picture is sent once
    assert expected.shape == (len(pairs), 3)


def test_embeddings_are_refused_in_one_sentence(model: Any, start: Callable[[Any], Any]) -> None:
    server = start(ModelServer(model))
    part = {"type": "image_url", "image_url": {"url": url(Image.new("RGB", (30, 60), "red"))}}
    good: dict[str, Any] = {"messages": [{"role": "user", "content": [part]}]}
    text = {"messages": [{"role": "user", "content": "Hi"}]}
    for body, said in [
        (text, "pictures alone"), ({"input": "Hi"}, "messages is missing"), (good | {"dimensions": 3}, "dimensions"),
        (good | {"model": "other"}, "serves"), (good | {"encoding_format": "base64"}, "encoding_format"),
        ({"messages": good["messages"] * 2}, "at most 1"),
    ]:  # fmt: skip
        status, _, told = request(server, "POST", "/v1/embeddings", body)
        assert status in (400, 404)
        assert said in told["error"]["message"]
    status, _, told = request(server, "POST", "/v1/embeddings", good)
    if model.adapter.gives_embeddings:
        (entry,) = told["data"]
        assert (status, sum(entry["sizes"])) == (200, len(entry["embedding"]))
        ends = np.cumsum(entry["sizes"])[:-1]
        np.testing.assert_allclose([one @ one for one in np.split(np.array(entry["embedding"]), ends)], 1, atol=1e-4)
    else:
        assert (status, told["error"]["message"]) == (404, "this model's vision encoder gives no embeddings")


@pytest.mark.parametrize("card", [{}, {"profile": 3}, {"profile": {"weight": 7}, "trained_on": [], "held_out": None}])
def test_a_card_that_cannot_be_read_is_one_sentence(card: Any) -> None:
    with pytest.raises(ReIDError, match=r"^h:1: "):
        read_card({"reidr": card}, "h:1")
    assert read_card({"id": "m"}, "h:1") == Card()


def test_evaluate_takes_the_decision_of_the_server() -> None:
    names = ("adaptive", "budget", "queries", "protocol", "weight")
    options = dict.fromkeys(names) | {"k": 5, "think": 0, "seed": 0, "average_precision": "exact", "cache": False}
    served: Any = SimpleNamespace(card=Card(InferenceProfile(0.4, "held-out people", csls=True)))
    found = settings_from({**options, "reasoner_name": "http://127.0.0.1:1", "adaptive": False}, served)
    assert (found.profile.weight, found.profile.csls) == (0.4, True)
