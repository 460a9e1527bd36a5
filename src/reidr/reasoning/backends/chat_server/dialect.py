"""What one OpenAI-compatible server takes, learnt from what it refuses, and kept for all further requests.

Everything that decides what is written is said in every request: what is left open, vLLM fills from the checkpoint's
`generation_config.json` (Qwen2.5-VL: repetition_penalty 1.05; Qwen3-VL: top_p 0.8, top_k 20). Servers that do not know
an option and say so get their requests without it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any

from reidr.reasoning.backends.chat_server.addresses import CHAT
from reidr.reasoning.backends.chat_server.endpoint import Endpoint, RefusedError
from reidr.reasoning.backends.chat_server.replies import Reply, named_options, read_reply

PLAIN_SAMPLING: Mapping[str, float] = {
    "top_p": 1.0,
    "top_k": -1,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
"""The model's own probabilities: nothing cut off, nothing punished."""

ALTERNATIVES = (20, 5, 0)  # per token: what most servers give at most, what some give, none
LIMITS = ("max_tokens", "max_completion_tokens")
LEAST_TEMPERATURE = 0.01  # for servers that refuse 0
SUSPECTS = (
    ("top_k", "min_p", "repetition_penalty", "chat_template_kwargs", "continue_final_message", "add_generation_prompt"),
    ("seed", "presence_penalty", "frequency_penalty", "top_p"),
    ("logprobs", "top_logprobs"),
)
"""Which options are left out, group by group, where a server refuses its first request without naming any."""
TOGETHER = {"continue_final_message": "add_generation_prompt", "add_generation_prompt": "continue_final_message"}

BOUND = re.compile(r"max|most|less|between|exceed|greater|large|allowed|limit|from \d|range|<", re.I)
UNKNOWN = re.compile(
    r"unsupported|not supported|does not support|only the default|unknown|unrecogni|extra inputs|not permitted", re.I
)


class Dialect:
    """The state of what is known of one server. Safe to use from several threads.

    Attributes:
        alternatives: how many alternatives per token are asked for; 0: no log-probabilities.
        dropped: options that are left out.
    """

    def __init__(self) -> None:
        self.alternatives = ALTERNATIVES[0]
        self.dropped: frozenset[str] = frozenset()
        self._limit, self._most_tokens = LIMITS[0], 1 << 30
        self._coldest = 0.0
        self._lock, self._version, self._answered, self._guesses = threading.Lock(), 0, False, 0

    @property
    def greedy(self) -> bool:
        """Whether the server can be asked for its likeliest answer."""
        return "temperature" not in self.dropped

    def body(
        self, model: str, messages: list[dict[str, Any]], max_tokens: int, temperature: float, seed: int, **more: Any
    ) -> tuple[dict[str, Any], int]:
        """A request as this server takes it, and the number of the state it was made in, for `learn`."""
        with self._lock:
            body = {"model": model, "messages": messages, self._limit: min(max_tokens, self._most_tokens)}
            options = {"temperature": max(temperature, self._coldest), "seed": seed, **PLAIN_SAMPLING, **more}
            if self.alternatives:
                options |= {"logprobs": True, "top_logprobs": self.alternatives}
            return body | {name: value for name, value in options.items() if name not in self.dropped}, self._version

    def accepted(self) -> None:
        """A request was answered: from now on only options that a refusal names are left out."""
        self._answered = True

    def learn(self, refusal: RefusedError, body: Mapping[str, Any], version: int) -> bool:
        """Draw the lesson of a refusal. Returns whether the request should be sent again, in another form."""
        with self._lock:
            if version != self._version:
                return True  # another thread has drawn it already
            changed = self._learn(refusal, body)
            self._version += changed
            return changed

    def _learn(self, refusal: RefusedError, body: Mapping[str, Any]) -> bool:
        if refusal.hopeless:
            return False
        listed, words = named_options(refusal.text)
        known = [name for name in body if name not in ("model", "messages")]
        named = [name for name in listed if name in known]
        named = named or [name for name in known if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", words)]
        if not named and "logprob" in words.lower() and "logprobs" in body:
            named = ["top_logprobs"]
        if self._limit in named:
            return self._other_limit(words, int(body[self._limit]))
        if "logprobs" in named or "top_logprobs" in named:
            return self._fewer_alternatives(words)
        if "temperature" in named and body["temperature"] == 0 and not UNKNOWN.search(words):
            # It is taken, but not 0.
            self._coldest = LEAST_TEMPERATURE
            return True
        if named:
            return self._drop(*named)
        return refusal.status in (400, 422) and self._guess()

    def _other_limit(self, words: str, sent: int) -> bool:
        """The limit of tokens under its other name, or smaller."""
        smaller = [number for number in numbers_in(words) if 16 <= number < sent]
        if smaller and BOUND.search(words):
            self._most_tokens = max(smaller)
            return True
        other = LIMITS[1 - LIMITS.index(self._limit)]
        if self._limit == LIMITS[0] and (other in words or UNKNOWN.search(words)):
            self._limit = other
            return True
        return False

    def _fewer_alternatives(self, words: str) -> bool:
        """Fewer alternatives: as many as the refusal allows, else the next of `ALTERNATIVES`; at last none."""
        if not self.alternatives:
            return False
        allowed = [number for number in numbers_in(words) if 0 < number < self.alternatives]
        fewer = [number for number in ALTERNATIVES if number < self.alternatives]
        self.alternatives = max(allowed) if allowed and BOUND.search(words) else fewer[0]
        return True

    def _drop(self, *names: str) -> bool:
        before = self.dropped
        self.dropped |= {*names, *(TOGETHER[name] for name in names if name in TOGETHER)}
        return self.dropped != before

    def _guess(self) -> bool:
        """Before the first answer: leave out the next group of options that servers are known not to take."""
        if self._answered:
            return False
        if self._guesses == len(SUSPECTS):
            # It was none of them. What is wrong is something else, and the next request is sent whole again.
            self.dropped -= {name for group in SUSPECTS for name in group}
            self.alternatives = self.alternatives or ALTERNATIVES[0]
            self._answered = True
            return False
        group = SUSPECTS[self._guesses]
        self._guesses += 1
        if "logprobs" in group:
            self.alternatives = 0
        self.dropped |= set(group)
        return True


class Chat:
    """Chat completions of one model of a server, in the server's dialect."""

    def __init__(self, endpoint: Endpoint, model: str) -> None:
        self.endpoint, self.model, self.dialect = endpoint, model, Dialect()

    def ask(
        self, messages: list[dict[str, Any]], max_tokens: int, temperature: float = 0.0, seed: int = 0, **options: Any
    ) -> Reply:
        """One completion.

        Raises:
            RefusedError: the server will not answer this, in whichever form. ReIDError: it gives no usable answer.
        """
        while True:
            body, version = self.dialect.body(self.model, messages, max_tokens, temperature, seed, **options)
            try:
                reply = read_reply(self.endpoint.post(CHAT, body), self.endpoint.host)
            except RefusedError as refusal:
                if not self.dialect.learn(refusal, body, version):
                    raise
            else:
                self.dialect.accepted()
                return reply


def numbers_in(words: str) -> list[int]:
    """The whole numbers in a text."""
    return [int(number) for number in re.findall(r"(?<![\w.])\d{1,9}(?![\w]|\.\d)", words)]
