"""Answers of one reasoner, token by token, in OpenAI's format."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from reidr.reasoning.backends.reference import Reasoner
from reidr.reasoning.inference.prefix_cache import Prompt, fill
from reidr.reasoning.inference.sampling import Continuation, picture_token_ids
from reidr.reasoning.inference.vision_cache import VisionCache
from reidr.reasoning.models.vision_language_model import EncodedCrop
from reidr.reasoning.prompting.answers import decode, end_token_ids
from reidr.reasoning.prompting.grammar import ANSWER_WORDS
from reidr.reasoning.prompting.prompt import PREFIXES
from reidr.service.http.errors import ClientGoneError, RequestError
from reidr.service.model_server.answering.prepare import Pictures, Prepared

FULL = "not enough memory for this request; try again, or send smaller pictures"
FEATURES = 128_000_000  # bytes of pictures' features that are kept


class Completer:
    """Completes prepared prompts of one reasoner, one at a time: not to be used from two threads at once."""

    def __init__(self, reasoner: Reasoner) -> None:
        self.reasoner = reasoner
        self._vision = VisionCache(reasoner.adapter, FEATURES)
        self._forbidden = picture_token_ids(reasoner.adapter)
        self._ends = set(end_token_ids(reasoner.model, reasoner.processor.tokenizer))
        self._closings = self._read_closings()

    def complete(self, prepared: Prepared, cancelled: threading.Event) -> bytes:
        """A chat completion as JSON.

        Raises:
            ClientGoneError: `cancelled` was set before it was done.
            RequestError: there is not enough memory for it.
        """
        try:
            return json.dumps(self._answer(prepared, cancelled), allow_nan=False).encode()
        except (torch.OutOfMemoryError, MemoryError):
            raise RequestError(FULL, 503) from None

    @torch.inference_mode()
    def embed(self, wanted: Pictures, cancelled: threading.Event) -> bytes:
        """The embeddings of pictures as JSON: each one's whole body, upper and lower part, one after the other.

        Raises:
            ClientGoneError: `cancelled` was set before it was done.
            RequestError: the model's vision encoder gives none, or there is not enough memory.
        """
        adapter = self.reasoner.adapter
        if not adapter.gives_embeddings:
            raise RequestError("this model's vision encoder gives no embeddings", 404)
        if cancelled.is_set():
            raise ClientGoneError
        try:
            crops = self._encode(wanted.pictures)
        except (torch.OutOfMemoryError, MemoryError):
            raise RequestError(FULL, 503) from None
        data = []
        for place, digest in enumerate(wanted.digests):
            parts = [part.float().flatten().tolist() for part in adapter.embeddings(crops[digest])]
            flat = [value for part in parts for value in part]
            data.append({"object": "embedding", "index": place, "embedding": flat, "sizes": list(map(len, parts))})
        answer = {"object": "list", "data": data, "model": self.reasoner.name}
        return json.dumps(answer, allow_nan=False).encode()

    def _encode(self, pictures: Mapping[str, Image.Image]) -> dict[str, EncodedCrop]:
        return self._vision.encode({digest: partial(Image.Image.copy, image) for digest, image in pictures.items()})

    @torch.inference_mode()
    def _answer(self, prepared: Prepared, cancelled: threading.Event) -> dict[str, Any]:
        if cancelled.is_set():
            raise ClientGoneError
        processor: Any = self.reasoner.processor
        encoded = self._encode(prepared.pictures)
        crops = tuple(encoded[digest] for digest in prepared.digests)
        ids, positions = self.reasoner.adapter.lay_out(prepared.ids, [crop.shape for crop in crops])
        written, entries = self._write(Prompt(torch.tensor(ids), positions, crops), prepared, cancelled)
        ended = written[-1] in self._ends
        words = written[:-1] if ended else written
        choice: dict[str, Any] = {
            "index": 0,
            "message": {"role": "assistant", "content": decode(processor.tokenizer, words)},
            "finish_reason": "stop" if ended else "length",
            "logprobs": None if prepared.alternatives is None else {"content": entries[: len(words)]},
        }
        usage = {"prompt_tokens": len(ids) - prepared.given, "completion_tokens": len(written)}
        return {
            "id": f"chatcmpl-{time.time_ns():x}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": self.reasoner.name,
            "choices": [choice],
            "usage": {**usage, "total_tokens": sum(usage.values())},
        }

    def _write(
        self, prompt: Prompt, prepared: Prepared, cancelled: threading.Event
    ) -> tuple[list[int], list[dict[str, Any]]]:
        """Token ids, the end token included where it was reached, and what OpenAI's format says of each.

        What is certain, since the answer's grammar leaves no choice, has the log-probability 0.
        """
        adapter, device = self.reasoner.adapter, self.reasoner.model.device
        generator = torch.Generator(device=device).manual_seed(prepared.seed)
        written = prepared.ids[len(prepared.ids) - prepared.given :]
        entries = [self._certain(token, prepared.alternatives) for token in written]
        rows: Continuation | None = None
        while len(written) < prepared.max_tokens:
            if cancelled.is_set():
                raise ClientGoneError
            answers = prepared.answers and rows is None
            if rows is None:
                rows = Continuation(adapter, fill(adapter, [prompt]))
            else:
                rows.append(torch.tensor([[written[-1]]], device=device))
            logits = self._allowed(rows.logits[0], answers)
            token = prepared.sampling.draw(logits, generator)
            written.append(token)
            entries.append(self._entries(logits.log_softmax(dim=0), token, prepared.alternatives))
            if answers:
                closing = self._closings[token]
                written += closing
                entries += [self._certain(one, prepared.alternatives) for one in closing]
                break
            if token in self._ends:
                break
        return written[: prepared.max_tokens], entries[: prepared.max_tokens]

    def _allowed(self, logits: Tensor, answers: bool) -> Tensor:
        """Logits of the tokens that may come next: where the answer word is due, of the three words only.

        Their differences stay as they are, so P(same) is what `Reasoner.answer_logits` gives.
        """
        if answers:
            words = list(self._closings)
            return torch.full_like(logits, -torch.inf).index_copy(
                0, torch.tensor(words, device=logits.device), logits[words]
            )
        logits[self._forbidden] = -torch.inf
        return logits

    def _read_closings(self) -> dict[int, list[int]]:
        """By the first token of each answer word, the tokens that follow until the answer has ended."""
        tokenizer = self.reasoner.processor.tokenizer
        before = len(tokenizer.encode(PREFIXES["score"], add_special_tokens=False))
        closings = {}
        for first, word in zip(self.reasoner.answer_ids, ANSWER_WORDS, strict=True):
            whole = tokenizer.encode(f"{PREFIXES['score']}{word}</answer>", add_special_tokens=False)
            closings[first] = [*whole[before + 1 :], tokenizer.eos_token_id]
        return closings

    def _entries(self, logprobs: Tensor, token: int, alternatives: int | None) -> dict[str, Any]:
        if alternatives is None:
            return {}
        top = logprobs.topk(min(alternatives, len(logprobs)))
        # JSON knows no infinity, which is what the tokens that are never written have.
        listed = [
            self._entry(one, value)
            for one, value in zip(top.indices.tolist(), top.values.tolist(), strict=True)
            if math.isfinite(value)
        ]
        return {**self._entry(token, float(logprobs[token])), "top_logprobs": listed}

    def _certain(self, token: int, alternatives: int | None) -> dict[str, Any]:
        if alternatives is None:
            return {}
        entry = self._entry(token, 0.0)
        return {**entry, "top_logprobs": [entry] if alternatives else []}

    def _entry(self, token: int, value: float) -> dict[str, Any]:
        text = decode(self.reasoner.processor.tokenizer, [token])
        return {"token": text, "logprob": value, "bytes": list(text.encode())}
