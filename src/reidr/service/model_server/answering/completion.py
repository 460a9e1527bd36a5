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

from reidr.reasoning.backends.reference import VISION_TOKENS, Reasoner
from reidr.reasoning.inference.prefix_cache import Features, Prompts, Seen, encoder_outputs, lay_out
from reidr.reasoning.prompting.answers import decode, end_token_ids
from reidr.reasoning.prompting.grammar import ANSWER_WORDS
from reidr.reasoning.prompting.prompt import PREFIXES
from reidr.service.model_server.answering.prepare import Pictures, Prepared
from reidr.service.model_server.http.errors import ClientGoneError, RequestError

FULL = "not enough memory for this request; try again, or send smaller pictures"
FEATURES = 128_000_000  # bytes of pictures' features that are kept


class Completer:
    """Completes prepared prompts of one reasoner, one at a time: not to be used from two threads at once."""

    def __init__(self, reasoner: Reasoner) -> None:
        """Raises WeightsError for a model that is no Qwen-VL kind of model."""
        Prompts(reasoner.model, reasoner.processor, "score")  # checks it
        self.reasoner = reasoner
        tokenizer = reasoner.processor.tokenizer
        vocabulary = tokenizer.get_vocab()
        self._features = Features(reasoner.model, reasoner.processor, reasoner.pixels, FEATURES)
        self._forbidden = [vocabulary[token] for token in VISION_TOKENS if token in vocabulary]
        self._ends = set(end_token_ids(reasoner.model, tokenizer))
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
            RequestError: the model's eyes give none, or there is not enough memory.
        """
        embeddings: Any = getattr(self.reasoner.model.model, "embeddings", None)
        if embeddings is None:
            raise RequestError("this model's eyes give no embeddings", 404)
        if cancelled.is_set():
            raise ClientGoneError
        try:
            seen = self._look(wanted.pictures)
        except (torch.OutOfMemoryError, MemoryError):
            raise RequestError(FULL, 503) from None
        data = []
        for place, digest in enumerate(wanted.digests):
            parts = [part.float().flatten().tolist() for part in embeddings(seen[digest].layers[0])]
            flat = [value for part in parts for value in part]
            data.append({"object": "embedding", "index": place, "embedding": flat, "sizes": list(map(len, parts))})
        told = {"object": "list", "data": data, "model": self.reasoner.name}
        return json.dumps(told, allow_nan=False).encode()

    def _look(self, pictures: Mapping[str, Image.Image]) -> dict[str, Seen]:
        return self._features.look({digest: partial(Image.Image.copy, image) for digest, image in pictures.items()})

    @torch.inference_mode()
    def _answer(self, prepared: Prepared, cancelled: threading.Event) -> dict[str, Any]:
        if cancelled.is_set():
            raise ClientGoneError
        model = self.reasoner.model
        processor: Any = self.reasoner.processor
        seen = self._look(prepared.pictures)
        pictures = [seen[digest] for digest in prepared.digests]
        prompt, positions = lay_out(
            model, processor.image_token_id, prepared.ids, [picture.grid for picture in pictures]
        )
        inputs = {
            "input_ids": torch.tensor([prompt], device=model.device),
            "position_ids": positions[:, None].to(model.device),
            "mm_encoder_outputs": encoder_outputs(pictures) if pictures else None,
        }
        written, told = self._write(inputs, int(positions.max()) + 1, prepared, cancelled)
        ended = written[-1] in self._ends
        words = written[:-1] if ended else written
        choice: dict[str, Any] = {
            "index": 0,
            "message": {"role": "assistant", "content": decode(processor.tokenizer, words)},
            "finish_reason": "stop" if ended else "length",
            "logprobs": None if prepared.alternatives is None else {"content": told[: len(words)]},
        }
        usage = {"prompt_tokens": len(prompt) - prepared.given, "completion_tokens": len(written)}
        return {
            "id": f"chatcmpl-{time.time_ns():x}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": self.reasoner.name,
            "choices": [choice],
            "usage": {**usage, "total_tokens": sum(usage.values())},
        }

    def _write(
        self, inputs: dict[str, Any], position: int, prepared: Prepared, cancelled: threading.Event
    ) -> tuple[list[int], list[dict[str, Any]]]:
        """Token ids, the end token included where it was reached, and what OpenAI's format says of each.

        What is certain, since the answer's grammar leaves no choice, has the log-probability 0.
        """
        model: Any = self.reasoner.model
        generator = torch.Generator(device=model.device).manual_seed(prepared.seed)
        written = prepared.ids[len(prepared.ids) - prepared.given :]
        told = [self._certain(token, prepared.alternatives) for token in written]
        cache = None
        while len(written) < prepared.max_tokens:
            if cancelled.is_set():
                raise ClientGoneError
            output = model(**inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
            logits = output.logits[0, -1].float()
            answers = prepared.answers and cache is None
            logits = self._allowed(logits, answers)
            token = prepared.sampling.draw(logits, generator)
            written.append(token)
            told.append(self._tell(logits.log_softmax(dim=0), token, prepared.alternatives))
            if answers:
                closing = self._closings[token]
                written += closing
                told += [self._certain(one, prepared.alternatives) for one in closing]
                break
            if token in self._ends:
                break
            cache = output.past_key_values
            inputs = {
                "input_ids": torch.tensor([[token]], device=model.device),
                "position_ids": torch.full((3, 1, 1), position, device=model.device),
            }
            position += 1
        return written[: prepared.max_tokens], told[: prepared.max_tokens]

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

    def _tell(self, logprobs: Tensor, token: int, alternatives: int | None) -> dict[str, Any]:
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
