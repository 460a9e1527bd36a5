"""The one reader of completions: from text, or text with log-probabilities, to an answer, its chances and its reasons.

Whatever writes (a model in this process, any server) is read here, by one rule: what is not said is no score.

- A completion in the taught form (`grammar.parse_completion`) is read as that form says.
- Any other is read leniently in its spelling and strictly in its meaning. `Yes`, `**yes**.`, line breaks, a thought
  that the template opened or that a server handed over apart: read. Two answers that differ, an answer that is none of
  the three words, a word somewhere in a sentence: not read, and `problem` says why.

Training pays for the taught form alone (`ReadCompletion.taught`): a reward for looser ones would unteach it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import cast

from reidr.reasoning.prompting.grammar import ANSWER_WORDS, AnswerWord, try_parse

READING = 3
"""Counts up whenever a completion may be read otherwise than before: part of the cache keys of what was read."""

SPACE = r"\s\u00a0\u1680\u2000-\u200d\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
MARKS = "｡…·•–—―。、।۔“”‘’‚„‹›«»「」『』【】〈〉《》✅✔☑✓\ufe0f"  # none that asks, denies or joins two words
DECORATION = rf"[{SPACE}{MARKS}*_`~\"'()\[\]{{}}.,:;!#|>-]*"
WIDE_LETTERS = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}  # as Chinese and Japanese keyboards write ASCII
WORD = rf"(?P<word>{'|'.join(ANSWER_WORDS)})(?:[{SPACE}]+(?:information|evidence|details?|data))?"
DECORATED = re.compile(rf"{DECORATION}{WORD}{DECORATION}", re.I | re.A)
NAME = r"(?:final[ _]?)?(?:answer|verdict|decision)"
SAID = re.compile(rf"{DECORATION}(?:(?:the |my )?{NAME}{DECORATION}(?:is)?{DECORATION}){WORD}{DECORATION}", re.I | re.A)
FEW = rf"[{SPACE}]{{0,9}}"
NAMED = re.compile(rf'"{NAME}"{FEW}:{FEW}"{DECORATION}{WORD}{DECORATION}"', re.I | re.A)
ANSWER_KEY = re.compile(NAME, re.I | re.A)
FENCED = re.compile(r"```[a-z]{0,9}[^\S\n]*\n(.{0,4000}?)\n?[^\S\n]*```", re.I | re.S)
BOXED = re.compile(rf"\\boxed{FEW}\{{{FEW}(?:\\text{FEW}\{{)?{FEW}{WORD}{FEW}\}}", re.I | re.A)
OPENING = re.compile(rf"<[{SPACE}]*answer[{SPACE}]*>", re.I | re.A)
CLOSING = re.compile(rf"<[{SPACE}]*/[{SPACE}]*answer[{SPACE}]*>", re.I | re.A)
THOUGHT = r"(?:think|thinking|thought|reasoning)"
THINK_BEGINS = re.compile(rf"<[{SPACE}]*{THOUGHT}[{SPACE}]*>|\[THINK\]|◁think▷", re.I)
THINK_ENDS = re.compile(rf"<[{SPACE}]*/[{SPACE}]*{THOUGHT}[{SPACE}]*>|\[/THINK\]|◁/think▷", re.I)
CONTROL = re.compile(r"<\|[^|<>\n]{1,40}\|>|</?s>|<eos>|<(?:start|end)_of_turn>", re.I)

LONGEST_BEFORE_JSON = 20_000
LONGEST_BARE = 400  # characters of an answer without tags, its decoration included


@dataclass(frozen=True)
class Place:
    """Where a text gives its answer (characters).

    Attributes:
        start: where the word begins. opened: where the tag before it ends. begins: where all that belongs to the answer
            begins, its tag too.
    """

    word: AnswerWord
    start: int
    opened: int
    begins: int


@dataclass(frozen=True)
class ReadCompletion:
    """What a completion says.

    Attributes:
        answer: the answer word, None where none could be read.
        reasoning: the thought, or the words before the answer, stripped; the whole text where nothing could be read.
        opened: character of the text at which the answer begins, its tag before it; None without an answer, and where
            the answer does not stand in the text itself.
        taught: whether it follows the taught form to the letter.
        problem: one clause that says why there is no answer; empty where there is one.
    """

    answer: AnswerWord | None
    reasoning: str
    opened: int | None = None
    taught: bool = False
    problem: str = ""


def read_completion(text: str, thought: str = "", *, cut: bool = False, begun: str = "") -> ReadCompletion:
    """Read a completion; any text is read or comes back with a `problem`.

    Args:
        thought: what a server's parser has taken out of the text as reasoning.
        cut: whether the completion ended at its token limit.
        begun: how the assistant's turn was begun for the model; not part of `text`.
    """
    if not text.strip() and thought.strip() and not begun:
        # A parser that waited for </think> in vain hands over everything, the answer too, as thought.
        inside = read_completion(thought, cut=cut)
        if inside.answer is not None:
            return ReadCompletion(inside.answer, inside.reasoning, None, inside.taught)
        problem = NEVER_ENDED if cut else "the reply holds a thought and no answer"
        return ReadCompletion(None, thought.strip(), problem=problem)
    whole = begun + text
    given = try_parse(f"<think>{thought}</think>{whole}" if thought and not THINK_ENDS.search(whole) else whole)
    if given is not None:
        return ReadCompletion(given.answer, given.reasoning, place_of(whole)[0].opened, True)  # type: ignore[union-attr]
    place, problem = place_of(whole, cut=cut)
    if place is None:
        return ReadCompletion(None, whole.strip() or thought.strip(), problem=problem)
    return ReadCompletion(
        place.word, reasoning_of(whole, place) if not thought else own_thought(whole) or thought.strip(), place.opened
    )


NEVER_ENDED = (
    "its thinking did not end within the token limit; raise the limit, or switch thinking off where the model is served"
)


def place_of(text: str, *, cut: bool = False) -> tuple[Place | None, str]:
    """Where `text` gives its answer, and else why it gives none. Takes time linear in its length."""
    plain = CONTROL.sub(blank, text.translate(WIDE_LETTERS))
    ends = end_of_thought(plain)
    thinking = ends is None and THINK_BEGINS.search(plain) is not None
    if thinking and cut:
        return None, NEVER_ENDED
    final = 0 if ends is None else ends.end()
    places, unknown = tagged(plain, final, cut)
    if unknown:
        return None, f"the answer is {unknown[0][:40]!r} instead of one of {', '.join(ANSWER_WORDS)}"
    if len({place.word for place in places}) > 1:
        return None, NEVER_ENDED if thinking else "it gives several answers that differ"
    if places:
        return places[-1], ""
    found = None if thinking or cut else untagged(plain, final)
    if found is not None:
        return found, ""
    # An answer inside the thought counts where it is the only one there, and none follows.
    inside, others = tagged(plain, 0, cut) if final else ([], [])
    if len(inside) == 1 and not others:
        return inside[0], ""
    if not plain.strip():
        return None, "the reply is empty"
    if thinking:
        return None, "its thought has no end"
    return (
        None,
        "it was cut off at the token limit before an answer" if cut else "no answer could be found in the reply",
    )


def tagged(plain: str, final: int, cut: bool) -> tuple[list[Place], list[str]]:
    """The answers between answer tags from character `final` on, and what else stands between such tags.

    The end tag may be missing at the end, but not where the text was cut off: "no" may have become "not".
    """
    places, unknown = [], []
    openings = list(OPENING.finditer(plain, final))
    for number, opening in enumerate(openings):
        limit = openings[number + 1].start() if number + 1 < len(openings) else len(plain)
        closing = CLOSING.search(plain, opening.end(), limit)
        if closing is None and cut and limit == len(plain):
            continue
        inside = plain[opening.end() : closing.start() if closing else limit]
        word = DECORATED.fullmatch(inside)
        if word is not None:
            start = opening.end() + word.start("word")
            places.append(Place(cast(AnswerWord, word["word"].lower()), start, opening.end(), opening.start()))
        elif inside.strip():
            unknown.append(" ".join(inside[:200].split()))
    return places, unknown


def untagged(plain: str, final: int) -> Place | None:
    """An answer without tags: a boxed one, one in JSON, the bare word alone, or a last line that says "Answer: …".

    A tag that ends it may stand there by itself: the one that begins it was the template's.
    """
    plain = plain[:final] + CLOSING.sub(blank, plain[final:])
    boxed = list(BOXED.finditer(plain, final))
    if len({each["word"].lower() for each in boxed}) == 1:
        place = boxed[-1].start("word")
        return Place(cast(AnswerWord, boxed[-1]["word"].lower()), place, place, boxed[0].start())
    named = in_json(plain, final)
    if named is not None:
        return named
    last = max(plain.rstrip().rfind("\n") + 1, final)
    for start, pattern in ((final, DECORATED), (final, SAID), (last, SAID)):
        found = pattern.fullmatch(plain, start) if len(plain) - start <= LONGEST_BARE else None
        if found is not None:
            place = found.start("word")
            return Place(cast(AnswerWord, found["word"].lower()), place, place, start)
    return None


def in_json(plain: str, final: int) -> Place | None:
    """The answer of a text that is, or ends in, one JSON object (fenced or not) with one key of that name."""
    body, start = plain.rstrip(), final
    begins = None
    fenced = list(FENCED.finditer(body, final))
    if fenced and fenced[-1].end() == len(body):
        start, body, begins = fenced[-1].start(1), body[: fenced[-1].end(1)].rstrip(), fenced[-1].start()
    start = body.find("{", start, start + LONGEST_BEFORE_JSON)
    if start < 0 or not body.endswith("}"):
        return None
    found = list(NAMED.finditer(body, start))
    try:
        given = json.loads(body[start:], object_pairs_hook=list)
    except (ValueError, RecursionError):
        return None
    values = [value for name, value in given if ANSWER_KEY.fullmatch(name)]
    if len(found) != 1 or len(values) != 1 or not isinstance(values[0], str) or not DECORATED.fullmatch(values[0]):
        return None
    place = found[0].start("word")
    if values[0] is not given[0][1]:
        begins = found[0].start()  # what stands before it are its reasons
    return Place(cast(AnswerWord, found[0]["word"].lower()), place, place, start if begins is None else begins)


def blank(found: re.Match[str]) -> str:
    """As many spaces, so that places stay what they are."""
    return " " * len(found[0])


def end_of_thought(text: str) -> re.Match[str] | None:
    """The last tag that ends a thought: those before it are quoted in the thought."""
    found = None
    for each in THINK_ENDS.finditer(text):
        found = each
    return found


def own_thought(text: str) -> str:
    """What stands in `text` as a thought: up to its end tag, from its beginning tag where there is one."""
    ends = end_of_thought(text)
    if ends is None:
        return ""
    begins = THINK_BEGINS.search(text, 0, ends.start())
    return text[begins.end() if begins else 0 : ends.start()].strip()


def reasoning_of(text: str, place: Place) -> str:
    """The thought of a text that gives an answer, or else the words before the answer."""
    thought = own_thought(text)
    if thought:
        return thought
    begins = THINK_BEGINS.search(text, 0, place.start)
    words = CONTROL.sub(" ", text[begins.end() if begins else 0 : place.begins]).strip()
    return words if any(map(str.isalnum, words)) else ""
