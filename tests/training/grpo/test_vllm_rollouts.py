"""Rollouts by a server that speaks vLLM's API: what it writes, the adapter it gets, and servers that do not fit."""

from __future__ import annotations

import base64
import copy
import io
import json
import os
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from outside_rewards import alone
from PIL import Image
from tiny_reasoners import TINY, lively

from reidr.errors import RecipeError, ReIDError
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.inference.sampling import sample_completions
from reidr.reasoning.models.architectures import adapt
from reidr.reasoning.prompting.prompt import encode_pairs
from reidr.reasoning.types import Pair
from reidr.training.common.lora import lora_config
from reidr.training.grpo.rollouts.vllm import RolloutServer
from reidr.training.grpo.stage import reinforce
from reidr.training.pairs.table import MinedPair
from reidr.training.recipes.grpo import ReinforcementRecipe
from reidr.training.recipes.sampling import SampleRecipe
from reidr.training.sampling.rollouts import sampler

pytest.importorskip("trl")


RECIPE = ReinforcementRecipe(
    rewards=alone("varied"), steps=3, pairs=2, num_generations=3, backward_rows=6,
    max_new_tokens=8, learning_rate=3e-2, warmup_steps=0, save_every=3,
    lora_rank=4,
)  # fmt: skip


def refusal(message: str) -> str:
    """The body of an error."""
    return json.dumps({"error": {"message": message}})


class Vllm(ThreadingHTTPServer):
    """What of vLLM's API the rollouts need, around a model of its own and the adapters that it is told to load."""

    daemon_threads = True

    def __init__(
        self, model: Any, processor: Any, *, refuses_adapters: bool = False, loses_answers: bool = False
    ) -> None:
        self.base, self.processor = copy.deepcopy(model), processor
        self.refuses_adapters, self.loses_answers = refuses_adapters, loses_answers
        self.adapters: dict[str, Any] = {}
        self.told: list[tuple[str, str]] = []
        self.asked: list[dict[str, Any]] = []
        self.spoil: Callable[[dict[str, Any]], None] = lambda answer: None
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                cards = [{"id": "base", "parent": None}, *({"id": name, "parent": "base"} for name in outer.adapters)]
                self.reply(200, json.dumps({"data": cards}))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer.lock:
                    status, text = outer.answer(self.path, body)
                    if outer.loses_answers and status == 200 and "lora" in self.path:
                        self.close_connection = True
                        return
                    self.reply(status, text)

            def reply(self, status: int, text: str) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, str]:
        from peft import PeftModel

        if path == "/v1/load_lora_adapter" and not self.refuses_adapters:
            # As vLLM: a name that is taken is refused, and what is said of success is no JSON.
            if body["lora_name"] in self.adapters:
                return 400, refusal(f"The lora adapter '{body['lora_name']}' has already been loaded. If you want …")
            self.told.append(("load", body["lora_name"]))
            loaded = PeftModel.from_pretrained(copy.deepcopy(self.base), body["lora_path"])
            self.adapters[body["lora_name"]] = loaded.get_base_model().eval()
            return 200, "Success: LoRA adapter added."
        if path == "/v1/unload_lora_adapter":
            if body["lora_name"] not in self.adapters:
                return 404, refusal(f"The lora adapter '{body['lora_name']}' cannot be found.")
            self.told.append(("unload", body["lora_name"]))
            del self.adapters[body["lora_name"]]
            return 200, "Success: LoRA adapter removed."
        if path == "/v1/chat/completions":
            self.asked.append(body)
            found = self.complete(body)
            self.spoil(found)
            return 200, json.dumps(found)
        return 404, refusal("Not Found")

    @torch.no_grad()
    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        model = self.base.eval() if body["model"] == "base" else self.adapters[body["model"]]
        urls = [part["image_url"]["url"] for part in body["messages"][0]["content"] if part["type"] == "image_url"]
        images = tuple(Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))) for url in urls)
        settings = Thinking(body["max_tokens"], temperature=1.0, seed=body["seed"])
        (written,) = sample_completions(adapt(model, self.processor), [images], body["n"], settings)
        prompt = encode_pairs(self.processor, [images], "think")
        choices = []
        for one in written:
            chances = self.chances(model, prompt, one.ids)
            steps = []
            for place, number in enumerate(one.ids):
                wanted = [*body["logprob_token_ids"], number]
                listed = [{"token": f"token_id:{n}", "logprob": float(chances[place, n])} for n in wanted]
                steps.append({**listed[-1], "top_logprobs": listed})
            choices.append({"token_ids": list(one.ids), "logprobs": {"content": steps}})
        return {"prompt_token_ids": prompt["input_ids"][0].tolist(), "choices": choices}

    def chances(self, model: Any, prompt: Any, ids: tuple[int, ...]) -> torch.Tensor:
        own = torch.tensor([ids])
        inputs = dict(prompt)
        inputs["input_ids"] = torch.cat([prompt["input_ids"], own], dim=1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        inputs["mm_token_type_ids"] = torch.cat([prompt["mm_token_type_ids"], torch.zeros_like(own)], dim=1)
        logits = model(**inputs).logits[0, prompt["input_ids"].shape[1] - 1 : -1]
        model.model.rope_deltas = None
        return logits.float().log_softmax(dim=-1)


@pytest.fixture
def serve(start: Callable[[Any], Any]) -> Callable[..., Vllm]:
    """Starts a `Vllm`."""
    return lambda *given, **options: start(Vllm(*given, **options))


@pytest.fixture(scope="module")
def taught() -> Any:
    """A tiny reasoner whose answers can be parsed."""
    return TINY.build_taught()


def labelled(count: int) -> list[Pair]:
    return [Pair(pair.query, pair.candidate, label=i % 2 == 0) for i, pair in enumerate(TINY.noise_pairs(count))]


@pytest.mark.parametrize("architecture", ["qwen3_vl", "qwen2_5_vl"])
def test_a_server_writes_what_would_be_written_here(architecture: str, serve: Callable[..., Vllm]) -> None:
    model, processor = lively(architecture)
    server = serve(model, processor)
    pairs = TINY.noise_pairs(3)
    found = RolloutServer(server.url, model, processor).sample(pairs, [2, 1, 3], max_new_tokens=8, seed=5)
    assert [len(group) for group in found] == [2, 1, 3]
    for place, (pair, group) in enumerate(zip(pairs, found, strict=True)):
        (here,) = sample_completions(adapt(model, processor), [pair], len(group), Thinking(8, 1.0, 5 + place))
        assert [each.ids for each in group] == [each.ids for each in here]
        assert [each.text for each in group] == [each.text for each in here]
        assert [each.ended for each in group] == [each.ended for each in here]
        for theirs, ours in zip(group, here, strict=True):
            np.testing.assert_allclose(theirs.log_probabilities, ours.log_probabilities, atol=1e-4)
    # The checkpoint's own generation settings must not hold, and pictures are never written.
    body = server.asked[0]
    assert (body["temperature"], body["top_p"], body["top_k"], body["repetition_penalty"]) == (1.0, 1.0, -1, 1.0)
    assert body["logit_bias"][str(processor.image_token_id)] < -50


def test_the_answers_probability_is_read_where_the_answer_is_written(serve: Callable[..., Vllm], taught: Any) -> None:
    server = serve(taught.model, taught.processor)
    pairs = TINY.coloured_pairs()
    found = RolloutServer(server.url, taught.model, taught.processor).sample(pairs, [2] * 4, max_new_tokens=40, seed=0)
    right = 0
    for place, group in enumerate(found):
        (here,) = sample_completions(taught.adapter, [pairs[place]], 2, Thinking(40, 1.0, place))
        for theirs, ours in zip(group, here, strict=True):
            assert (theirs.probability is None) == (ours.probability is None)
            if theirs.probability is not None and ours.probability is not None:
                right += 1
                assert theirs.probability == pytest.approx(ours.probability, abs=1e-4)
    assert right >= 4


def test_training_hands_over_the_adapter_of_every_step(tmp_path: Path, serve: Callable[..., Vllm]) -> None:
    model, processor = lively("qwen3_vl")
    server = serve(model, processor)
    before = {name: value.detach().clone() for name, value in model.state_dict().items()}
    recipe = RECIPE.model_copy(update={"rollout_server": server.url})
    taught, log = reinforce(recipe, labelled(4), model, processor, tmp_path)
    loads = [name for what, name in server.told if what == "load"]
    assert len(set(loads)) == 3
    # Each is put away when the next one is there, and the last at the end: the server never fills up.
    assert [what for what, _ in server.told] == ["load", "load", "unload", "load", "unload", "unload"]
    assert not server.adapters
    assert {body["model"] for body in server.asked} == set(loads)
    # With an adapter that is a step behind, or none, they would lie apart by tenths: see the next test.
    assert all(line["server_difference"] < 1e-3 for line in log)
    moved = sum(not torch.equal(value, before[name]) for name, value in taught.merge_and_unload().state_dict().items())
    assert moved > 0
    assert len((tmp_path / "completions.jsonl").read_text().splitlines()) == 18


def test_what_a_server_with_an_old_adapter_writes_lies_apart(
    tmp_path: Path, serve: Callable[..., Vllm], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, processor = lively("qwen3_vl")
    server = serve(model, processor)
    monkeypatch.setattr(RolloutServer, "load_adapter", lambda self, trained: None)
    recipe = RECIPE.model_copy(update={"rollout_server": server.url, "learning_rate": 5e-3})
    _, log = reinforce(recipe, labelled(4), model, processor, tmp_path)
    assert log[0]["server_difference"] < 1e-3
    assert log[2]["server_difference"] > 1e-2


def test_a_server_with_other_weights_is_refused(tmp_path: Path, serve: Callable[..., Vllm]) -> None:
    model, processor = lively("qwen3_vl")
    other = copy.deepcopy(model)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(2)
        for parameter in other.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.3)
    recipe = RECIPE.model_copy(update={"rollout_server": serve(other, processor).url})
    with pytest.raises(ReIDError, match="other weights"):
        reinforce(recipe, labelled(4), model, processor, tmp_path)


def test_servers_that_do_not_fit_say_what_to_do(serve: Callable[..., Vllm]) -> None:
    from peft import get_peft_model

    model, processor = lively("qwen3_vl")
    server = serve(model, processor, refuses_adapters=True)
    asked = RolloutServer(server.url, model, processor, pixels=(6144, 8192))

    def spoiled(spoil: Callable[[dict[str, Any]], Any], message: str) -> None:
        server.spoil = spoil
        with pytest.raises(ReIDError, match=message):
            asked.sample(TINY.noise_pairs(1), [1], max_new_tokens=4, seed=0)

    spoiled(lambda answer: answer["prompt_token_ids"].pop(), r'"min_pixels": 6144, "max_pixels": 8192')
    spoiled(lambda answer: answer.pop("prompt_token_ids"), "vLLM 0.32")
    spoiled(lambda answer: answer["choices"].pop(), "0 completions where 1")
    spoiled(lambda answer: answer["choices"][0].pop("logprobs"), "not of vLLM's form")
    with pytest.raises(ReIDError, match="--enable-lora"):
        asked.load_adapter(get_peft_model(copy.deepcopy(model), lora_config(RECIPE.lora_rank, RECIPE.lora_alpha)))


def test_an_answer_that_is_lost_does_not_end_the_training(serve: Callable[..., Vllm]) -> None:
    from peft import get_peft_model

    model, processor = lively("qwen3_vl")
    server = serve(model, processor, loses_answers=True)
    asked = RolloutServer(server.url, model, processor)
    for _ in range(2):
        asked.load_adapter(get_peft_model(copy.deepcopy(model), lora_config(RECIPE.lora_rank, RECIPE.lora_alpha)))
    asked.unload_adapter()
    assert [what for what, _ in server.told] == ["load", "load", "unload", "unload"]
    assert not server.adapters


def test_sampling_may_be_served_too(serve: Callable[..., Vllm], taught: Any) -> None:
    server = serve(taught.model, taught.processor)
    mined = [
        MinedPair(pair.query, pair.candidate, "d", "train", 0, 1, 0.5, 0.0, bool(pair.label), "r")
        for pair in TINY.coloured_pairs()
    ]
    recipe = SampleRecipe(rollouts=2, max_new_tokens=40, rollout_server=server.url)
    found = sampler(recipe, mined, taught.model, taught.processor)(mined, 3)
    assert len(server.asked) == 4
    assert [len(each.answers) for each in found] == [2, 2, 2, 2]
    assert any(answer in ("yes", "no") for each in found for answer in each.answers)


@pytest.mark.parametrize("change", [{"lora_rank": 0}, {"temperature": 0.7}])
def test_recipes_that_a_server_cannot_serve_are_refused(change: dict[str, Any]) -> None:
    values = {"lora_rank": 4, "rollout_server": "http://localhost:8000"}
    ReinforcementRecipe.from_values(values, "test")
    with pytest.raises(RecipeError, match="rollout_server"):
        ReinforcementRecipe.from_values(values | change, "test")


@pytest.mark.slow
def test_vllm_itself(tmp_path: Path) -> None:
    """Against a real server, as docs/install.md starts it, of a checkpoint that `REIDR_ROLLOUT_CHECKPOINT` names."""
    from reidr.reasoning.models.checkpoint import load_model
    from reidr.reasoning.models.processor import load_processor

    url, path = os.environ.get("REIDR_ROLLOUT_SERVER"), os.environ.get("REIDR_ROLLOUT_CHECKPOINT")
    if not url or not path:
        pytest.skip("REIDR_ROLLOUT_SERVER and REIDR_ROLLOUT_CHECKPOINT do not name a running vLLM and what it serves")
    model = load_model(path, local_files_only=True, device="cpu", dtype=torch.float32)
    recipe = RECIPE.model_copy(update={"rollout_server": url})
    _, log = reinforce(recipe, labelled(4), model, load_processor(path), tmp_path)
    assert len(log) == 3
    assert all(line["server_difference"] < 0.02 for line in log)
