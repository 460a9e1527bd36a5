"""A loaded vision-language model that scores pairs from one forward pass, or gives reasons in words.

`Reasoner` computes every batch by itself, without a cache and without sharing anything between batches: the plain twin
of `reidr.reasoning.backends.local.Engine`, which must give the same answers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, ProcessorMixin

from reidr.core.run import name_of
from reidr.data.types import Crop
from reidr.errors import ReIDError
from reidr.fusion.profile import stored_profile
from reidr.fusion.provenance import held_out_split, training_data
from reidr.reasoning.backends.backend import Capabilities
from reidr.reasoning.backends.card import Card
from reidr.reasoning.backends.verdict_cache import pair_key, question_key
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.inference.prefix_cache import Filled, crop_prompt, fill
from reidr.reasoning.inference.sampling import Continuation, Sampled, pair_prompts, sample_rows
from reidr.reasoning.inference.vision_cache import VisionCache, picture_digest
from reidr.reasoning.models.architectures import adapt
from reidr.reasoning.models.checkpoint import find_checkpoint, hash_weights, inference_precision, load_model
from reidr.reasoning.models.processor import load_processor
from reidr.reasoning.prompting.answers import (
    answer_probability,
    answer_token_ids,
    decode,
    end_token_ids,
    yes_probability,
)
from reidr.reasoning.prompting.completions import READING, read_completion
from reidr.reasoning.prompting.grammar import ANSWERS
from reidr.reasoning.prompting.prompt import (
    DESCRIBE,
    Images,
    Task,
    crop_pixels,
    open_pair,
    prompt_version,
    render,
    render_crop,
)
from reidr.reasoning.rationales.cues import extract_cues
from reidr.reasoning.types import Pair, Progress, RequestCounts, Verdict


class Reasoner:
    """A vision-language model that says whether two crops show the same person.

    The model is put into evaluation mode and must not change while a `Reasoner` holds it: its hash, part of every
    verdict's cache key, is computed once. Make a new `Reasoner` after training steps.

    Attributes:
        adapter: the model and its processor behind the interface that all architectures share.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        processor: ProcessorMixin,
        *,
        name: str = "in memory",
        pixels: tuple[int, int] | None = None,
        card: Card | None = None,
    ) -> None:
        """Wrap a loaded model.

        Args:
            pixels: (least, greatest) area to which crops are resized. None keeps the processor's own budget, unless
                that is made for photographs (above 512x512): then `CROP_PIXELS`, since a person crop is small.
            card: training data, people held out and inference profile, as far as they are known. The rest of a card
                (name, weights, vision similarity) is the model's own and filled in.

        Raises:
            WeightsError: no adapter for this architecture; or the tokenizer splits `yes` or `no` after `<answer>`, so
                P(yes) could not be read.
        """
        self.model = model.eval()
        self.processor = processor
        self.name = name
        self.pixels = pixels if pixels is not None else crop_pixels(processor)
        self.adapter = adapt(model, processor, self.pixels)
        self.answer_ids = answer_token_ids(processor.tokenizer)
        self.counts = RequestCounts()
        self._card = card or Card()

    @classmethod
    def load(
        cls,
        source: str | Path = "nano",
        *,
        device: str | None = None,
        dtype: torch.dtype | None = None,
        pixels: tuple[int, int] | None = None,
    ) -> Reasoner:
        """Load a checkpoint folder, a preset of the package, or a hub id (`owner/model`; only this may download).

        `device` defaults to the GPU where there is one, `dtype` to float32 on the CPU and to bfloat16 on a GPU, except
        for weights that are stored in float32: rounding those would lose what was taught.

        Raises:
            WeightsError: with what is missing or wrong, and where.
        """
        path, local = find_checkpoint(source)
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        dtype = dtype or inference_precision(path, device, local_files_only=local)
        processor = load_processor(path, local_files_only=local)
        model = load_model(path, local_files_only=local, device=device, dtype=dtype)
        if not local:
            return cls(model, processor, name=path, pixels=pixels)
        card = Card(stored_profile(path), training_data(path), held_out_split(path))
        return cls(model, processor, name=name_of(Path(path)), pixels=pixels, card=card)

    @property
    def capabilities(self) -> Capabilities:
        """Every task that a generating model in this process can do."""
        return Capabilities(ask_about_crops=True)

    @cached_property
    def card(self) -> Card:
        """How the weights are used, and what they were trained on."""
        return replace(
            self._card,
            name=self.name,
            weights=self.weights_hash,
            vision_similarities=self.adapter.gives_embeddings,
        )

    @cached_property
    def weights_hash(self) -> str:
        """SHA-256 of the weights; takes some seconds for billions of parameters."""
        return hash_weights(self.model)

    def score(
        self, pairs: Sequence[Pair], *, both_orders: bool = True, batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float64]:
        """P(same person) of each pair, (N,), without thinking; NaN where the model's logits are not finite."""
        logits = self.answer_logits(pairs, both_orders=both_orders, batch_size=batch_size, progress=progress)
        scores = yes_probability(logits)
        self.counts += counts_of_scores(scores)
        return scores

    @torch.inference_mode()
    def answer_logits(
        self, pairs: Sequence[Pair], *, both_orders: bool = True, batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float64]:
        """Logits of the answer words at the forced answer position, (orders, N, 3): yes, no, insufficient.

        One forward pass per order. Where the tokenizer splits "insufficient", its first token stands for it. Order 0
        shows the query as person A, order 1 as person B.

        Raises:
            ImageError: a picture that cannot be used.
        """
        orders = 2 if both_orders else 1
        logits = np.empty((orders, len(pairs), 3))
        for start, batch in batches(pairs, batch_size):
            rows = [*batch, *(pair.swapped() for pair in batch)][: orders * len(batch)]
            filled = fill(self.adapter, pair_prompts(self.adapter, rows, "score"), keep=False)
            logits[:, start : start + len(batch)] = self.words_of(filled).reshape(orders, len(batch), 3)
            if progress is not None:
                progress(start + len(batch), len(pairs))
        return logits

    def words_of(self, filled: Filled) -> NDArray[np.float64]:
        """Logits of yes, no and insufficient as next token, (R, 3)."""
        logits: NDArray[np.float64] = filled.logits[:, list(self.answer_ids)].double().cpu().numpy()
        return logits

    @torch.inference_mode()
    def think(
        self,
        pairs: Sequence[Pair],
        settings: Thinking | None = None,
        *,
        batch_size: int = 32,
        progress: Progress | None = None,
    ) -> list[Verdict]:
        """One verdict per pair, by generation; its probability comes from the same generation's answer position.

        A completion that gives no answer (`completions.read_completion`) becomes a verdict with `parsable=False`.

        Raises:
            ImageError: a picture that cannot be used.
        """
        settings = settings or Thinking()
        verdicts: list[Verdict] = []
        for start, batch in batches(pairs, batch_size):
            began = time.perf_counter()
            filled = fill(self.adapter, pair_prompts(self.adapter, batch, "think"))
            own = replace(settings, seed=settings.seed + start)
            sampled = sample_rows(self.adapter, Continuation(self.adapter, filled), own)
            keys = [self.key(pair, settings) for pair in batch]
            verdicts += self.verdicts(sampled, keys, time.perf_counter() - began)
            if progress is not None:
                progress(start + len(batch), len(pairs))
        self.counts = sum(map(RequestCounts.of, verdicts), self.counts)
        return verdicts

    @torch.inference_mode()
    def ask_about_crops(
        self,
        crops: Sequence[Crop],
        texts: str | Sequence[str] = DESCRIBE,
        *,
        max_new_tokens: int = 120,
        batch_size: int = 64,
        progress: Progress | None = None,
    ) -> list[str]:
        """What the model says of each crop alone: its description, or its answer to a question (greedy).

        Args:
            texts: one question for all crops, or one each.

        Raises:
            ReIDError: another number of questions than of crops.
            ImageError: a picture that cannot be used.
        """
        questions = [texts] * len(crops) if isinstance(texts, str) else list(texts)
        if len(questions) != len(crops):
            raise ReIDError(f"{len(crops)} pictures and {len(questions)} questions; give one question for each picture")
        tokenizer = self.processor.tokenizer
        ends = end_token_ids(self.model, tokenizer)
        answers: list[str] = []
        for start, batch in batches(crops, batch_size):
            openers = {str(place): crop.open for place, crop in enumerate(batch)}
            encoded = VisionCache(self.adapter, 0).encode(openers).values()
            rendered = [render_crop(self.processor, text) for text in questions[start : start + len(batch)]]
            prompts = [crop_prompt(self.adapter, text, crop) for text, crop in zip(rendered, encoded, strict=True)]
            rows = Continuation(self.adapter, fill(self.adapter, prompts))
            sampled = sample_rows(self.adapter, rows, Thinking(max_new_tokens))
            for ids, length in zip(sampled.ids.tolist(), sampled.lengths.tolist(), strict=True):
                words = ids[: length - 1] if ids[length - 1] in ends else ids[:length]
                answers.append(decode(tokenizer, words).strip())
            if progress is not None:
                progress(start + len(batch), len(crops))
        return answers

    def question(self, task: Task, settings: Thinking | None = None) -> str:
        """Hash of weights, prompt, pixel budget and settings: what an answer depends on beside the pictures."""
        # A verdict also depends on how completions are read, the logits of a direct score do not.
        reading = () if task == "score" else (READING,)
        return question_key((self.weights_hash, render(self.processor, task), self.pixels, settings, *reading))

    def key(self, pair: Pair | Images, settings: Thinking | None = None) -> str:
        """Cache key of `think` for this pair: SHA-256 of `question` and both pictures.

        Only greedy verdicts are worth caching: a sampled one also depends on its place in the batch.
        """
        first, second = (picture_digest(image) for image in open_pair(pair))
        return pair_key(self.question("think", settings or Thinking()), first, second)

    def verdicts(self, sampled: Sampled, keys: Sequence[str], seconds: float) -> list[Verdict]:
        """Read the completions of a batch that took `seconds`; `keys` identify its pairs."""
        ids, answers = sampled.ids.tolist(), sampled.answers.double().cpu().numpy()
        return [
            self.verdict(ids[row][:length], answers[row, :length], seconds / len(keys), keys[row])
            for row, length in enumerate(sampled.lengths.tolist())
        ]

    def verdict(self, ids: list[int], steps: NDArray[np.float64], seconds: float, key: str) -> Verdict:
        """Read one completion; `steps` (T, 3) are the answer words' logits before each of its tokens."""
        tokenizer = self.processor.tokenizer
        ended = ids[-1] in end_token_ids(self.model, tokenizer)
        words = ids[:-1] if ended else ids
        text = decode(tokenizer, words)
        read = read_completion(text, cut=not ended)
        made: dict[str, Any] = {
            "tokens": len(ids),
            "seconds": seconds,
            "model": f"{self.name} {self.weights_hash[:12]}",
            "prompt": prompt_version("think"),
            "key": key,
        }
        if read.answer is None:
            return Verdict("insufficient", None, text, (), parsable=False, problem=read.problem, **made)
        probability, problem = answer_probability(tokenizer, words, steps, read)
        cues = extract_cues(read.reasoning)
        return Verdict(ANSWERS[read.answer], probability, read.reasoning, cues, problem=problem, **made)


def counts_of_scores(scores: NDArray[np.float64]) -> RequestCounts:
    """What direct scores in process add to the counts: those that are no numbers."""
    lacking = int(np.isnan(scores).sum())
    reasons = {"the model's logits are not finite": lacking} if lacking else {}
    return RequestCounts(without_score=lacking, reasons=reasons)


T = TypeVar("T")


def batches(rows: Sequence[T], batch_size: int) -> Iterator[tuple[int, Sequence[T]]]:
    """(index of the first row, rows) of each batch."""
    if batch_size < 1:
        raise ReIDError(f"the batch size must be at least 1, not {batch_size}")
    for start in range(0, len(rows), batch_size):
        yield start, rows[start : start + batch_size]
