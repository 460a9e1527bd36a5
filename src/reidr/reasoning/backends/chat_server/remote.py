"""A reasoner behind any OpenAI-compatible server: vLLM, SGLang, llama.cpp, Ollama, hosted ones, `reidr serve-model`.

Same prompts and same verdicts as in process. Pictures travel as PNG data URLs. The API key comes from the environment
variable `REIDR_API_KEY` only; it goes to that server alone (redirects are refused) and is written nowhere.
docs/servers.md says which servers, what is counted, and what "no score" and "sampled" mean.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from reidr.data.types import Crop
from reidr.errors import ReIDError
from reidr.reasoning.backends.backend import Capabilities
from reidr.reasoning.backends.card import Card, read_card
from reidr.reasoning.backends.chat_server.addresses import EMBEDDINGS
from reidr.reasoning.backends.chat_server.data_urls import data_url, fit, picture_request
from reidr.reasoning.backends.chat_server.dialect import Chat
from reidr.reasoning.backends.chat_server.gathering import Breaker, Missing, gather
from reidr.reasoning.backends.chat_server.questions_sent import Asker, Kind, Score, Thought
from reidr.reasoning.backends.chat_server.replies import Reply, embeddings_in
from reidr.reasoning.backends.chat_server.served import OURS, find_model, identity_of
from reidr.reasoning.backends.chat_server.settings import RemoteSettings
from reidr.reasoning.backends.reference import batches
from reidr.reasoning.backends.verdict_cache import VerdictCache, pair_key, question_key
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.inference.vision_cache import picture_digest
from reidr.reasoning.prompting.answers import yes_probability
from reidr.reasoning.prompting.completions import READING
from reidr.reasoning.prompting.prompt import CROP_PIXELS, Images, Task, open_pair, pair_messages, prompt_version
from reidr.reasoning.types import Pair, Progress, RequestCounts, Verdict

__all__ = ["RemoteReasoner", "data_url", "find_model", "fit"]

WINDOW = 64  # pairs whose pictures are open at a time

Asked = tuple[str, int]
"""One question: its cache key, and a number that distinguishes repeated samples."""


class RemoteReasoner:
    """Verifies pairs by asking a server, `concurrency` questions at a time. Use one from one thread.

    `score` asks for the answer word directly and reads its log-probabilities. Where a server gives none, P(same) is
    estimated from `samples` answers sampled at temperature 1, half a count added for each word; it then takes one of
    `samples` + 1 values. Where nothing can be read, or the server refuses, there is no score: NaN, and None in a
    verdict. `counts` says how often each of these was so, and why.
    """

    def __init__(
        self, url: str, *, cache: VerdictCache | None = None, model: str | None = None, **options: Any
    ) -> None:
        """Ask the server what it serves.

        Args:
            url: of the server, with or without `/v1`; `http://host:8000#name` also names the model.
            model: which of its models; needed where it serves several, or does not list them.
            options: fields of `RemoteSettings`.

        Raises:
            ReIDError: no such address, no server there, it does not say which model to use, or an option out of range.
        """
        settings = RemoteSettings(**options)
        address, _, named = url.partition("#")
        self._endpoint = settings.connect(address)
        self._served = find_model(self._endpoint, model or named)
        self.model = str(self._served["id"])
        self.name = f"{self.model} at {self._endpoint.host}"
        ours = self._served.get("owned_by") == OURS
        self.card: Card = replace(read_card(self._served if ours else {}, self._endpoint.host), name=self.name)
        self._settings = replace(
            settings,
            pixels=settings.pixels or (None if ours else CROP_PIXELS),
            begin_answer=ours if settings.begin_answer is None else settings.begin_answer,
        )
        self._cache = cache
        self._client = Chat(self._endpoint, self.model)
        self._asker = Asker(
            lambda *given, **more: self._chat(*given, **more), self.name, self._settings, thinks_by_itself=not ours
        )
        self._embeddings: dict[Asked, tuple[NDArray[np.float64], ...]] = {}
        self._breaker = Breaker()
        self._known: tuple[Any, ...] | None = None
        self._results = RequestCounts()

    @property
    def counts(self) -> RequestCounts:
        """What was asked and what came of it, since this reasoner was made."""
        sent = RequestCounts(requests=self._endpoint.requests, retried=self._endpoint.retried)
        return sent + self._results

    @property
    def sampled(self) -> int:
        """How many results are estimates: from sampled answers, or from the written token's probability alone."""
        return self._results.sampled + self._results.bounded

    @property
    def capabilities(self) -> Capabilities:
        """What a chat server offers; embeddings only where its card says so.

        Token probabilities are assumed until the first answers come without them.
        """
        return Capabilities(
            vision_similarity=self.card.vision_similarities, token_probabilities=self._asker.token_probabilities
        )

    def score(
        self, pairs: Sequence[Pair], *, both_orders: bool = True, batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float64]:
        """P(same person) of each pair, (N,), without thinking: `yes_probability` of `answer_logits`.

        NaN for a pair of which an order has no score.
        """
        return yes_probability(
            self.answer_logits(pairs, both_orders=both_orders, batch_size=batch_size, progress=progress)
        )

    def answer_logits(
        self, pairs: Sequence[Pair], *, both_orders: bool = True, batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float64]:
        """Log-probabilities of yes, no and insufficient, (orders, N, 3); order 0 shows the query as person A.

        NaN where an order has no score. A word that is not among the server's alternatives gets the probability of the
        least of them, or of what is left, which bounds it from above. `batch_size` means nothing to a server.
        Interrupted, what was answered so far is in the cache.

        Raises:
            ReIDError: the server refuses everything, or gives no usable answer. ImageError: a picture that cannot be
                used.
        """
        orders = 2 if both_orders else 1
        question = self._question("score", self._settings.begin_answer, self._settings.samples)

        def sides(images: Images, place: int) -> list[tuple[Asked, Images]]:
            both = [images, (images[1], images[0])][:orders]
            return [((pair_key(question, *map(picture_digest, side)), 0), side) for side in both]

        def recall(wanted: Sequence[Asked]) -> dict[Asked, Any]:
            if self._cache is None:
                return {}
            keys = [key for key, _ in wanted]
            kinds = self._cache.kinds(keys)
            stored = self._cache.scores(keys)
            return {(key, 0): Score(logits, cast(Kind, kinds.get(key, "read"))) for key, logits in stored.items()}

        def ask(asked: Asked, images: Images) -> Score:
            return self._asker.score(images)

        def keep(asked: Asked, score: Score) -> None:
            if self._cache is not None and score.logits is not None:
                self._cache.keep_scores({asked[0]: score.logits}, kind=score.kind)

        rows = []
        for window in self._work(pairs, sides, recall, ask, keep, progress):
            for answers in window:
                scores = [as_score(answer) for _, answer in answers]
                self._results += counted(scores)
                rows.append([score.logits or (math.nan,) * 3 for score in scores])
        return np.array(rows, dtype=float).reshape(-1, orders, 3).transpose(1, 0, 2)

    def think(
        self,
        pairs: Sequence[Pair],
        settings: Thinking | None = None,
        *,
        batch_size: int = 32,
        progress: Progress | None = None,
    ) -> list[Verdict]:
        """One verdict per pair; greedy ones go through the cache.

        Raises:
            ReIDError: the server refuses everything, or gives no usable answer. ImageError: a picture that cannot be
                used.
        """
        settings = settings or Thinking()
        greedy = settings.temperature == 0
        cache = self._cache if greedy else None
        question = self._question("think", self._settings.samples, settings)

        def sides(images: Images, place: int) -> list[tuple[Asked, Images]]:
            key = pair_key(question, *map(picture_digest, images))
            return [((key, 0 if greedy else place), images)]

        def recall(wanted: Sequence[Asked]) -> dict[Asked, Any]:
            stored = {} if cache is None else cache.verdicts(key for key, _ in wanted)
            return {(key, 0): Thought(verdict) for key, verdict in stored.items()}

        def ask(asked: Asked, images: Images) -> Thought:
            return self._asker.think(images, settings, settings.seed + asked[1], asked[0])

        def keep(asked: Asked, thought: Thought) -> None:
            # What has no score is asked for again, by another run.
            if cache is not None and thought.verdict.probability is not None:
                cache.keep_verdicts([thought.verdict])

        verdicts = []
        for window in self._work(pairs, sides, recall, ask, keep, progress):
            for (key, _), answer in (answers[0] for answers in window):
                thought = self._refused(key, answer) if isinstance(answer, Missing) else answer
                self._results += RequestCounts.of(thought.verdict, refused=thought.refused)
                verdicts.append(thought.verdict)
        return verdicts

    def vision_similarity(
        self, pairs: Sequence[Pair], *, batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float64] | None:
        """As `Backend.vision_similarity`, of `reidr serve-model`: each picture is sent once. None for other servers.

        None also where the server refused a picture: one order cannot be made of pairs with similarities and without.

        Raises:
            ReIDError: the server refuses everything, or gives no usable answer. ImageError: a picture that cannot be
                used.
        """
        if not self.card.vision_similarities:
            return None

        def sides(images: Images, place: int) -> list[tuple[Asked, Images]]:
            return [((picture_digest(image), 0), (image, image)) for image in images]

        def recall(wanted: Sequence[Asked]) -> dict[Asked, Any]:
            return {one: self._embeddings[one] for one in wanted if one in self._embeddings}

        def ask(asked: Asked, images: Images) -> tuple[NDArray[np.float64], ...]:
            return embeddings_in(self._endpoint.post(EMBEDDINGS, picture_request(images[0], self.model)), self.name)

        rows = []
        for window in self._work(pairs, sides, recall, ask, self._embeddings.__setitem__, progress):
            for (_, first), (_, second) in window:
                if isinstance(first, Missing) or isinstance(second, Missing):
                    return None
                rows.append([float(one @ another) for one, another in zip(first, second, strict=True)])
        return np.array(rows, dtype=float).reshape(-1, 3)

    def ask_about_crops(self, crops: Sequence[Crop], texts: str | Sequence[str] = "", **_: Any) -> list[str]:
        """Not offered (`capabilities`). Raises ReIDError."""
        raise ReIDError(f"{self.name}: questions about single crops are not asked through a chat server")

    def _refused(self, key: str, missing: Missing) -> Thought:
        """The verdict where the server would not answer."""
        made: dict[str, Any] = {"tokens": 0, "seconds": 0.0, "model": self.name, "prompt": prompt_version("think")}
        verdict = Verdict("insufficient", None, "", (), key=key, parsable=False, problem=missing.problem, **made)
        return Thought(verdict, refused=True)

    def _work(
        self,
        pairs: Sequence[Pair],
        sides: Callable[[Images, int], list[tuple[Asked, Images]]],
        recall: Callable[[Sequence[Asked]], dict[Asked, Any]],
        ask: Callable[[Asked, Images], Any],
        keep: Callable[[Asked, Any], None],
        progress: Progress | None,
    ) -> Iterator[list[list[tuple[Asked, Any]]]]:
        """Window by window, each pair's questions with their answers. Only `ask` runs outside this thread.

        An answer is what `recall` or `ask` gave, or `Missing`.
        """
        self._endpoint.stop = stop = threading.Event()
        missing = None
        for start, window in batches(pairs, WINDOW):
            asked = [sides(open_pair(pair), start + place) for place, pair in enumerate(window)]
            wanted = {one: images for side in asked for one, images in side}
            known = recall(list(wanted))
            todo = {one: images for one, images in wanted.items() if one not in known}
            with closing(gather(ask, todo, self._settings.concurrency, stop)) as answers:
                for done, (one, answer) in enumerate(answers, start=1):
                    known[one] = answer
                    if isinstance(answer, Missing):
                        missing = answer
                    else:
                        keep(one, answer)
                    self._breaker.note(answer)
                    if progress is not None and done < len(todo):
                        progress(start + len(window) * done // len(todo), len(pairs))
            yield [[(one, known[one]) for one, _ in side] for side in asked]
            if progress is not None:
                progress(start + len(window), len(pairs))
        self._breaker.end_of_call(missing)

    def _chat(
        self, messages: list[dict[str, Any]], max_tokens: int, temperature: float = 0.0, seed: int = 0, **options: Any
    ) -> Reply:
        """One completion, as `Chat.ask`."""
        return self._client.ask(messages, max_tokens, temperature, seed, **options)

    def _question(self, task: Task, *settings: Any) -> str:
        return question_key((self._identity(), READING, pair_messages(None, task), self._settings.pixels, *settings))

    def _identity(self) -> tuple[Any, ...]:
        """What identifies the served weights; requested once, and only where answers are cached by it."""
        if self._cache is None:
            return (self._endpoint.base, self.model)
        if self._known is None:
            greedy = self._client.dialect
            self._known = identity_of(self._endpoint, self._served, self._client.ask, greedy=lambda: greedy.greedy)
        return self._known


def as_score(answer: Score | Missing) -> Score:
    """A direct answer, or that there is none."""
    return Score(None, problem=answer.problem, refused=True) if isinstance(answer, Missing) else answer


def counted(scores: Sequence[Score]) -> RequestCounts:
    """What one pair's orders add to the counts: a pair has a score where each of its orders has."""
    lacking = [score for score in scores if score.logits is None]
    if lacking:
        refused = any(score.refused for score in lacking)
        reasons = {lacking[0].problem: 1}
        return RequestCounts(without_score=1, refused=int(refused), unreadable=int(not refused), reasons=reasons)
    kinds = {score.kind for score in scores}
    sampled = "sampled" in kinds
    return RequestCounts(sampled=int(sampled), bounded=int(not sampled and "bounded" in kinds))
