"""A reranking server as a verifier of pairs: one score for a query's picture and a candidate's, and no words.

Qwen3-VL-Reranker and models like it say how probable it is that a document answers a query: P(yes), from the logits of
yes and no. Here the query is one crop, the document the other, and the score is P(same person). docs/servers.md says
how such a server is started, and what is refused.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reidr.data.types import Crop
from reidr.errors import ReIDError
from reidr.reasoning.backends.backend import Capabilities
from reidr.reasoning.backends.card import Card
from reidr.reasoning.backends.chat_server.addresses import reranking_of
from reidr.reasoning.backends.chat_server.data_urls import data_url, fit
from reidr.reasoning.backends.chat_server.endpoint import FailedError, RefusedError
from reidr.reasoning.backends.chat_server.gathering import Breaker, Missing, gather
from reidr.reasoning.backends.chat_server.replies import NoCompletionError
from reidr.reasoning.backends.chat_server.served import drawn_person, find_model, lasting_date
from reidr.reasoning.backends.chat_server.settings import RerankSettings
from reidr.reasoning.backends.reference import batches
from reidr.reasoning.backends.rerank_server.forms import FORMS, INSTRUCTION, Form, scores_in
from reidr.reasoning.backends.verdict_cache import Logits, VerdictCache, pair_key, question_key
from reidr.reasoning.inference.vision_cache import picture_digest
from reidr.reasoning.prompting.answers import yes_probability
from reidr.reasoning.prompting.chances import NEVER
from reidr.reasoning.prompting.prompt import CROP_PIXELS, open_pair
from reidr.reasoning.types import Pair, Progress, RequestCounts, Verdict

WINDOW = 64  # pairs whose pictures are open at a time
LEAST = 1e-7  # a probability of 0 or 1 has no finite logit

Asked = tuple[str, str]
"""The digests of query and document."""
Group = tuple[Asked, ...]
"""What one request asks: one query, some documents."""


class RerankServer:
    """Scores pairs by a server's `/rerank` or `/score`. Use one from one thread.

    `counts` says how many requests were sent, and which pairs have no score.
    """

    capabilities = Capabilities(think=False, rerank=True)

    def __init__(
        self, url: str, *, cache: VerdictCache | None = None, model: str | None = None, **options: Any
    ) -> None:
        """Ask the server what it serves.

        Args:
            url: `http://host:8000/v1/rerank` or `…/v1/score`; `#name` behind it names the model.
            model: which of its models; needed where it serves several, or does not list them.
            options: fields of `RerankSettings`.

        Raises:
            ReIDError: no such address, no server there, it does not say which model to use, or an option out of range.
        """
        self._settings = RerankSettings(**options)
        address, _, named = url.partition("#")
        path = reranking_of(address)
        if path is None:
            raise ReIDError(f"{address}: the address of a rerank server ends in one of {', '.join(FORMS)}")
        self._path = path
        self._endpoint = self._settings.connect(address)
        self._served = find_model(self._endpoint, model or named)
        self.model = str(self._served["id"])
        self.name = f"{self.model} at {self._endpoint.host}"
        self.card = Card(name=self.name)
        self._cache, self._breaker, self._results = cache, Breaker(), RequestCounts()
        self._pixels = self._settings.pixels or CROP_PIXELS
        self._most = self._settings.documents
        self._form: Form | None = None
        self._identity: tuple[Any, ...] = ()

    @property
    def counts(self) -> RequestCounts:
        """What was asked and what came of it, since this back end was made."""
        return RequestCounts(requests=self._endpoint.requests, retried=self._endpoint.retried) + self._results

    def score(
        self, pairs: Sequence[Pair], *, both_orders: bool = True, batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float64]:
        """P(same person) of each pair, (N,): the server's score, averaged over both orders. NaN where there is none."""
        return yes_probability(
            self.answer_logits(pairs, both_orders=both_orders, batch_size=batch_size, progress=progress)
        )

    def answer_logits(
        self, pairs: Sequence[Pair], *, both_orders: bool = True, batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float64]:
        """Log-probabilities of yes and no, (orders, N, 3); "insufficient" is nothing that a reranker can say.

        Order 0 has the query as query. NaN where an order has no score. `batch_size` means nothing to a server.

        Raises:
            ReIDError: the server refuses everything, takes no pictures, or gives scores that are no probabilities.
            ImageError: a picture that cannot be used.
        """
        self._prepare()
        orders = 2 if both_orders else 1
        question = question_key(("rerank", self._identity, INSTRUCTION, self._pixels))
        rows: list[list[Logits]] = []
        self._endpoint.stop = stop = threading.Event()
        missing = None
        for start, window in batches(pairs, WINDOW):
            pictures: dict[str, Image.Image] = {}
            asked: list[list[Asked]] = []
            for pair in window:
                first, second = (self._digested(image, pictures) for image in open_pair(pair))
                asked.append([(first, second), (second, first)][:orders])
            wanted = list(dict.fromkeys(one for own in asked for one in own))
            known: dict[Asked, Logits | Missing] = dict(self._recall(question, wanted))
            groups = dict.fromkeys(grouped([one for one in wanted if one not in known], self._most), pictures)
            done = 0
            with closing(gather(self._ask, groups, self._settings.concurrency, stop)) as answers:
                for group, answer in answers:
                    found = dict.fromkeys(group, answer) if isinstance(answer, Missing) else answer
                    known |= found
                    self._keep(question, found)
                    for each in found.values():
                        missing = each if isinstance(each, Missing) else missing
                        self._breaker.note(each)
                    done += 1
                    if progress is not None and done < len(groups):
                        progress(start + len(window) * done // len(groups), len(pairs))
            for own in asked:
                answered = [known[one] for one in own]
                self._results += counted(answered)
                rows.append([(math.nan,) * 3 if isinstance(each, Missing) else each for each in answered])
            if progress is not None:
                progress(start + len(window), len(pairs))
        self._breaker.end_of_call(missing)
        return np.array(rows, dtype=float).reshape(-1, orders, 3).transpose(1, 0, 2)

    def think(self, pairs: Sequence[Pair], settings: Any = None, **_: Any) -> list[Verdict]:
        """Not offered (`capabilities`). Raises ReIDError."""
        raise ReIDError(f"{self.name}: a reranker gives scores and writes no reasons")

    def ask_about_crops(self, crops: Sequence[Crop], texts: str | Sequence[str] = "", **_: Any) -> list[str]:
        """Not offered (`capabilities`). Raises ReIDError."""
        raise ReIDError(f"{self.name}: a reranker answers no questions")

    def vision_similarity(self, pairs: Sequence[Pair], **_: Any) -> None:
        """None: not offered (`capabilities`)."""

    def _digested(self, image: Image.Image, pictures: dict[str, Image.Image]) -> str:
        digest = picture_digest(image)
        pictures.setdefault(digest, image)
        return digest

    def _recall(self, question: str, wanted: Sequence[Asked]) -> dict[Asked, Logits]:
        if self._cache is None:
            return {}
        keys = {pair_key(question, *one): one for one in wanted}
        return {keys[key]: logits for key, logits in self._cache.scores(keys).items()}

    def _keep(self, question: str, found: dict[Asked, Logits | Missing]) -> None:
        if self._cache is not None:
            scores = {pair_key(question, *one): each for one, each in found.items() if not isinstance(each, Missing)}
            self._cache.keep_scores(scores)

    def _ask(self, group: Group, pictures: dict[str, Image.Image]) -> dict[Asked, Logits | Missing]:
        """The answers to a group. One that is refused as a whole is asked in halves: it may hold too many pictures."""
        query = pictures[group[0][0]]
        try:
            scores = self._post(self._chosen, query, [pictures[document] for _, document in group])
        except RefusedError as refusal:
            if len(group) == 1 or refusal.hopeless or isinstance(refusal, FailedError):
                raise
            half = (len(group) + 1) // 2
            self._most = min(self._most, half)
            answers: dict[Asked, Logits | Missing] = {}
            for part in (group[:half], group[half:]):
                try:
                    answers |= self._ask(part, pictures)
                except (RefusedError, NoCompletionError) as error:
                    answers |= dict.fromkeys(part, Missing(error))
            return answers
        return dict(zip(group, map(self._logits, scores), strict=True))

    def _post(self, form: Form, query: Image.Image, documents: Sequence[Image.Image]) -> list[float]:
        first, *others = (data_url(fit(image, self._pixels)) for image in (query, *documents))
        answer = self._endpoint.post(self._path, {"model": self.model, **form.body(first, others)})
        return scores_in(answer, len(documents), self._endpoint.host)

    def _logits(self, score: float) -> Logits:
        """A score as log-probabilities of yes, no and insufficient. Raises ReIDError for one that is no probability."""
        if not 0.0 <= score <= 1.0:
            raise ReIDError(
                f"{self.name}: its score {score:.3g} is no probability between 0 and 1; serve a model that says yes or"
                " no (Qwen3-VL-Reranker), with its activation (docs/servers.md)"
            )
        bounded = min(max(score, LEAST), 1.0 - LEAST)
        return math.log(bounded), math.log1p(-bounded), NEVER

    @property
    def _chosen(self) -> Form:
        assert self._form is not None  # `_prepare` comes first
        return self._form

    def _prepare(self) -> None:
        """Find the form in which the server takes pictures, by a question about drawn ones.

        The same question identifies the weights: other weights give other scores.
        """
        if self._form is not None:
            return
        drawn = drawn_person("firebrick", "navy")
        others = [drawn, drawn_person("seagreen", "black")]
        problems = []
        for form in FORMS[self._path]:
            try:
                if form.most is None:
                    scores = self._post(form, drawn, others)
                else:
                    scores = [score for other in others for score in self._post(form, drawn, [other])]
            except RefusedError as refusal:
                if refusal.hopeless:
                    raise
                problems.append(str(refusal))
                continue
            except NoCompletionError as error:
                problems.append(str(error))
                continue
            if scores[0] == scores[1]:
                problems.append("it gives the same score whatever the document's picture is")
                continue
            self._form, self._most = form, min(self._most, form.most or self._most)
            known = [round(yes - no, 2) for yes, no, _ in map(self._logits, scores)]
            served = self._served
            self._identity = (self._endpoint.base, self.model, served.get("root"), lasting_date(served), form.name)
            self._identity += tuple(known)
            return
        raise ReIDError(
            f"{self.name}: takes no pictures at {self._path}, in no form that is known here; vLLM and SGLang do with"
            f" Qwen3-VL-Reranker (docs/servers.md). It said: {problems[0]}"
        )


def grouped(wanted: Sequence[Asked], most: int) -> Iterator[Group]:
    """Questions with one query together, `most` at a time."""
    own: dict[str, list[Asked]] = {}
    for one in wanted:
        own.setdefault(one[0], []).append(one)
    for group in own.values():
        for start in range(0, len(group), most):
            yield tuple(group[start : start + most])


def counted(answers: Sequence[Logits | Missing]) -> RequestCounts:
    """What one pair's orders add to the counts."""
    lacking = [answer for answer in answers if isinstance(answer, Missing)]
    if not lacking:
        return RequestCounts()
    refused = any(isinstance(one.error, RefusedError) for one in lacking)
    reasons = {lacking[0].problem: 1}
    return RequestCounts(without_score=1, refused=int(refused), unreadable=int(not refused), reasons=reasons)
