"""The reasoner: a vision-language model that scores pairs from one forward pass, or thinks about them in words."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import GenerationConfig, LogitsProcessorList, PreTrainedModel, ProcessorMixin

from reidr.core.run import name_of
from reidr.data.types import Crop
from reidr.errors import ReIDError
from reidr.fusion.profile import UNTUNED, InferenceProfile, stored_profile
from reidr.fusion.provenance import held_out_split, training_data
from reidr.reasoning.backends.backend import Capabilities
from reidr.reasoning.backends.card import Card
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.inference.seeding import seeded
from reidr.reasoning.inference.shared_vision import share_vision
from reidr.reasoning.models.checkpoint import find_checkpoint, hash_weights, load_model
from reidr.reasoning.models.processor import load_processor
from reidr.reasoning.prompting.answers import (
    AnswerLogits,
    answer_probability,
    answer_token_ids,
    decode,
    end_token_ids,
    yes_probability,
)
from reidr.reasoning.prompting.completions import read_completion
from reidr.reasoning.prompting.grammar import ANSWERS
from reidr.reasoning.prompting.prompt import (
    CROP_PIXELS,
    DESCRIBE,
    Images,
    Task,
    encode_crops,
    encode_pairs,
    open_pair,
    prepare,
    prepare_pair,
    prompt_version,
    render,
)
from reidr.reasoning.rationales.cues import extract_cues
from reidr.reasoning.types import Pair, Progress, RequestCounts, Verdict

PHOTOGRAPH = 512 * 512  # a pixel budget that goes beyond this was not made for crops
VISION_TOKENS = ("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>")


class Reasoner:
    """A vision-language model that says whether two crops show the same person.

    The model is put into evaluation mode and must not change while a `Reasoner` holds it: its hash, part of every
    verdict's cache key, is computed once. Make a new `Reasoner` after training steps.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        processor: ProcessorMixin,
        *,
        name: str = "in memory",
        pixels: tuple[int, int] | None = None,
        trained_on: tuple[str, ...] = (),
        profile: InferenceProfile = UNTUNED,
        held_out: tuple[float, int] | None = None,
    ) -> None:
        """Wrap a loaded model.

        Args:
            pixels: (least, greatest) area to which crops are resized. None keeps the processor's own budget, unless
                that is made for photographs (above 512x512): then `CROP_PIXELS`, since a person crop is small.
            trained_on: folders of the photos it was taught on, as far as they are known.
            profile: how it is used beside a retriever, as stored with its weights.
            held_out: (share, seed) by which training identities were set aside (`hold_out_identities`); None: unknown.

        Raises:
            WeightsError: the tokenizer splits `yes` or `no` after `<answer>`, so P(yes) could not be read.
        """
        self.model = model.eval()
        self.processor = processor
        self.name = name
        self.pixels = pixels if pixels is not None else crop_pixels(processor)
        self.trained_on = trained_on
        self.profile = profile
        self.held_out = held_out
        self.answer_ids = answer_token_ids(processor.tokenizer)
        self.counts = RequestCounts()

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

        `device` defaults to the GPU where there is one, `dtype` to bfloat16 there and float32 on the CPU.

        Raises:
            WeightsError: with what is missing or wrong, and where.
        """
        path, local = find_checkpoint(source)
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        dtype = dtype or (torch.float32 if device == "cpu" else torch.bfloat16)
        processor = load_processor(path, local_files_only=local)
        model = load_model(path, local_files_only=local, device=device, dtype=dtype)
        if not local:
            return cls(model, processor, name=path, pixels=pixels)
        return cls(
            model,
            processor,
            name=name_of(Path(path)),
            pixels=pixels,
            trained_on=training_data(path),
            profile=stored_profile(path),
            held_out=held_out_split(path),
        )

    @property
    def capabilities(self) -> Capabilities:
        """Every task that a generating model in this process can do."""
        return Capabilities(ask_about_crops=True)

    @property
    def card(self) -> Card:
        """How the weights are used, and what they were trained on."""
        embeddings = hasattr(self.model.model, "embeddings")
        return Card(self.profile, self.trained_on, self.held_out, embeddings, self.name)

    @cached_property
    def weights_hash(self) -> str:
        """SHA-256 of the weights; takes some seconds for billions of parameters."""
        return hash_weights(self.model)

    def score(
        self, pairs: Sequence[Pair], *, both_orders: bool = True, batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float64]:
        """P(same person) of each pair, (N,), without thinking; NaN where the model's logits are not finite."""
        found = yes_probability(
            self.answer_logits(pairs, both_orders=both_orders, batch_size=batch_size, progress=progress)
        )
        self.counts += counts_of_scores(found)
        return found

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
            images = [prepare_pair(self.processor, pair, self.pixels) for pair in batch]
            rows = images + [(second, first) for first, second in images] * (orders - 1)
            output = self.model(**self._inputs(rows, "score"), logits_to_keep=1, use_cache=False).logits
            found = output[:, -1, self.answer_ids].double().cpu().numpy()
            logits[:, start : start + len(batch)] = found.reshape(orders, len(batch), 3)
            if progress is not None:
                progress(start + len(batch), len(pairs))
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
            keyed = [self._keyed(pair, settings) for pair in batch]
            images = [pictures for _, pictures in keyed]
            with seeded(settings.seed + start, self.model.device):
                completions, steps = self._generate(images, settings)
            seconds = (time.perf_counter() - began) / len(batch)
            for row, ((key, _), completion) in enumerate(zip(keyed, completions, strict=True)):
                verdicts.append(self.verdict(completion, steps[:, row], seconds, key))
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
            ImageError: a picture that cannot be used.
        """
        questions = [texts] * len(crops) if isinstance(texts, str) else list(texts)
        settings = Thinking(max_new_tokens)
        told: list[str] = []
        ends = end_token_ids(self.model, self.processor.tokenizer)
        for start in range(0, len(crops), batch_size):
            images = [prepare(self.processor, crop.open(), self.pixels) for crop in crops[start : start + batch_size]]
            asked = questions[start : start + len(images)]
            batch = encode_crops(self.processor, images, asked, self.pixels).to(self.model.device)
            batch["pixel_values"] = batch["pixel_values"].to(self.model.dtype)
            completions, _ = self._complete(share_vision(self.model, dict(batch), images), settings)
            words = [ids[:-1] if ids[-1] in ends else ids for ids in completions]
            told += [decode(self.processor.tokenizer, ids).strip() for ids in words]
            if progress is not None:
                progress(start + len(images), len(crops))
        return told

    def key(self, pair: Pair | Images, settings: Thinking | None = None) -> str:
        """Cache key of `think` for this pair: SHA-256 of weights, prompt, pixel budget, settings and both pictures.

        Only greedy verdicts are worth caching: a sampled one also depends on its place in the batch.
        """
        digest = hashlib.sha256()
        for part in (self.weights_hash, render(self.processor, "think"), self.pixels, settings or Thinking()):
            digest.update(repr(part).encode() + b"\0")
        for image in open_pair(pair):
            digest.update(f"{image.size}".encode() + image.tobytes())
        return digest.hexdigest()

    def _generate(self, images: Sequence[Images], settings: Thinking) -> tuple[list[list[int]], NDArray[np.float64]]:
        """Token ids of each completion, end token included, and the answer words' logits at each step, (T, N, 3)."""
        return self._complete(self._inputs(images, "think"), settings)

    def _complete(self, inputs: dict[str, Any], settings: Thinking) -> tuple[list[list[int]], NDArray[np.float64]]:
        tokenizer = self.processor.tokenizer
        vocabulary = tokenizer.get_vocab()
        ends = end_token_ids(self.model, tokenizer)
        sampling = settings.temperature > 0
        # All options are given: one left open would be filled from the checkpoint's own generation settings.
        config = GenerationConfig(
            max_new_tokens=settings.max_new_tokens,
            do_sample=sampling,
            temperature=settings.temperature if sampling else 1.0,
            top_k=0 if sampling else 50,
            top_p=1.0,
            num_beams=1,
            repetition_penalty=1.0,
            # A picture token in a completion would call for pixels that are not there.
            suppress_tokens=[vocabulary[token] for token in VISION_TOKENS if token in vocabulary],
            eos_token_id=ends,
            pad_token_id=tokenizer.pad_token_id,
        )
        recorder = AnswerLogits(self.answer_ids)
        output = self.model.generate(
            **inputs, generation_config=config, logits_processor=LogitsProcessorList([recorder])
        )
        completions = []
        for ids in output[:, inputs["input_ids"].shape[1] :].tolist():
            end = next((i for i, token in enumerate(ids) if token in ends), len(ids) - 1)
            completions.append(ids[: end + 1])
        return completions, torch.stack(recorder.steps).double().cpu().numpy()

    def verdict(self, ids: list[int], steps: NDArray[np.float64], seconds: float, key: str) -> Verdict:
        """Judge one completion; `steps` (T, 3) are the answer words' logits before each of its tokens."""
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

    def _keyed(self, pair: Pair | Images, settings: Thinking) -> tuple[str, Images]:
        """`key` and the prepared pictures, so that no pair is held in full while the next one is read."""
        opened = open_pair(pair)
        return self.key(opened, settings), prepare_pair(self.processor, opened, self.pixels)

    def _inputs(self, images: Sequence[Images], task: Task) -> dict[str, Any]:
        """What the model takes for these pairs, on its device and in its floating-point type."""
        batch = encode_pairs(self.processor, images, task, pixels=self.pixels).to(self.model.device)
        batch["pixel_values"] = batch["pixel_values"].to(self.model.dtype)
        return share_vision(self.model, dict(batch), [image for pair in images for image in pair])


def counts_of_scores(scores: NDArray[np.float64]) -> RequestCounts:
    """What direct scores in process add to the counts: those that are no numbers."""
    lacking = int(np.isnan(scores).sum())
    return RequestCounts(
        without_score=lacking, reasons={"the model's logits are not finite": lacking} if lacking else {}
    )


def crop_pixels(processor: ProcessorMixin) -> tuple[int, int] | None:
    """The processor's pixel budget as (least, greatest) area, or `CROP_PIXELS` where it was made for photographs."""
    size = processor.image_processor.size
    least, greatest = size.get("shortest_edge"), size.get("longest_edge")
    if least is None or greatest is None:
        return None
    return CROP_PIXELS if greatest > PHOTOGRAPH else (int(least), int(greatest))


def batches(pairs: Sequence[Pair], batch_size: int) -> Iterator[tuple[int, Sequence[Pair]]]:
    """(index of the first pair, pairs) of each batch."""
    if batch_size < 1:
        raise ReIDError(f"the batch size must be at least 1, not {batch_size}")
    for start in range(0, len(pairs), batch_size):
        yield start, pairs[start : start + batch_size]
