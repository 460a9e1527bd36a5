"""A reasoner behind any OpenAI-compatible server: vLLM, SGLang, llama.cpp, Ollama, or `reidr serve-model`.

Same prompts and same verdicts as in process. Pictures travel as PNG data URLs. The API key comes from the environment
variable `REIDR_API_KEY` only; it goes to that server alone (redirects are refused) and is written nowhere.
"""

from __future__ import annotations

import base64
import io
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reidr.errors import ReIDError
from reidr.reasoning.answers import yes_probability
from reidr.reasoning.cues import extract_cues
from reidr.reasoning.endpoint import Endpoint, RefusedError
from reidr.reasoning.grammar import ANSWER_WORDS, ANSWERS, try_parse
from reidr.reasoning.prefix import picture_digest
from reidr.reasoning.prompt import CROP_PIXELS, PREFIXES, Images, Task, open_pair, pair_messages, prompt_version
from reidr.reasoning.reasoner import Thinking, batches
from reidr.reasoning.types import Pair, Progress, Verdict
from reidr.reasoning.verdict_cache import Logits, VerdictCache, pair_key, question_key

ANSWER = "<answer>"
ANSWERED = re.compile(f"{ANSWER}({'|'.join(ANSWER_WORDS)})</answer>")
ANSWER_TOKENS = 16  # each tag is up to five tokens, the word one or two
ALTERNATIVES = (20, 5, 0)  # per token: what most servers give at most, what some give, none
WINDOW = 64  # pairs whose pictures are open at a time

Asked = tuple[str, int]
"""One question: its cache key, and a number that tells apart repeated samples."""


@dataclass(frozen=True)
class Reply:
    """A completion: its text, per token the text and the log-probabilities of the alternatives, and its length."""

    text: str
    tokens: tuple[tuple[str, Mapping[str, float]], ...]
    generated: int


class RemoteReasoner:
    """Judges pairs by asking a server, `concurrency` questions at a time. Use one from one thread.

    `score` asks for the answer word directly and reads its log-probabilities. Where a server gives none, or the model
    does not begin with `<answer>`, P(same) is estimated from `samples` answers drawn at temperature 1, half a count
    added for each word; it then takes one of `samples` + 1 values. `sampled` counts the answers got that way.
    """

    def __init__(
        self,
        url: str,
        *,
        cache: VerdictCache | None = None,
        model: str | None = None,
        pixels: tuple[int, int] | None = None,
        begin_answer: bool = False,
        samples: int = 8,
        concurrency: int = 8,
        per_second: float | None = None,
        tries: int = 6,
        timeout: float = 120.0,
    ) -> None:
        """Ask the server what it serves.

        Args:
            url: of the server, with or without `/v1`; `http://host:8000#name` also names the model.
            model: which of its models; needed where it serves several.
            pixels: (least, greatest) area to which crops are resized before they are sent. None: `CROP_PIXELS`; but
                `reidr serve-model` gets them as they are and resizes them itself, as in process.
            begin_answer: begin the assistant's turn with `<answer>` as in process, where the server can
                (`continue_final_message` of vLLM, SGLang and `reidr serve-model`); otherwise the model writes it.
            per_second: at most so many requests a second.
            tries: how often a request is sent before giving up. timeout: seconds to wait for each answer.

        Raises:
            ReIDError: no such address, no server there, or it does not say which model to use.
        """
        if samples < 1 or concurrency < 1:
            raise ReIDError("a remote reasoner needs samples and concurrency of at least 1")
        address, _, named = url.partition("#")
        self._endpoint = Endpoint(address, per_second=per_second, tries=tries, timeout=timeout)
        served = find_model(self._endpoint, model or named)
        self.model = str(served["id"])
        self.name = f"{self.model} at {self._endpoint.host}"
        self.sampled = 0
        self._cache = cache
        self._begin_answer, self._samples, self._concurrency = begin_answer, samples, concurrency
        self._pixels = pixels or (None if served.get("owned_by") == "reidr" else CROP_PIXELS)
        self._alternatives = ALTERNATIVES[0]
        # All that a server says of the weights. `created` is no part of it: for many it is the time of the request.
        self._identity = (self._endpoint.base, self.model, served.get("root"))

    def score(
        self, pairs: Sequence[Pair], *, both_orders: bool = True, batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float64]:
        """P(same person) of each pair, (N,), without thinking: `yes_probability` of `answer_logits`."""
        return yes_probability(
            self.answer_logits(pairs, both_orders=both_orders, batch_size=batch_size, progress=progress)
        )

    def answer_logits(
        self, pairs: Sequence[Pair], *, both_orders: bool = True, batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float64]:
        """Log-probabilities of yes, no and insufficient, (orders, N, 3); order 0 shows the query as person A.

        A word that is not among the server's alternatives gets the probability of the least of them, which bounds it
        from above. `batch_size` means nothing to a server. Interrupted, what was answered so far is in the cache.

        Raises:
            ReIDError: the server gives no usable answer. ImageError: a picture that cannot be used.
        """
        orders = 2 if both_orders else 1
        question = self._question("score", self._begin_answer, self._samples)

        def sides(images: Images, place: int) -> list[tuple[Asked, Images]]:
            both = [images, (images[1], images[0])][:orders]
            return [((pair_key(question, *map(picture_digest, side)), 0), side) for side in both]

        def recall(wanted: Sequence[Asked]) -> dict[Asked, Any]:
            stored = {} if self._cache is None else self._cache.scores(key for key, _ in wanted)
            return {(key, 0): found for key, found in stored.items()}

        def ask(asked: Asked, images: Images) -> tuple[Logits, bool]:
            return self._answer(images)

        def keep(asked: Asked, answer: Any) -> Any:
            found, estimated = answer
            self.sampled += estimated
            if self._cache is not None:
                self._cache.keep_scores({asked[0]: found})
            return found

        work = self._work(pairs, sides, recall, ask, keep, progress)
        found = np.array([row for part in work for row in part], dtype=float)
        return found.reshape(-1, orders, 3).transpose(1, 0, 2)

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
            ReIDError: the server gives no usable answer. ImageError: a picture that cannot be used.
        """
        settings = settings or Thinking()
        greedy = settings.temperature == 0
        cache = self._cache if greedy else None
        question = self._question("think", self._samples, settings)

        def sides(images: Images, place: int) -> list[tuple[Asked, Images]]:
            key = pair_key(question, *map(picture_digest, images))
            return [((key, 0 if greedy else place), images)]

        def recall(wanted: Sequence[Asked]) -> dict[Asked, Any]:
            stored = {} if cache is None else cache.verdicts(key for key, _ in wanted)
            return {(key, 0): verdict for key, verdict in stored.items()}

        def ask(asked: Asked, images: Images) -> tuple[Verdict, bool]:
            return self._think(images, settings, settings.seed + asked[1], asked[0])

        def keep(asked: Asked, answer: Any) -> Any:
            verdict, estimated = answer
            self.sampled += estimated
            if cache is not None:
                cache.keep_verdicts([verdict])
            return verdict

        return [verdict for part in self._work(pairs, sides, recall, ask, keep, progress) for (verdict,) in part]

    def _work(
        self,
        pairs: Sequence[Pair],
        sides: Callable[[Images, int], list[tuple[Asked, Images]]],
        recall: Callable[[Sequence[Asked]], dict[Asked, Any]],
        ask: Callable[[Asked, Images], Any],
        keep: Callable[[Asked, Any], Any],
        progress: Progress | None,
    ) -> Iterator[list[list[Any]]]:
        """Window by window, the answers to each pair's questions. Only `ask` runs outside this thread."""
        for start, window in batches(pairs, WINDOW):
            asked = [sides(open_pair(pair), start + place) for place, pair in enumerate(window)]
            wanted = {one: images for side in asked for one, images in side}
            known = recall(list(wanted))
            todo = {one: images for one, images in wanted.items() if one not in known}
            for done, (one, answer) in enumerate(self._gather(ask, todo), start=1):
                known[one] = keep(one, answer)
                if progress is not None and done < len(todo):
                    progress(start + len(window) * done // len(todo), len(pairs))
            yield [[known[one] for one, _ in side] for side in asked]
            if progress is not None:
                progress(start + len(window), len(pairs))

    def _gather(self, ask: Callable[[Asked, Images], Any], todo: Mapping[Asked, Images]) -> Iterator[tuple[Asked, Any]]:
        """Answers as they come. After an error or Ctrl-C nothing further is sent."""
        self._endpoint.stop = stop = threading.Event()
        pool = ThreadPoolExecutor(self._concurrency)
        running: dict[Future[Any], Asked] = {}
        waiting = iter(todo.items())
        try:
            while True:
                for one, images in islice(waiting, 2 * self._concurrency - len(running)):
                    running[pool.submit(ask, one, images)] = one
                if not running:
                    return
                ended = wait(running, return_when=FIRST_COMPLETED).done
                # What has been paid for is handed on before an error is.
                for future in sorted(ended, key=lambda future: future.exception() is not None):
                    yield running.pop(future), future.result()
        finally:
            if running:
                stop.set()
            pool.shutdown(wait=False, cancel_futures=True)

    def _question(self, task: Task, *settings: Any) -> str:
        return question_key((self._identity, pair_messages(None, task), self._pixels, *settings))

    def _answer(self, images: Images) -> tuple[Logits, bool]:
        """Log-probabilities of the answer words, and whether they had to be estimated from samples."""
        messages = self._messages(images, "score")
        options: dict[str, Any] = {}
        before = ""
        if self._begin_answer:
            before = PREFIXES["score"]
            messages.append({"role": "assistant", "content": before})
            options = {"continue_final_message": True, "add_generation_prompt": False}
        tokens = 1 if before and self._alternatives else ANSWER_TOKENS
        found = read_answer(self._chat(messages, tokens, **options), before)
        if found is not None:
            return found, False
        counts: Counter[str] = Counter()
        for seed in range(self._samples):
            text = before + self._chat(messages, ANSWER_TOKENS, temperature=1.0, seed=seed, **options).text
            counts.update(ANSWERED.findall(text)[:1])
        return smoothed(counts), True

    def _think(self, images: Images, settings: Thinking, seed: int, key: str) -> tuple[Verdict, bool]:
        """The verdict, and whether its probability had to be estimated from samples."""
        began = time.perf_counter()
        messages = self._messages(images, "think")
        reply = self._chat(messages, settings.max_new_tokens, temperature=settings.temperature, seed=seed)
        parsed = try_parse(reply.text)
        made: dict[str, Any] = {"model": self.name, "prompt": prompt_version("think"), "key": key}
        if parsed is None:
            made |= {"tokens": reply.generated, "seconds": time.perf_counter() - began}
            return Verdict("insufficient", 0.5, reply.text, (), parsable=False, **made), False
        found, generated = read_answer(reply, last=True), reply.generated
        estimated = found is None
        if found is None:
            counts: Counter[str] = Counter()
            for number in range(self._samples):
                more = self._chat(messages, settings.max_new_tokens, temperature=1.0, seed=seed + number)
                generated += more.generated
                thought = try_parse(more.text)
                counts.update([thought.answer] if thought is not None else [])
            found = smoothed(counts)
        probability = float(yes_probability(np.array(found)[None, None])[0])
        made |= {"tokens": generated, "seconds": time.perf_counter() - began}
        cues = extract_cues(parsed.reasoning)
        return Verdict(ANSWERS[parsed.answer], probability, parsed.reasoning, cues, **made), estimated

    def _messages(self, images: Images, task: Task) -> list[dict[str, Any]]:
        pictures = iter(images)
        (message,) = pair_messages(None, task)
        parts = [
            {"type": "image_url", "image_url": {"url": data_url(fit(next(pictures), self._pixels))}}
            if part["type"] == "image"
            else part
            for part in message["content"]
        ]
        return [{**message, "content": parts}]

    def _chat(
        self, messages: list[dict[str, Any]], max_tokens: int, temperature: float = 0.0, seed: int = 0, **options: Any
    ) -> Reply:
        """One completion. Fewer alternatives, and at last none, are asked for where the server refuses them."""
        while True:
            number = self._alternatives
            body = {"model": self.model, "messages": messages, "max_tokens": max_tokens, "temperature": temperature}
            body |= {"seed": seed, **options}
            if number:
                body |= {"logprobs": True, "top_logprobs": number}
            try:
                return read_reply(self._endpoint.post("/chat/completions", body), self._endpoint.host)
            except RefusedError as error:
                if "logprob" not in str(error) or not number:
                    raise
                self._alternatives = min(self._alternatives, ALTERNATIVES[ALTERNATIVES.index(number) + 1])


def find_model(endpoint: Endpoint, name: str, *, adapters: bool = True) -> dict[str, Any]:
    """What the server says of the model to be used: the one called `name`, or its only one. Raises ReIDError.

    `adapters`: whether LoRA adapters, which vLLM lists beside the model they change, count as models.
    """
    listed = endpoint.get("/models").get("data")
    models = [one for one in listed if isinstance(one, dict) and "id" in one] if isinstance(listed, list) else []
    models = [one for one in models if adapters or not one.get("parent")]
    chosen = [one for one in models if not name or one["id"] == name]
    if len(chosen) != 1:
        names = ", ".join(str(one["id"]) for one in models[:20]) or "none"
        wanted = f"no model {name!r}" if name else "not one model alone"
        raise ReIDError(f"{endpoint.host}: serves {wanted}; name one of its own after a # ({names})")
    return chosen[0]


def read_reply(answer: Mapping[str, Any], host: str) -> Reply:
    """A server's JSON as a `Reply`. Raises ReIDError where it is no chat completion."""
    try:
        choice = answer["choices"][0]
        message = choice["message"]
        text = message.get("content") or ""
        # Servers with a parser for reasoning models take the thoughts out of the text.
        thought = message.get("reasoning_content") or message.get("reasoning")
        if thought and "</think>" not in text:
            text = f"<think>{thought}</think>{text}"
        entries = (choice.get("logprobs") or {}).get("content") or []
        tokens = tuple((str(entry["token"]), alternatives(entry)) for entry in entries)
        usage = answer.get("usage") or {}
        return Reply(str(text), tokens, int(usage.get("completion_tokens") or len(tokens)))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise ReIDError(f"{host}: its answer is no chat completion ({type(error).__name__}: {error})") from None


def alternatives(entry: Mapping[str, Any]) -> dict[str, float]:
    """Log-probabilities by token text at one place, the token that was written among them."""
    listed = [*(entry.get("top_logprobs") or []), entry]
    found = {str(one["token"]): float(one["logprob"]) for one in listed if one.get("logprob") is not None}
    return {token: value for token, value in found.items() if math.isfinite(value)}


def read_answer(reply: Reply, before: str = "", *, last: bool = False) -> Logits | None:
    """Log-probabilities of yes, no and insufficient where the reply writes its answer; None where that cannot be told.

    The place is that of the first token, or the `last` one, that follows `<answer>`; `before` is how the turn began.
    Where the server's tokenizer splits "insufficient", the likeliest beginning of it stands for it.
    """
    found = None
    for token, chances in reply.tokens:
        if before.endswith(ANSWER) and chances and (last or found is None):
            found = chances
        before += token
    if found is None:
        return None
    floor = min(found.values())
    doubt = [value for token, value in found.items() if len(token) > 1 and "insufficient".startswith(token)]
    return found.get("yes", floor), found.get("no", floor), max(doubt, default=floor)


def smoothed(counts: Mapping[str, int]) -> Logits:
    """Logarithms of the words' shares among samples, half a count added to each (the Jeffreys prior)."""
    total = sum(counts.get(word, 0) + 0.5 for word in ANSWER_WORDS)
    yes, no, doubt = (math.log((counts.get(word, 0) + 0.5) / total) for word in ANSWER_WORDS)
    return yes, no, doubt


def fit(image: Image.Image, pixels: tuple[int, int] | None) -> Image.Image:
    """The picture with its area brought into `pixels`, its proportions kept."""
    if pixels is None:
        return image
    area = image.width * image.height
    scale = math.sqrt(min(max(area, pixels[0]), pixels[1]) / area)
    if scale == 1:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.BICUBIC)


def data_url(image: Image.Image) -> str:
    """The picture as a PNG data URL, every pixel as it is."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
