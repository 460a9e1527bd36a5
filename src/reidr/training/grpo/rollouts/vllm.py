"""Rollouts written by a vLLM server, for reasoners that are too large for generation in this process.

The server serves the checkpoint that the training starts from; before every batch of rollouts it is given the LoRA
adapter that is being trained, as files (`/v1/load_lora_adapter`). It is a separate process, on this machine or one that
sees the same folders, because vLLM pins versions of torch and transformers. docs/install.md has the command.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from reidr.errors import ReIDError
from reidr.reasoning.backends.chat_server.data_urls import data_url
from reidr.reasoning.backends.chat_server.endpoint import Endpoint, RefusedError
from reidr.reasoning.backends.chat_server.served import find_model
from reidr.reasoning.inference.sampling import Completion
from reidr.reasoning.models.qwen import VISION_TOKENS
from reidr.reasoning.prompting.answers import answer_step, answer_token_ids, decode, end_token_ids
from reidr.reasoning.prompting.completions import read_completion
from reidr.reasoning.prompting.prompt import Images, crop_pixels, encode_pairs, open_pair, pair_messages
from reidr.reasoning.types import Pair

FORBIDDEN_BIAS = -100.0  # added to the logit of a token that may not be written
TIMEOUT = 600.0  # seconds that a pair's rollouts may take
CONCURRENT_PAIRS = 64  # pairs whose rollouts are requested at the same time


class RolloutServer:
    """A vLLM server as the writer of rollouts: `sample` gives what `LocalRollouts.sample` gives at temperature 1.

    The server reports log-probabilities at temperature 1, before tokens are forbidden, as `LocalRollouts` does.
    """

    def __init__(self, url: str, model: Any, processor: Any, pixels: tuple[int, int] | None = None) -> None:
        """Ask the server what it serves; `http://host:port#name` names one of several.

        Args:
            model: the same checkpoint here, for its settings alone. pixels: as in `Reasoner`; None: the processor's.

        Raises:
            ReIDError: no such address, no server there, or several checkpoints and none named.
        """
        address, _, named = url.partition("#")
        self._endpoint = Endpoint(address, per_second=None, tries=6, timeout=TIMEOUT, patience=6 * TIMEOUT)
        self._processor, self._pixels = processor, pixels if pixels is not None else crop_pixels(processor)
        self._serving = str(find_model(self._endpoint, named, adapters=False)["id"])
        self._adapter: tuple[str, tempfile.TemporaryDirectory[str] | None] | None = None
        vocabulary = processor.tokenizer.get_vocab()
        self._forbidden = {str(vocabulary[token]): FORBIDDEN_BIAS for token in VISION_TOKENS if token in vocabulary}
        self._ends = end_token_ids(model, processor.tokenizer)
        self._words = answer_token_ids(processor.tokenizer)
        self._messages = pair_messages(None, "think")

    def load_adapter(self, trained: Any) -> str:
        """Let the server write with the adapter of `trained`, a PEFT model, from now on; returns the adapter's name.

        Raises:
            ReIDError: the server does not take adapters.
        """
        files = tempfile.TemporaryDirectory(prefix="reidr-adapter-")
        trained.save_pretrained(files.name)
        # A new name each time: under an old name vLLM would read the files again for every batch, or never.
        name = f"reidr-{uuid.uuid4().hex[:12]}"
        try:
            self._command("/load_lora_adapter", {"lora_name": name, "lora_path": files.name}, "already been loaded")
        except RefusedError as error:
            raise ReIDError(
                f"the server of rollouts does not take the adapter: {error}. Start vLLM with --enable-lora, "
                "--max-lora-rank of at least lora_rank and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True (docs/install.md)"
            ) from None
        self.unload_adapter()
        # The files are kept while the adapter is in use: vLLM reads an adapter again that it has evicted.
        self._adapter = name, files
        return name

    def use_adapter(self, name: str) -> None:
        """Write with an adapter that another process has loaded."""
        self._adapter = name, None

    def unload_adapter(self) -> None:
        """Remove the adapter from the server; rollouts are the starting checkpoint's again. Raises ReIDError."""
        if self._adapter is not None:
            name, _ = self._adapter
            self._adapter = None
            self._command("/unload_lora_adapter", {"lora_name": name}, "cannot be found")

    def _command(self, path: str, body: Mapping[str, Any], done: str) -> None:
        """Send a command that the server refuses with the words `done` where it has carried it out before.

        The adapter's name is unique: such a refusal says that the answer to an earlier attempt was lost on its way.
        """
        try:
            self._endpoint.command(path, body)
        except RefusedError as error:
            if done not in str(error):
                raise

    def sample(
        self, pairs: Sequence[Pair | Images], copies: Sequence[int], *, max_new_tokens: int, seed: int
    ) -> list[list[Completion]]:
        """`copies[i]` completions of the thinking prompt for pair i, at temperature 1.

        Raises:
            ReIDError: no usable answer; or the server's prompt differs from the one here, so that its rollouts answer
                another prompt. ImageError: a picture that cannot be used.
        """
        images = [open_pair(pair) for pair in pairs]
        inputs = encode_pairs(self._processor, images, "think", pixels=self._pixels)
        masks = inputs["attention_mask"].bool()
        prompts = [row[mask].tolist() for row, mask in zip(inputs["input_ids"], masks, strict=True)]

        def ask(place: int) -> list[Completion]:
            body = self._body(images[place], copies[place], max_new_tokens, seed + place)
            return self._read(self._endpoint.post("/chat/completions", body), prompts[place], copies[place])

        with ThreadPoolExecutor(CONCURRENT_PAIRS) as pool:
            return list(pool.map(ask, range(len(images))))

    def _body(self, images: Images, copies: int, max_new_tokens: int, seed: int) -> dict[str, Any]:
        pictures = iter(images)
        (message,) = self._messages
        parts = [
            {"type": "image_url", "image_url": {"url": data_url(next(pictures))}} if part["type"] == "image" else part
            for part in message["content"]
        ]
        return {
            "model": self._serving if self._adapter is None else self._adapter[0],
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

    def _read(self, answer: Mapping[str, Any], prompt: Sequence[int], copies: int) -> list[Completion]:
        """The completions of one answer. Raises ReIDError where it is not what was requested."""
        host = self._endpoint.host
        if answer.get("prompt_token_ids") is None:
            raise ReIDError(f"{host}: its answer lacks the numbers of its tokens; rollouts need vLLM 0.32 or later")
        if list(answer["prompt_token_ids"]) != list(prompt):
            size = ""
            if self._pixels is not None:
                least, most = self._pixels
                size = f""" and with --mm-processor-kwargs '{{"min_pixels": {least}, "max_pixels": {most}}}'"""
            raise ReIDError(
                f"{host}: its prompt ({len(answer['prompt_token_ids'])} tokens) is not the trainer's ({len(prompt)} "
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
