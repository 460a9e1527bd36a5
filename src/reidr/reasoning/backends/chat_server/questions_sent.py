"""One question about one pair to a server, from the request to the score or the verdict.

No evidence is no score: where a reply cannot be read, or its answer is neither yes nor no, there is None and a reason.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from reidr.reasoning.backends.chat_server.data_urls import messages_with
from reidr.reasoning.backends.chat_server.endpoint import RefusedError
from reidr.reasoning.backends.chat_server.replies import Reply
from reidr.reasoning.backends.chat_server.settings import RemoteSettings
from reidr.reasoning.backends.verdict_cache import Logits
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.prompting.answers import yes_probability
from reidr.reasoning.prompting.chances import answer_chances
from reidr.reasoning.prompting.completions import ReadCompletion, read_completion
from reidr.reasoning.prompting.grammar import ANSWER_WORDS, ANSWERS
from reidr.reasoning.prompting.prompt import PREFIXES, Images, prompt_version
from reidr.reasoning.rationales.cues import extract_cues
from reidr.reasoning.types import Verdict

ANSWER_TOKENS = 16  # each tag is up to five tokens, the word one or two
NARROW = 0.02  # P(same) that is open by less is as good as read
WIDE = 0.35  # and by more is better estimated from draws, whose standard error is up to 0.18 with eight
WITHOUT_THINKING = {"chat_template_kwargs": {"enable_thinking": False}}
FRUITLESS = 3  # longer replies that bring no answer, after which none is waited for

Kind = Literal["read", "bounded", "sampled"]
Way = Literal["begun", "plain", "without thinking", "long"]
WAYS: tuple[Way, ...] = ("begun", "plain", "without thinking", "long")
"""How the direct question is put, each where the one before it brought no answer: the turn begun with `<answer>`; the
question alone; the template asked not to think; room to think first."""


@dataclass(frozen=True)
class Score:
    """The direct answer to one pair in one order.

    Attributes:
        logits: log-probabilities of yes, no and insufficient; None: no score.
        kind: read from the model's probabilities, bounded by them, or estimated from sampled answers.
        problem: why there is no score. refused: the server would not answer.
    """

    logits: Logits | None
    kind: Kind = "read"
    problem: str = ""
    refused: bool = False


@dataclass(frozen=True)
class Thought:
    """A verdict, and whether the server would not answer."""

    verdict: Verdict
    refused: bool = False


class Asker:
    """Puts questions to one model of a server. Safe to use from several threads."""

    def __init__(
        self,
        chat: Callable[..., Reply],
        name: str,
        settings: RemoteSettings,
        *,
        thinks_by_itself: bool = True,
    ) -> None:
        """Args: `chat` as `dialect.Chat.ask`; `name` of the model in verdicts.

        thinks_by_itself: whether the model may think outside the taught form, so that a thought which was cut off is
            asked for again with more room. Not our own: there the limit is the one in process.
        """
        self._chat, self._name, self._pixels, self._samples = chat, name, settings.pixels, settings.samples
        self._thinking_tokens = settings.thinking_tokens
        self._way = 0 if settings.begin_answer else 1
        self._with_probabilities: bool | None = None
        self._thinks, self._fruitless = False, 0 if thinks_by_itself else FRUITLESS

    @property
    def token_probabilities(self) -> bool:
        """Whether answers have come with usable log-probabilities; True as long as none has come at all."""
        return self._with_probabilities is not False

    def score(self, images: Images) -> Score:
        """The direct score of a pair in this order. Raises RefusedError, ReIDError as `Chat.ask`."""
        messages = messages_with(images, "score", self._pixels)
        while True:
            way = self._way
            begun = PREFIXES["score"] if WAYS[way] == "begun" else ""
            try:
                reply = self._ask_directly(messages, WAYS[way])
            except RefusedError as refusal:
                if WAYS[way] != "without thinking" or refusal.hopeless:
                    raise
                self._way = max(self._way, way + 1)  # not every server that lacks the switch names it
                continue
            read = read_reply_text(reply, begun)
            chances = self._chances(reply, read, begun)
            if chances is not None:
                return Score(*chances)
            if read.answer is not None and not begun:
                break
            fallen_short = begun or reply.cut or (reply.thought and not reply.text.strip())
            if reply.withheld or not fallen_short or way + 1 == len(WAYS):
                return Score(None, problem=reply.withheld or read.problem, refused=bool(reply.withheld))
            # Kept for all further questions: another pair of the same model will fare no better.
            self._way = max(self._way, way + 1)
        sampled = [
            read_reply_text(self._ask_directly(messages, WAYS[way], temperature=1.0, seed=seed))
            for seed in range(self._samples)
        ]
        logits, problem = estimate(sampled)
        return Score(logits, "sampled" if logits else "read", problem)

    def think(self, images: Images, settings: Thinking, seed: int, key: str) -> Thought:
        """The verdict on a pair. Raises RefusedError, ReIDError as `Chat.ask`."""
        began = time.perf_counter()
        messages = messages_with(images, "think", self._pixels)
        reply, read = self._think_aloud(messages, settings.max_new_tokens, settings.temperature, seed)
        made: dict[str, Any] = {"model": self._name, "prompt": prompt_version("think"), "key": key}
        if read.answer is None:
            made |= {"tokens": reply.generated, "seconds": time.perf_counter() - began}
            problem = reply.withheld or read.problem
            verdict = Verdict("insufficient", None, read.reasoning, (), parsable=False, problem=problem, **made)
            return Thought(verdict, refused=bool(reply.withheld))
        generated, problem = reply.generated, ""
        chances = self._chances(reply, read)
        if chances is None:
            sampled = []
            for number in range(self._samples):
                more, own = self._think_aloud(messages, settings.max_new_tokens, 1.0, seed + number)
                generated += more.generated
                sampled.append(own)
            logits, problem = estimate(sampled)
            chances = None if logits is None else (logits, "sampled")
        made |= {"tokens": generated, "seconds": time.perf_counter() - began, "problem": problem}
        probability = None
        if chances is not None:
            probability = float(yes_probability(np.array(chances[0])[None, None])[0])
            made |= {"sampled": chances[1] == "sampled", "bounded": chances[1] == "bounded"}
        cues = extract_cues(read.reasoning)
        return Thought(Verdict(ANSWERS[read.answer], probability, read.reasoning, cues, **made))

    def _chances(self, reply: Reply, read: ReadCompletion, begun: str = "") -> tuple[Logits, Kind] | None:
        """`usable_chances`; of a reply that holds an answer it is also noted whether there are any."""
        chances = usable_chances(reply, read, begun)
        if chances is not None:
            self._with_probabilities = True
        elif read.answer is not None and self._with_probabilities is None:
            self._with_probabilities = False
        return chances

    def _ask_directly(self, messages: list[dict[str, Any]], way: Way, temperature: float = 0.0, seed: int = 0) -> Reply:
        options: dict[str, Any] = {}
        tokens = ANSWER_TOKENS
        if way == "begun":
            messages = [*messages, {"role": "assistant", "content": PREFIXES["score"]}]
            options = {"continue_final_message": True, "add_generation_prompt": False}
            tokens = 1  # its alternatives are all that is wanted
        elif way == "without thinking":
            options = dict(WITHOUT_THINKING)
        elif way == "long":
            tokens += self._thinking_tokens
        return self._chat(messages, tokens, temperature=temperature, seed=seed, **options)

    def _think_aloud(
        self, messages: list[dict[str, Any]], most: int, temperature: float, seed: int
    ) -> tuple[Reply, ReadCompletion]:
        """A thought; where it was cut off before an answer, asked for again with room for the model's own thinking."""
        while True:
            thinks = self._thinks
            tokens = most + self._thinking_tokens * thinks
            reply = self._chat(messages, tokens, temperature=temperature, seed=seed)
            read = read_reply_text(reply)
            longer = reply.cut and self._thinking_tokens and self._fruitless < FRUITLESS
            if read.answer is not None or thinks or not longer:
                if thinks and read.answer is None:
                    self._fruitless += 1
                    self._thinks = self._fruitless < FRUITLESS
                return reply, read
            self._thinks = True


def read_reply_text(reply: Reply, begun: str = "") -> ReadCompletion:
    """What a reply says."""
    return read_completion(reply.text, reply.thought, cut=reply.cut, begun=begun)


def usable_chances(reply: Reply, read: ReadCompletion, begun: str = "") -> tuple[Logits, Kind] | None:
    """The answer's log-probabilities where they are known well enough, and say what the text says."""
    found = answer_chances(reply.tokens, begun)
    if found is None or found.slack > WIDE or not (begun or found.word == read.answer):
        return None
    return found.logits, "bounded" if found.slack > NARROW else "read"


def estimate(sampled: list[ReadCompletion]) -> tuple[Logits | None, str]:
    """Log-shares of the words among sampled answers, and else why there are none."""
    counts = Counter(read.answer for read in sampled)
    if counts["yes"] + counts["no"]:
        return smoothed({word: counts[word] for word in ANSWER_WORDS}), ""  # type: ignore[index]
    why = "insufficient" if counts["insufficient"] else "unreadable"
    return None, f"no usable log-probabilities, and all of {len(sampled)} sampled answers were {why}"


def smoothed(counts: Mapping[str, int]) -> Logits:
    """Logarithms of the words' shares among readable samples, half a count added to each (the Jeffreys prior).

    Only where there is a yes or a no among them: half a count each would otherwise pass for a P(same) of 0.5.
    """
    total = sum(counts.get(word, 0) + 0.5 for word in ANSWER_WORDS)
    yes, no, doubt = (math.log((counts.get(word, 0) + 0.5) / total) for word in ANSWER_WORDS)
    return yes, no, doubt
