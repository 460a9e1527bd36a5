"""The answer words' chances where a completion gives its answer, from the log-probabilities of its tokens."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from reidr.reasoning.prompting.completions import DECORATION, OPENING, WIDE_LETTERS, Place, place_of
from reidr.reasoning.prompting.grammar import ANSWER_WORDS, AnswerWord

LETTERS = re.compile(rf"(?:{DECORATION})([a-z]+)", re.I | re.A)
NEVER = -1000.0
"""Log-probabilities below are placeholders (vLLM and OpenAI say -9999), not chances."""
ROUNDING = 1e-6  # what log-probabilities in single precision leave of a sum


@dataclass(frozen=True)
class Token:
    """One token of a completion.

    Attributes:
        text: as it stands in the text. own: log-probability of this very token, None where unknown.
        chances: log-probabilities by text of what could stand here, this token among them where its own is known.
    """

    text: str
    own: float | None = None
    chances: Mapping[str, float] | None = None


@dataclass(frozen=True)
class AnswerChances:
    """Log-probabilities of yes, no and insufficient where an answer was written.

    Attributes:
        word: the answer that was written there; None for another word, after a turn that was begun.
        slack: how far P(same) may be from what they give, because a word was not listed and only bounded: 0 where both
            yes and no were.
    """

    logits: tuple[float, float, float]
    slack: float = 0.0
    word: AnswerWord | None = None


def answer_chances(tokens: Sequence[Token], begun: str = "") -> AnswerChances | None:
    """Log-probabilities of the answer words where the tokens give the answer; None where that cannot be told.

    All spellings of a word count together (`yes`, ` Yes`, `YES`), and so do the places between the tag and the word
    where it could have been written already: after `<answer>` came a line break with 0.3 and `yes` with 0.6, after the
    line break `yes` with 0.9: 0.6 + 0.3 * 0.9. A word that is not listed is at most as likely as the least that is, and
    as what is left of 1; where that leaves P(same) open, `slack` says how far.

    Args:
        begun: how the turn was begun; after `<answer>` the first token is the answer's place whatever it is.
    """
    texts = [token.text for token in tokens]
    joined = begun + "".join(texts)
    place, _ = place_of(joined)
    written = None if place is None else place.word
    if place is None and OPENING.search(begun) and tokens:
        place = Place("insufficient", len(begun), len(begun), 0)
    if place is None:
        return None
    listed: dict[str, list[float]] = {word: [] for word in ANSWER_WORDS}
    carried, end = 0.0, len(begun)  # log-probability of what was written since the tag; where the last token ended
    for token in tokens:
        start, end = end, end + len(token.text)
        if end <= place.opened:
            continue
        last = end > place.start
        chances = {text: value for text, value in (token.chances or {}).items() if value > NEVER}
        lead = joined[start : place.opened]
        pieces = last and is_piece(joined[max(start, place.start) : end], place.word)
        found: dict[str, list[float]] = {word: [] for word in ANSWER_WORDS}
        for text, value in chances.items():
            word = word_of(text[len(lead) :], pieces) if text.startswith(lead) else None
            if word is not None:
                found[word].append(value)
                listed[word].append(carried + value)
        if last:
            found_here = bounded(listed, chances, carried)
            return None if found_here is None else replace(found_here, word=written)
        taken = 1.0 - sum(math.exp(value) for values in found.values() for value in values)
        carried += min(0.0 if token.own is None else token.own, math.log(max(taken, ROUNDING)))
    return None


def bounded(listed: Mapping[str, list[float]], chances: Mapping[str, float], carried: float) -> AnswerChances | None:
    """The words' log-probabilities, missing ones bounded from above; None where neither yes nor no is known."""
    if not (listed["yes"] or listed["no"]) or not chances:
        return None
    left = 1.0 - sum(math.exp(value) for value in chances.values())
    floor = carried + min(min(chances.values()), math.log(max(left, ROUNDING)))
    yes, no, insufficient = (together(listed[word]) if listed[word] else floor for word in ANSWER_WORDS)
    slack = 0.0
    if not (listed["yes"] and listed["no"]):
        slack = 1.0 / (1.0 + math.exp(min(abs(yes - no), 700.0))) if (yes >= no) == bool(listed["yes"]) else 0.5
    return AnswerChances((yes, no, insufficient), slack)


def together(values: Sequence[float]) -> float:
    """Logarithm of the sum of the probabilities; one value as it is, to the last bit."""
    if len(values) == 1:
        return values[0]
    most = max(values)
    return most + math.log(sum(math.exp(value - most) for value in values))


def is_piece(written: str, word: AnswerWord) -> bool:
    """Whether a token holds only the beginning of the answer word."""
    found = LETTERS.match(written.translate(WIDE_LETTERS))
    return found is not None and found[1].lower() != word and word.startswith(found[1].lower())


def word_of(text: str, pieces: bool) -> AnswerWord | None:
    """Which answer word a token begins, None for none; where words come in `pieces`, one letter is enough.

    Tokenizers that keep yes and no whole split "insufficient": two of its letters stand for it.
    """
    found = LETTERS.match(text.translate(WIDE_LETTERS))
    if found is None:
        return None
    letters = found[1].lower()
    for word in ANSWER_WORDS:
        least = 1 if pieces else 2 if word == "insufficient" else len(word)
        if len(letters) >= least and word.startswith(letters):
            return cast(AnswerWord, word)
    return None
