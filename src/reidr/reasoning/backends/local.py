"""A local model as a back end: the same answers as `Reasoner`, without repeating any computation.

Pairs are processed in windows. Within a window, prompts that begin with the same picture share one prefix cache
(`inference/prefix_cache.py`), each distinct picture passes the vision encoder once (`inference/vision_cache.py`), rows
of similar length form a batch, rows that have ended leave it, and answers in the `VerdictCache` are not computed again.
Memory does not grow with the number of pairs, except for the answers and about 200 bytes for each distinct crop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from reidr.data.types import Crop
from reidr.reasoning.backends.backend import Backend, Capabilities
from reidr.reasoning.backends.card import Card
from reidr.reasoning.backends.reference import Reasoner, batches, counts_of_scores
from reidr.reasoning.backends.verdict_cache import VerdictCache, pair_key
from reidr.reasoning.inference.chunks import Asked, chunks
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.inference.prefix_cache import Filled, PairPrompts, fill, fill_shared
from reidr.reasoning.inference.sampling import Continuation, sample_rows
from reidr.reasoning.inference.vision_cache import VisionCache, picture_digest
from reidr.reasoning.prompting.answers import yes_probability
from reidr.reasoning.prompting.prompt import DESCRIBE, Task
from reidr.reasoning.types import Pair, Progress, RequestCounts, Verdict

__all__ = ["Backend", "Engine"]

WINDOW = 16  # batches whose prompts are grouped by their first picture and sorted by length
TASKS: tuple[Task, ...] = get_args(Task)
FEATURES = 512_000_000  # bytes of pictures' features that are kept


@dataclass(frozen=True)
class Picture:
    """A distinct picture of a window: how to open it, and its (width, height)."""

    crop: Crop
    size: tuple[int, int]


Pictures = Mapping[str, Picture]
"""The pictures of a window by digest."""


@dataclass(frozen=True)
class Question:
    """What a pass over many pairs asks of each prompt.

    Attributes:
        task: which prompt. key: hash of all that an answer depends on beside the pictures.
        compute: answers to a chunk of prompts; whether their first pictures repeat; the pictures.
        stored: answers by cache key, of those that are known already; None for answers that are not kept.
        keep: stores answers by cache key.
    """

    task: Task
    key: str
    compute: Callable[[Sequence[Asked], bool, Pictures], list[Any]]
    stored: Callable[[Iterable[str]], Mapping[str, Any]] | None
    keep: Callable[[Mapping[str, Any]], None]

    def keys(self, wanted: Sequence[Asked]) -> list[str]:
        """The cache keys of these prompts."""
        return [pair_key(self.key, first, second) for first, second, _ in wanted]

    def recall(self, wanted: Sequence[Asked]) -> dict[Asked, Any]:
        """The answers that are known already."""
        if self.stored is None:
            return {}
        keys = dict(zip(wanted, self.keys(wanted), strict=True))
        stored = self.stored(keys.values())
        return {asked: stored[key] for asked, key in keys.items() if key in stored}

    def answer(self, chunk: Sequence[Asked], shared: bool, pictures: Pictures) -> dict[Asked, Any]:
        """Compute the answers to a chunk, and store them where answers are kept."""
        answers = self.compute(chunk, shared, pictures)
        if self.stored is not None:
            self.keep(dict(zip(self.keys(chunk), answers, strict=True)))
        return dict(zip(chunk, answers, strict=True))


class Engine:
    """Scores and verifies pairs with a loaded `Reasoner` as that would itself, in fewer computations.

    Logits differ from the plain path by rounding only (another order of the same sums): below 1e-4 in single precision.
    """

    def __init__(self, reasoner: Reasoner, cache: VerdictCache | None = None, *, memory: int = FEATURES) -> None:
        """Wrap a reasoner.

        Args:
            memory: bytes of pictures' features to keep, on the model's device and in its floating-point type.
        """
        self.reasoner = reasoner
        self.name = reasoner.name
        self.cache = cache
        self.counts = RequestCounts()
        self._vision = VisionCache(reasoner.adapter, memory)
        self._prompts = {task: PairPrompts(reasoner.adapter, task) for task in TASKS}
        self._digests: dict[tuple[Path, int, int], tuple[str, tuple[int, int]]] = {}

    @property
    def capabilities(self) -> Capabilities:
        """What the wrapped model can do; vision similarity needs a vision encoder with embeddings of its own."""
        return replace(self.reasoner.capabilities, vision_similarity=self.reasoner.adapter.gives_embeddings)

    @property
    def card(self) -> Card:
        """The wrapped reasoner's card."""
        return self.reasoner.card

    def score(
        self, pairs: Sequence[Pair], *, both_orders: bool = True, batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float64]:
        """P(same person) of each pair, (N,), without thinking: `yes_probability` of `answer_logits`.

        NaN for a pair for which the model's logits are not finite.
        """
        logits = self.answer_logits(pairs, both_orders=both_orders, batch_size=batch_size, progress=progress)
        scores = yes_probability(logits)
        self.counts += counts_of_scores(scores)
        return scores

    @torch.inference_mode()
    def vision_similarity(
        self, pairs: Sequence[Pair], *, batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float64] | None:
        """As `Backend.vision_similarity`; the features are kept for later scores of the same crops.

        Raises:
            ImageError: a picture that cannot be used.
        """
        if not self.capabilities.vision_similarity:
            return None
        similarities = []
        for start, window in batches(pairs, WINDOW * batch_size if batch_size > 0 else batch_size):
            pictures, rows = self._rows(window)
            crops = self._vision.encode({digest: picture.crop.open for digest, picture in pictures.items()})
            vectors = {digest: self.reasoner.adapter.embeddings(crop) for digest, crop in crops.items()}
            similarities += [
                [float(one @ another) for one, another in zip(vectors[first], vectors[second], strict=True)]
                for first, second, _ in rows
            ]
            if progress is not None:
                progress(start + len(window), len(pairs))
        return np.array(similarities, dtype=np.float64).reshape(-1, 3)

    @torch.inference_mode()
    def answer_logits(
        self, pairs: Sequence[Pair], *, both_orders: bool = True, batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float64]:
        """As `Reasoner.answer_logits`: (orders, N, 3) for yes, no, insufficient.

        Interrupted, what was scored so far is in the cache.

        Raises:
            ImageError: a picture that cannot be used.
        """
        orders = 2 if both_orders else 1
        cache = self.cache

        def compute(chunk: Sequence[Asked], shared: bool, pictures: Pictures) -> list[Any]:
            return list(self.reasoner.words_of(self._fill("score", chunk, shared, pictures)))

        question = Question(
            "score",
            "" if cache is None else self.reasoner.question("score"),
            compute,
            None if cache is None else cache.scores,
            lambda answers: None if cache is None else cache.keep_scores(answers),
        )

        def sides(rows: Sequence[Asked]) -> list[list[Asked]]:
            straight = [(first, second, 0) for first, second, _ in rows]
            return [straight, [(second, first, 0) for first, second, _ in rows]][:orders]

        work = self._work(question, pairs, sides, batch_size, progress)
        return np.concatenate([np.empty((orders, 0, 3)), *(np.array(part, dtype=float) for part in work)], axis=1)

    @torch.inference_mode()
    def think(
        self,
        pairs: Sequence[Pair],
        settings: Thinking | None = None,
        *,
        batch_size: int = 32,
        progress: Progress | None = None,
    ) -> list[Verdict]:
        """As `Reasoner.think`: one verdict per pair.

        Greedy verdicts do not depend on what else is asked and go through the cache; sampled ones are drawn anew, from
        the settings' seed and the place in `pairs`.

        Raises:
            ImageError: a picture that cannot be used.
        """
        settings = settings or Thinking()
        greedy = settings.temperature == 0
        cache = self.cache if greedy else None
        sampled = 0  # rows so far: no two batches of a call sample from the same seed

        def compute(chunk: Sequence[Asked], shared: bool, pictures: Pictures) -> list[Any]:
            nonlocal sampled
            began = time.perf_counter()
            filled = self._fill("think", chunk, shared, pictures, keep=True)
            own = replace(settings, seed=settings.seed + sampled)
            sampled += len(chunk)
            adapter = self.reasoner.adapter
            completions = sample_rows(adapter, Continuation(adapter, filled), own)
            return self.reasoner.verdicts(completions, question.keys(chunk), time.perf_counter() - began)

        question = Question(
            "think",
            self.reasoner.question("think", settings),
            compute,
            None if cache is None else cache.verdicts,
            lambda answers: None if cache is None else cache.keep_verdicts(answers.values()),
        )

        def sides(rows: Sequence[Asked]) -> list[list[Asked]]:
            return [[(first, second, 0 if greedy else place) for first, second, place in rows]]

        work = self._work(question, pairs, sides, batch_size, progress)
        verdicts = [verdict for (part,) in work for verdict in part]
        self.counts = sum(map(RequestCounts.of, verdicts), self.counts)
        return verdicts

    def ask_about_crops(
        self,
        crops: Sequence[Crop],
        texts: str | Sequence[str] = DESCRIBE,
        *,
        max_new_tokens: int = 120,
        batch_size: int = 64,
        progress: Progress | None = None,
    ) -> list[str]:
        """As `Reasoner.ask_about_crops`: what the model says of each crop alone; not cached."""
        return self.reasoner.ask_about_crops(
            crops, texts, max_new_tokens=max_new_tokens, batch_size=batch_size, progress=progress
        )

    def _work(
        self,
        question: Question,
        pairs: Sequence[Pair],
        sides: Callable[[Sequence[Asked]], list[list[Asked]]],
        batch_size: int,
        progress: Progress | None,
    ) -> Iterator[list[list[Any]]]:
        """Window by window, one answer per prompt of each side: from the cache where known, else computed."""
        adapter = self.reasoner.adapter
        shareable = adapter.shares_beginnings and not adapter.compares_crops
        for start, window in batches(pairs, WINDOW * batch_size if batch_size > 0 else batch_size):
            pictures, rows = self._rows(window)
            asked = sides(rows)
            wanted = list(dict.fromkeys(one for side in asked for one in side))
            known = question.recall(wanted)
            todo = [one for one in wanted if one not in known]
            done = 0
            for chunk, shared in chunks(todo, self._shapes(pictures), batch_size, shareable=shareable):
                known |= question.answer(chunk, shared, pictures)
                done += len(chunk)
                if progress is not None and done < len(todo):
                    progress(start + len(window) * done // len(todo), len(pairs))
            yield [[known[one] for one in side] for side in asked]
            if progress is not None:
                progress(start + len(window), len(pairs))

    def _fill(
        self, task: Task, chunk: Sequence[Asked], shared: bool, pictures: Pictures, *, keep: bool = False
    ) -> Filled:
        """The model after these prompts."""
        crops = self._vision.encode({digest: pictures[digest].crop.open for asked in chunk for digest in asked[:2]})
        rows = [self._prompts[task].prompt(crops[first], crops[second]) for first, second, _ in chunk]
        adapter = self.reasoner.adapter
        return fill_shared(adapter, rows) if shared else fill(adapter, rows, keep=keep)

    def _rows(self, pairs: Sequence[Pair]) -> tuple[dict[str, Picture], list[Asked]]:
        """The distinct pictures of a window by digest, and its pairs in order, query first, numbered."""
        pictures: dict[str, Picture] = {}
        rows: list[Asked] = []
        for number, pair in enumerate(pairs):
            digests = []
            for crop in (pair.query, pair.candidate):
                digest, size = self._digest(crop)
                pictures.setdefault(digest, Picture(crop, size))
                digests.append(digest)
            rows.append((digests[0], digests[1], number))
        return pictures, rows

    def _digest(self, crop: Crop) -> tuple[str, tuple[int, int]]:
        """A crop's `picture_digest` and size; a file is read again only when it has changed."""
        file = None
        if isinstance(crop.image, Path) and crop.image.is_file():
            facts = crop.image.stat()
            file = crop.image, facts.st_mtime_ns, facts.st_size
            if file in self._digests:
                return self._digests[file]
        image = crop.open()
        known = picture_digest(image), image.size
        if file is not None:
            self._digests[file] = known
        return known

    def _shapes(self, pictures: Mapping[str, Picture]) -> dict[str, tuple[float, float]]:
        """What orders prompts by their length: a picture's area within the pixel budget, and its proportions."""
        least, greatest = self.reasoner.pixels or (0, float("inf"))
        return {
            digest: (min(max(width * height, least), greatest), width / height)
            for digest, (width, height) in ((digest, picture.size) for digest, picture in pictures.items())
        }
