"""Many completions of one pair at the price of one prompt: the rollouts of sampling, warm-up and reinforcement.

Pictures and prompt of a pair are encoded once; its n completions continue from copies of that key-value cache. Pairs
are batched with padding on the left, and rows that have ended leave the batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reidr.errors import ReIDError
from reidr.reasoning.backends.reference import VISION_TOKENS, crop_pixels
from reidr.reasoning.inference.shared_vision import share_vision
from reidr.reasoning.prompting.answers import answer_step, answer_token_ids, decode, end_token_ids, yes_probability
from reidr.reasoning.prompting.completions import read_completion
from reidr.reasoning.prompting.prompt import Images, encode_pairs, prepare_pair
from reidr.reasoning.types import Pair, Progress


@dataclass(frozen=True)
class Completion:
    """One sampled continuation of a pair's prompt.

    Attributes:
        ids: its tokens, the end token included where it was reached.
        log_probabilities: of each of `ids`, by the model at the sampling temperature (at 1 for greedy decoding), as a
            teacher-forced forward pass gives them: the tokens that may not be sampled are not taken out of the sum.
        text: the tokens as text, without the end token.
        answer_logits: logits of yes, no and insufficient (temperature 1) where the answer word was written; None where
            the completion breaks the grammar.
        ended: False where `max_new_tokens` cut it off.
    """

    ids: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    text: str
    answer_logits: tuple[float, float, float] | None
    ended: bool

    @property
    def probability(self) -> float | None:
        """P(same) at the answer position, by softmax over yes and no; None where the completion breaks the grammar."""
        if self.answer_logits is None:
            return None
        return float(yes_probability(np.asarray(self.answer_logits)[None, None])[0])


@dataclass
class Sampled:
    """What `continue_prompts` gives for R rows and T steps; beyond a row's `lengths` the contents mean nothing.

    ids, log_probabilities: (R, T). answers: (R, T, 3) logits of the answer words before each token. lengths: (R,).
    """

    ids: Tensor
    log_probabilities: Tensor
    answers: Tensor
    lengths: Tensor


def sample_completions(
    model: Any,
    processor: Any,
    pairs: Sequence[Pair | Images],
    n: int,
    *,
    temperature: float = 1.0,
    max_new_tokens: int = 160,
    seed: int = 0,
    pixels: tuple[int, int] | None = None,
    batch_size: int = 16,
    progress: Progress | None = None,
) -> list[list[Completion]]:
    """`n` completions of the thinking prompt for each pair, in the order of `pairs`.

    Sampling is from the whole vocabulary without picture tokens (no top-k, no top-p); temperature 0 is greedy. The same
    arguments give the same completions; `batch_size` counts pairs, and is one of the arguments. The model is sampled in
    evaluation mode and handed back in the mode it came in.

    Args:
        model: a Qwen2.5-VL or Qwen3-VL kind of model, with LoRA around it or not.
        pixels: as in `Reasoner`.

    Raises:
        ReIDError: n, max_new_tokens or batch_size below 1, a negative temperature.
        ImageError: a picture that cannot be used.
    """
    if n < 1 or max_new_tokens < 1 or batch_size < 1 or temperature < 0:
        raise ReIDError("sampling needs n, max_new_tokens and batch_size of at least 1, temperature of at least 0")
    base = unwrap(model)
    pixels = pixels if pixels is not None else crop_pixels(processor)
    completions: list[list[Completion]] = []
    for start in range(0, len(pairs), batch_size):
        batch = pairs[start : start + batch_size]
        images = [prepare_pair(processor, pair, pixels) for pair in batch]
        inputs = encode_pairs(processor, images, "think", pixels=pixels).to(base.device)
        inputs["pixel_values"] = inputs["pixel_values"].to(base.dtype)
        with torch.no_grad():
            shared = share_vision(base, dict(inputs), [image for pair in images for image in pair])
        sampled = continue_prompts(
            base,
            processor.tokenizer,
            shared,
            [n] * len(batch),
            temperature=temperature,
            max_new_tokens=max_new_tokens,
            seed=seed + start,
        )
        found = read_completions(base, processor.tokenizer, sampled)
        completions += [found[row * n : (row + 1) * n] for row in range(len(batch))]
        if progress is not None:
            progress(start + len(batch), len(pairs))
    return completions


def unwrap(model: Any) -> Any:
    """The model itself, where LoRA wraps it (the adapters stay at work inside)."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


@torch.no_grad()
def continue_prompts(
    model: Any,
    tokenizer: Any,
    inputs: Mapping[str, Any],
    copies: Sequence[int],
    *,
    temperature: float,
    max_new_tokens: int,
    seed: int,
) -> Sampled:
    """Continue prompt i `copies[i]` times; the rows of the answer are grouped by prompt.

    Args:
        model: not wrapped (`unwrap`). inputs: model inputs of the prompts, padded on the left.
    """
    training = model.training
    model.eval()
    try:
        output = model(**inputs, use_cache=True, logits_to_keep=1)
        device = output.logits.device
        repeats = torch.tensor(list(copies), device=device)
        source = torch.arange(len(copies), device=device).repeat_interleave(repeats)
        cache = output.past_key_values
        cache.batch_select_indices(source)
        mask = inputs["attention_mask"][source]
        # The rotary position of the first new token: tokens so far, less what pictures save by their grid.
        position = mask.sum(dim=1) + model.model.rope_deltas.to(device)[source, 0]
        logits = output.logits[:, -1].float()[source]
        return sample_rows(model, tokenizer, cache, mask, position, logits, temperature, max_new_tokens, seed)
    finally:
        # Left behind, they would be taken for those of the next batch of another shape.
        model.model.rope_deltas = None
        model.train(training)


def sample_rows(
    model: Any,
    tokenizer: Any,
    cache: Any,
    mask: Tensor,
    position: Tensor,
    logits: Tensor,
    temperature: float,
    max_new_tokens: int,
    seed: int,
) -> Sampled:
    """Token by token from a filled cache; `logits` (R, V) are those of the first new token."""
    device, rows = logits.device, len(logits)
    generator = torch.Generator(device=device).manual_seed(seed)
    vocabulary = tokenizer.get_vocab()
    forbidden = torch.tensor([vocabulary[token] for token in VISION_TOKENS if token in vocabulary], device=device)
    ends = torch.tensor(end_token_ids(model, tokenizer), device=device)
    words = torch.tensor(answer_token_ids(tokenizer), device=device)
    sampled = Sampled(
        torch.zeros(rows, max_new_tokens, dtype=torch.long, device=device),
        torch.zeros(rows, max_new_tokens, device=device),
        torch.zeros(rows, max_new_tokens, 3, device=device),
        torch.zeros(rows, dtype=torch.long, device=device),
    )
    alive = torch.arange(rows, device=device)  # which row of the answer each row of the batch is
    running = torch.ones(rows, dtype=torch.bool, device=device)
    for step in range(max_new_tokens):
        scores = logits / temperature if temperature > 0 else logits
        allowed = scores.index_fill(1, forbidden, -torch.inf)
        if temperature > 0:
            token = torch.multinomial(allowed.softmax(dim=1), 1, generator=generator)
        else:
            token = allowed.argmax(dim=1, keepdim=True)
        own = alive[running]
        sampled.ids[own, step] = token[running, 0]
        sampled.log_probabilities[own, step] = scores.log_softmax(dim=1).gather(1, token)[running, 0]
        sampled.answers[own, step] = logits[running][:, words]
        sampled.lengths[own] += 1
        running = running & ~torch.isin(token[:, 0], ends)
        if step + 1 == max_new_tokens or not bool(running.any()):
            break
        # Taking rows out copies the cache, so not for every row that ends.
        if int(running.sum()) < 0.8 * len(running):
            cache.batch_select_indices(running.nonzero()[:, 0])
            alive, token, mask, position = alive[running], token[running], mask[running], position[running]
            running = torch.ones(len(alive), dtype=torch.bool, device=device)
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        output = model(
            input_ids=token,
            attention_mask=mask,
            position_ids=(position + step).expand(3, 1, -1).transpose(1, 2),
            past_key_values=cache,
            use_cache=True,
        )
        logits = output.logits[:, -1].float()
    return sampled


def read_completions(model: Any, tokenizer: Any, sampled: Sampled) -> list[Completion]:
    """Rows of token numbers as `Completion`s."""
    ends = end_token_ids(model, tokenizer)
    completions = []
    for row, length in enumerate(sampled.lengths.tolist()):
        ids = sampled.ids[row, :length].tolist()
        ended = ids[-1] in ends
        words = ids[:-1] if ended else ids
        text = decode(tokenizer, words)
        answer = None
        if read_completion(text).taught:
            yes, no, insufficient = sampled.answers[row, answer_step(tokenizer, words)].tolist()
            answer = (yes, no, insufficient)
        chances = tuple(sampled.log_probabilities[row, :length].tolist())
        completions.append(Completion(tuple(ids), chances, text, answer, ended))
    return completions
