"""Rollouts written by vLLM servers, for reasoners that are too large for generation in this process.

The servers serve the checkpoint that the training starts from; before every batch of rollouts they are given the LoRA
adapter that is being trained, as files (`/v1/load_lora_adapter`). They are separate processes, on this machine or on
others that see the same folders, because vLLM pins versions of torch and transformers. docs/servers.md has the command.
"""

from __future__ import annotations

import tempfile
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reidr.core.notices import warn_once
from reidr.errors import ReIDError
from reidr.reasoning.backends.chat_server.data_urls import data_url
from reidr.reasoning.backends.chat_server.endpoint import Endpoint, FailedError, LostError, RefusedError
from reidr.reasoning.backends.chat_server.served import find_model
from reidr.reasoning.inference.sampling import Completion, picture_token_ids
from reidr.reasoning.lora.storage import write_lora
from reidr.reasoning.models.architectures import adapt
from reidr.reasoning.prompting.answers import answer_step, answer_token_ids, decode, end_token_ids
from reidr.reasoning.prompting.completions import THINK_BEGINS, read_completion
from reidr.reasoning.prompting.prompt import Images, crop_pixels, open_pair, pair_messages, render
from reidr.reasoning.types import Pair
from reidr.training.grpo.rollouts.in_flight import InFlight, Work

FORBIDDEN_BIAS = -100.0  # added to the logit of a token that may not be written
TIMEOUT = 600.0  # seconds that a pair's rollouts may take
SEQUENCES = 512  # that a server is given at a time: twice what vLLM decodes at a time unless told otherwise
FEWEST, MOST = 8, 256  # pairs under way at each server


@dataclass
class Served:
    """One server: where it is, the name of the checkpoint there, pairs under way, whether it still answers."""

    endpoint: Endpoint
    checkpoint: str
    busy: int = 0
    lost: bool = False


@dataclass(frozen=True)
class Asked:
    """Pairs whose rollouts are wanted: `copies[i]` completions of the thinking prompt for pair i.

    The completions of pair i come from seed + i, so that they do not depend on how pairs are cut into batches.
    """

    pairs: Sequence[Pair | Images]
    copies: Sequence[int]
    seed: int


class RolloutServer:
    """vLLM servers as the writers of rollouts: `sample` gives what `LocalRollouts.sample` gives at temperature 1.

    A server reports log-probabilities at temperature 1, before tokens are forbidden, as `LocalRollouts` does. A pair
    goes to the server that has fewest under way; one that answers no more is left out as long as there is another.
    """

    def __init__(self, urls: str, model: Any, processor: Any, pixels: tuple[int, int] | None = None) -> None:
        """Ask the servers what they serve.

        Args:
            urls: one address, or several with commas between them; `http://host:port#name` names one of several models.
            model: the same checkpoint here, for its settings alone. pixels: as in `Reasoner`; None: the processor's.

        Raises:
            ReIDError: no such address, no server there, or several checkpoints and none named.
        """
        self._servers = [find_server(url.strip()) for url in urls.split(",") if url.strip()]
        if not self._servers:
            raise ReIDError("rollout_server names no address")
        self._processor, self._pixels = processor, pixels if pixels is not None else crop_pixels(processor)
        self._model = adapt(model, processor, self._pixels)
        self._adapter: tuple[str, tempfile.TemporaryDirectory[str] | None] | None = None
        self._forbidden = {str(number): FORBIDDEN_BIAS for number in picture_token_ids(self._model)}
        self._ends = end_token_ids(model, processor.tokenizer)
        self._words = answer_token_ids(processor.tokenizer)
        self._messages = pair_messages(None, "think")
        self._prompt = processor.tokenizer.encode(render(processor, "think"), add_special_tokens=False)
        self._lock, self._tokenizing = threading.Lock(), threading.Lock()
        self._in_flight: InFlight[list[Completion]] | None = None

    def capacity(self, copies: int) -> int:
        """Pairs with so many completions each that keep all servers busy."""
        return len(self._servers) * min(max(SEQUENCES // copies, FEWEST), MOST)

    def load_adapter(self, trained: Any) -> str:
        """Let the servers write with the adapter of `trained`, a PEFT model, from now on; returns the adapter's name.

        Raises:
            ReIDError: a server does not take adapters.
        """
        files = tempfile.TemporaryDirectory(prefix="reidr-adapter-")
        write_lora(trained, files.name)
        # A new name each time: under an old name vLLM would read the files again for every batch, or never.
        name = f"reidr-{uuid.uuid4().hex[:12]}"
        try:
            self._command("/load_lora_adapter", {"lora_name": name, "lora_path": files.name}, "already been loaded")
        except RefusedError as error:
            raise ReIDError(
                f"the server of rollouts does not take the adapter: {error}. Start vLLM with --enable-lora, "
                "--max-lora-rank of at least lora_rank and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, and let it see "
                f"{tempfile.gettempdir()} (or set TMPDIR to a folder that it sees; docs/servers.md)"
            ) from None
        self.unload_adapter()
        # The files are kept while the adapter is in use: vLLM reads an adapter again that it has evicted.
        self._adapter = name, files
        return name

    def use_adapter(self, name: str) -> None:
        """Write with an adapter that another process has loaded."""
        self._drop_announced()
        self._adapter = name, None

    def _drop_announced(self) -> None:
        """Give up rollouts that would be written by the weights before."""
        if self._in_flight is not None:
            self._in_flight.drop()

    def unload_adapter(self) -> None:
        """Remove the adapter from the servers; rollouts are the starting checkpoint's again. Raises ReIDError."""
        self._drop_announced()
        if self._adapter is not None:
            name, _ = self._adapter
            self._adapter = None
            self._command("/unload_lora_adapter", {"lora_name": name}, "cannot be found")

    def _command(self, path: str, body: Mapping[str, Any], done: str) -> None:
        """Send a command to every server; one refuses it with the words `done` where it has carried it out before.

        The adapter's name is unique: such a refusal says that the answer to an earlier attempt was lost on its way.
        """
        for server in self._alive():
            try:
                server.endpoint.command(path, body)
            except RefusedError as error:
                if done not in str(error):
                    raise

    def sample(
        self,
        pairs: Sequence[Pair | Images],
        copies: Sequence[int],
        *,
        max_new_tokens: int,
        seed: int,
        announced: Sequence[Asked] = (),
    ) -> list[list[Completion]]:
        """`copies[i]` completions of the thinking prompt for pair i, at temperature 1.

        Args:
            announced: what will be asked for next; the servers begin it as soon as they have room.

        Raises:
            ReIDError: no usable answer; or a server's prompt differs from the one here, so that its rollouts answer
                another prompt. ImageError: a picture that cannot be used.
        """
        if not pairs:
            return []
        if self._in_flight is None:
            self._in_flight = InFlight(self.capacity(max(copies)))
        later: dict[Any, Any] = {}
        for one in announced:
            later |= self._work(one, max_new_tokens)
        return self._in_flight.collect(self._work(Asked(pairs, copies, seed), max_new_tokens), later)

    def _work(self, asked: Asked, most: int) -> Work[list[Completion]]:
        work: dict[Any, Callable[[], list[Completion]]] = {}
        for place, (pair, copies) in enumerate(zip(asked.pairs, asked.copies, strict=True)):
            name = (pair.query.id, pair.candidate.id) if isinstance(pair, Pair) else place
            seed = asked.seed + place
            work[name, seed, copies, most] = lambda pair=pair, copies=copies, seed=seed: self._ask(  # type: ignore[misc]
                pair, copies, most, seed
            )
        return work

    def _ask(self, pair: Pair | Images, copies: int, most: int, seed: int) -> list[Completion]:
        """The completions of one pair, by the server that has least to do."""
        images = open_pair(pair)
        prompt = self._prompt_ids(images)
        while True:
            with self._lock:
                server = min(self._alive(), key=lambda one: one.busy)
                server.busy += 1
            try:
                body = self._body(server, images, copies, most, seed)
                return self._read(server.endpoint.post("/chat/completions", body), prompt, copies, server)
            except (FailedError, LostError) as error:
                self._lose(server, error)
            finally:
                with self._lock:
                    server.busy -= 1

    def _alive(self) -> list[Served]:
        return [server for server in self._servers if not server.lost]

    def _lose(self, server: Served, error: ReIDError) -> None:
        """Go on without a server that answers no more. Raises `error` where it is the last."""
        with self._lock:
            if self._alive() in ([], [server]):
                raise error
            server.lost = True
        warn_once(f"{error}; going on with the other servers", about=f"rollouts by {server.endpoint.host}")

    def _prompt_ids(self, images: Images) -> list[int]:
        """The tokens of the prompt about these pictures, as the model here sees it."""
        with self._tokenizing:  # processors are not made for several threads
            shapes = [self._model.read_pixels([self._model.prepare(image)])[0].shape for image in images]
            return self._model.lay_out(self._prompt, shapes)[0]

    def _body(self, server: Served, images: Images, copies: int, max_new_tokens: int, seed: int) -> dict[str, Any]:
        pictures = iter(images)
        (message,) = self._messages
        parts = [
            {"type": "image_url", "image_url": {"url": data_url(next(pictures))}} if part["type"] == "image" else part
            for part in message["content"]
        ]
        return {
            "model": server.checkpoint if self._adapter is None else self._adapter[0],
            "messages": [{**message, "content": parts}],
            "n": copies,
            "max_tokens": max_new_tokens,
            "seed": seed,
            "temperature": 1.0,
            # Otherwise the checkpoint's own settings apply: Qwen's restrict the vocabulary and penalise repetition.
            "top_p": 1.0,
            "top_k": -1,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "logit_bias": self._forbidden,
            "stop_token_ids": self._ends,
            "logprobs": True,
            "logprob_token_ids": list(self._words),
            "return_token_ids": True,
            "return_tokens_as_token_ids": True,
        }

    def _read(self, answer: Mapping[str, Any], prompt: Sequence[int], copies: int, server: Served) -> list[Completion]:
        """The completions of one answer. Raises ReIDError where it is not what was requested."""
        host = server.endpoint.host
        if answer.get("prompt_token_ids") is None:
            raise ReIDError(f"{host}: its answer lacks the numbers of its tokens; rollouts need vLLM 0.32 or later")
        theirs = list(answer["prompt_token_ids"])
        if theirs != list(prompt):
            if THINK_BEGINS.fullmatch(decode(self._processor.tokenizer, theirs[len(prompt) :]).strip()):
                raise ReIDError(
                    f"{host}: its chat template opens a thought for the model, which the trainer leaves to the model;"
                    " start it with --chat-template, a copy of the checkpoint's own without that tag (docs/servers.md)"
                )
            size = ""
            if self._pixels is not None:
                least, most = self._pixels
                size = f""" and with --mm-processor-kwargs '{{"min_pixels": {least}, "max_pixels": {most}}}'"""
            raise ReIDError(
                f"{host}: its prompt ({len(theirs)} tokens) is not the trainer's ({len(prompt)} "
                f"tokens); start it with the checkpoint that the training starts from{size}"
            )
        try:
            completions = [self._completion(choice) for choice in answer["choices"]]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ReIDError(f"{host}: its answer is not of vLLM's form ({type(error).__name__}: {error})") from None
        if len(completions) != copies:
            raise ReIDError(f"{host}: {len(completions)} completions where {copies} were requested")
        return completions

    def _completion(self, choice: Mapping[str, Any]) -> Completion:
        ids = [int(number) for number in choice["token_ids"]]
        steps = choice["logprobs"]["content"]
        if len(steps) != len(ids) or not ids:
            raise ValueError(f"{len(steps)} log-probabilities of {len(ids)} tokens")
        ended = ids[-1] in self._ends
        words = ids[:-1] if ended else ids
        text = decode(self._processor.tokenizer, words)
        answer = None
        if read_completion(text).taught:
            place = answer_step(self._processor.tokenizer, words)
            chances = {one["token"]: float(one["logprob"]) for one in (*steps[place]["top_logprobs"], steps[place])}
            yes, no, insufficient = (chances[f"token_id:{number}"] for number in self._words)
            answer = (yes, no, insufficient)
        return Completion(tuple(ids), tuple(float(step["logprob"]) for step in steps), text, answer, ended)


def find_server(url: str) -> Served:
    """The server at `url` and its checkpoint. Raises ReIDError as `RolloutServer`."""
    address, _, named = url.partition("#")
    endpoint = Endpoint(address, per_second=None, tries=6, timeout=TIMEOUT, patience=6 * TIMEOUT)
    return Served(endpoint, str(find_model(endpoint, named, adapters=False)["id"]))
