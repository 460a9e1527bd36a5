"""The one sampler: completions of prompts, token by token, for the back ends, the model server and all training.

Pictures and prompt of a pair are encoded once; its n completions continue from copies of that key-value cache. Prompts
are batched with padding on the left, and rows that have ended leave the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from reidr.errors import ReIDError
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.inference.prefix_cache import Filled, PairPrompt, PairPrompts, Prompt, fill
from reidr.reasoning.inference.vision_cache import encode_images, picture_digest
from reidr.reasoning.models.vision_language_model import TokenBatch, VisionLanguageModel
from reidr.reasoning.prompting.answers import answer_step, answer_token_ids, decode, end_token_ids, yes_probability
from reidr.reasoning.prompting.completions import read_completion
from reidr.reasoning.prompting.prompt import Images, Task, open_pair
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
    """What `sample_rows` gives for R rows and T steps; beyond a row's `lengths` the contents mean nothing.

    ids, log_probabilities: (R, T). answers: (R, T, 3) logits of the answer words before each token. lengths: (R,).
    """

    ids: Tensor
    log_probabilities: Tensor
    answers: Tensor
    lengths: Tensor


class Continuation:
    """Rows that a model continues token by token.

    Attributes:
        logits: (R, V) of each row's next token, in single precision.
    """

    def __init__(self, model: VisionLanguageModel, filled: Filled) -> None:
        self.model, self.logits = model, filled.logits.float()
        self._cache, self._mask, self._position = filled.cache, filled.mask, filled.position

    def select(self, rows: Tensor) -> None:
        """Go on with these rows, (S,) numbers, alone; a row may be repeated."""
        self._cache.reorder_cache(rows)
        self.logits, self._mask, self._position = self.logits[rows], self._mask[rows], self._position[rows]

    def append(self, tokens: Tensor) -> None:
        """Write one token to each row, (R, 1), and compute the logits of the next."""
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(self._mask), 1)], dim=1)
        positions = self._position.expand(self.model.axes, 1, -1).transpose(1, 2)
        logits, self._cache = self.model.forward(TokenBatch(tokens, self._mask, positions), (), self._cache)
        self.logits, self._position = logits.float(), self._position + 1


def sample_rows(
    model: VisionLanguageModel, rows: Continuation, settings: Thinking, noise: Tensor | None = None
) -> Sampled:
    """Token by token until every row has ended.

    Sampling is from the whole vocabulary without picture tokens (no top-k, no top-p); temperature 0 is greedy.

    Args:
        noise: (R, T) numbers in [0, 1), which choose the tokens instead of the settings' seed: what a row says then
            does not depend on the rows beside it.
    """
    device, number, length = rows.logits.device, len(rows.logits), settings.max_new_tokens
    generator = torch.Generator(device=device).manual_seed(settings.seed)
    forbidden = torch.tensor(picture_token_ids(model), dtype=torch.long, device=device)
    ends = torch.tensor(end_token_ids(model.model, model.processor.tokenizer), device=device)
    words = torch.tensor(answer_token_ids(model.processor.tokenizer), device=device)
    sampled = Sampled(
        torch.zeros(number, length, dtype=torch.long, device=device),
        torch.zeros(number, length, device=device),
        torch.zeros(number, length, 3, device=device),
        torch.zeros(number, dtype=torch.long, device=device),
    )
    alive = torch.arange(number, device=device)  # which row of `sampled` each row of the batch is
    running = torch.ones(number, dtype=torch.bool, device=device)
    for step in range(length):
        scores = rows.logits / settings.temperature if settings.temperature > 0 else rows.logits
        allowed = scores.index_fill(1, forbidden, -torch.inf)
        if settings.temperature > 0 and noise is not None:
            token = choose(allowed.softmax(dim=1), noise[alive, step])
        elif settings.temperature > 0:
            token = torch.multinomial(allowed.softmax(dim=1), 1, generator=generator)
        else:
            token = allowed.argmax(dim=1, keepdim=True)
        own = alive[running]
        sampled.ids[own, step] = token[running, 0]
        sampled.log_probabilities[own, step] = scores.log_softmax(dim=1).gather(1, token)[running, 0]
        sampled.answers[own, step] = rows.logits[running][:, words]
        sampled.lengths[own] += 1
        running = running & ~torch.isin(token[:, 0], ends)
        if step + 1 == length or not bool(running.any()):
            break
        # Taking rows out copies the cache, so not for every row that ends.
        if int(running.sum()) < 0.8 * len(running):
            rows.select(running.nonzero()[:, 0])
            alive, token = alive[running], token[running]
            running = torch.ones(len(alive), dtype=torch.bool, device=device)
        rows.append(token)
    return sampled


def choose(probabilities: Tensor, noise: Tensor) -> Tensor:
    """(R, 1) numbers chosen by the inverse of the distribution function of each row, (R, V), at `noise`, (R,).

    Raises RuntimeError as `torch.multinomial` where a probability is not finite.
    """
    heights = probabilities.double().cumsum(dim=1)
    if not bool(heights[:, -1].isfinite().all()):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    return torch.searchsorted(heights, noise.double()[:, None] * heights[:, -1:], right=True)


@torch.no_grad()
def continue_prompts(
    model: VisionLanguageModel,
    prompts: Sequence[Prompt],
    copies: Sequence[int],
    settings: Thinking,
    noise: Tensor | None = None,
) -> Sampled:
    """Continue prompt i `copies[i]` times; the rows of the answer are grouped by prompt. `noise`: see `sample_rows`.

    The model is sampled in evaluation mode and handed back in the mode it came in.
    """
    training = model.model.training
    model.model.eval()
    try:
        rows = Continuation(model, fill(model, prompts))
        device = rows.logits.device
        repeats = torch.tensor(list(copies), device=device)
        rows.select(torch.arange(len(copies), device=device).repeat_interleave(repeats))
        return sample_rows(model, rows, settings, None if noise is None else noise.to(device))
    finally:
        model.model.train(training)


@torch.no_grad()
def pair_prompts(model: VisionLanguageModel, pairs: Sequence[Pair | Images], task: Task) -> list[PairPrompt]:
    """The prompts of `task` about these pairs; each distinct picture is encoded once.

    Raises ImageError for a picture that cannot be used.
    """
    images: dict[str, Image.Image] = {}
    digests: list[str] = []
    for pair in pairs:
        # Frames are made small one pair at a time, so that never more than two are held in full.
        for image in open_pair(pair):
            digests.append(picture_digest(image))
            if digests[-1] not in images:
                images[digests[-1]] = model.prepare(image)
    crops = dict(zip(images, encode_images(model, list(images.values())), strict=True))
    prompts = PairPrompts(model, task)
    return [prompts.prompt(crops[a], crops[b]) for a, b in zip(digests[::2], digests[1::2], strict=True)]


def sample_completions(
    model: VisionLanguageModel,
    pairs: Sequence[Pair | Images],
    n: int,
    settings: Thinking,
    *,
    batch_size: int = 16,
    progress: Progress | None = None,
) -> list[list[Completion]]:
    """`n` completions of the thinking prompt for each pair, in the order of `pairs`.

    The same arguments give the same completions; `batch_size` counts pairs, and is one of the arguments.

    Raises:
        ReIDError: n or batch_size below 1.
        ImageError: a picture that cannot be used.
    """
    if n < 1 or batch_size < 1:
        raise ReIDError("sampling needs n and batch_size of at least 1")
    completions: list[list[Completion]] = []
    for start in range(0, len(pairs), batch_size):
        prompts = pair_prompts(model, pairs[start : start + batch_size], "think")
        own = replace(settings, seed=settings.seed + start)
        written = read_completions(model, continue_prompts(model, prompts, [n] * len(prompts), own))
        completions += [written[row * n : (row + 1) * n] for row in range(len(prompts))]
        if progress is not None:
            progress(start + len(prompts), len(pairs))
    return completions


def picture_token_ids(model: VisionLanguageModel) -> list[int]:
    """Ids of `VisionLanguageModel.picture_tokens`: a picture token in a completion would call for missing pixels."""
    vocabulary = model.processor.tokenizer.get_vocab()
    return [vocabulary[token] for token in model.picture_tokens if token in vocabulary]


def read_completions(model: VisionLanguageModel, sampled: Sampled) -> list[Completion]:
    """Rows of token numbers as `Completion`s."""
    tokenizer = model.processor.tokenizer
    ends = end_token_ids(model.model, tokenizer)
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
