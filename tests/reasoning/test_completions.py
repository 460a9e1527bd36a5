"""The one reader of completions: by hand, and for any text."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reidr.reasoning.prompting.chances import Token, answer_chances
from reidr.reasoning.prompting.completions import read_completion
from reidr.reasoning.prompting.grammar import ANSWER_WORDS, try_parse

THOUGHT = "Shoes agree."

READ = [
    # the taught form
    ("<think>Shoes agree.</think><answer>yes</answer>", "yes", THOUGHT),
    ("<think>Shoes agree.</think>\n<answer>insufficient</answer>", "insufficient", THOUGHT),
    # spelling
    ("<think>Shoes agree.</think><answer>Yes</answer>", "yes", THOUGHT),
    ("<think>Shoes agree.</think>\n\n<answer>\nYES\n</answer>\n", "yes", THOUGHT),
    ("<think>Shoes agree.</think><answer> **No**. </answer>", "no", THOUGHT),
    ('<think>Shoes agree.</think><answer>"no"</answer>', "no", THOUGHT),
    ("<think>Shoes agree.</think><ANSWER>No</ANSWER>", "no", THOUGHT),
    ("<think>Shoes agree.</think>< answer >no< / answer >", "no", THOUGHT),
    ("<think>Shoes agree.</think><answer>Insufficient information</answer>", "insufficient", THOUGHT),
    ("<think>Shoes agree.</think><answer>\u00a0yes\u3000</answer>", "yes", THOUGHT),
    ("<think>Shoes agree.</think><answer>yes</answer><|im_end|>", "yes", THOUGHT),
    ("<think>Shoes agree.</think><answer><|begin_of_box|>yes<|end_of_box|></answer>", "yes", THOUGHT),
    ("<think>Shoes agree.</think><answer>yes", "yes", THOUGHT),
    ("<think>Shoes agree.</think><answer><answer>yes</answer></answer>", "yes", THOUGHT),
    # where the thought stands
    ("Shoes agree.\n</think>\n\n<answer>yes</answer>", "yes", THOUGHT),
    ("Shoes agree. <answer>yes</answer>", "yes", THOUGHT),
    ("[THINK]Shoes agree.[/THINK]<answer>yes</answer>", "yes", THOUGHT),
    ("◁think▷Shoes agree.◁/think▷yes", "yes", THOUGHT),
    ("<thinking>Shoes agree.</thinking>**Yes**", "yes", THOUGHT),
    ("<think>Reply with <answer>yes</answer> or <answer>no</answer>?</think><answer>no</answer>", "no",
     "Reply with <answer>yes</answer> or <answer>no</answer>?"),
    ("<think>Is it <think> or not? </think> Hm.</think><answer>no</answer>", "no",
     "Is it <think> or not? </think> Hm."),
    ("<think>Shoes agree. <answer>yes</answer></think>", "yes", "Shoes agree. <answer>yes</answer>"),
    ("<think>Shoes agree. <answer>yes</answer>", "yes", THOUGHT),
    # without tags
    ("yes", "yes", ""),
    ("**Yes.**", "yes", ""),
    ("The answer is: no.", "no", ""),
    ("Shoes agree.\n\nFinal answer: **yes**", "yes", THOUGHT),
    ("Shoes agree. \\boxed{\\text{No}}", "no", THOUGHT),
    # said twice
    ("<answer>yes</answer> So: <answer>Yes</answer>", "yes", "<answer>yes</answer> So:"),
]  # fmt: skip

NOT_READ = [
    ("", "the reply is empty"),
    (" \n ", "the reply is empty"),
    ("<|im_end|>", "the reply is empty"),
    ("I think so", "no answer could be found"),
    ("I do not know", "no answer could be found"),
    ("There is no bag.", "no answer could be found"),
    ("I cannot say.\nno", "no answer could be found"),
    ("<answer></answer>", "no answer could be found"),
    ("<answer>maybe</answer>", "the answer is 'maybe' instead of one of yes, no, insufficient"),
    ("<answer>yes/no</answer>", "the answer is 'yes/no'"),
    ("<answer>yes or no</answer>", "the answer is 'yes or no'"),
    ("<answer>nothing</answer>", "the answer is 'nothing'"),
    ("<answer>maybe</answer><answer>yes</answer>", "the answer is 'maybe'"),
    ("<answer>yes</answer><answer>no</answer>", "several answers that differ"),
    ("<think>Shoes", "its thought has no end"),
    ("<think>yes", "its thought has no end"),
]


@pytest.mark.parametrize(("text", "word", "reasoning"), READ)
def test_what_is_read(text: str, word: str, reasoning: str) -> None:
    read = read_completion(text)
    assert (read.answer, read.reasoning, read.problem) == (word, reasoning, "")
    assert read.taught == (try_parse(text) is not None)


@pytest.mark.parametrize(("text", "problem"), NOT_READ)
def test_what_is_not_read_says_why(text: str, problem: str) -> None:
    read = read_completion(text)
    assert read.answer is None
    assert read.problem.startswith(problem) or problem in read.problem
    assert not read.taught


def test_a_thought_that_a_parser_took_out() -> None:
    assert read_completion("\n\n<answer>no</answer>", "Bag differs.").reasoning == "Bag differs."
    assert read_completion("<answer>no</answer>", "Bag differs.").taught
    own = read_completion("<think>Shoes agree.</think><answer>yes</answer>", "Okay, let me look.")
    assert (own.answer, own.reasoning) == ("yes", THOUGHT)
    # Without </think> in the reply some parsers take the answer for thought.
    swallowed = read_completion("", "Shoes agree. <answer>yes</answer>")
    assert (swallowed.answer, swallowed.reasoning) == ("yes", THOUGHT)


def test_thinking_that_never_ends_says_what_to_do() -> None:
    for text, thought in (("<think>Okay, let me", ""), ("", "Okay, let me"),
                          ("<think>I shall write <answer>yes</answer> or", "")):  # fmt: skip
        problem = read_completion(text, thought, cut=True).problem
        assert "thinking did not end within the token limit; raise the limit, or switch thinking off" in problem
    # "no" may have become "not".
    for text in ("Let us compare both", "<answer>no", "<answer>ye", "<think>Shoes.</think><answer>no", "Answer: no"):
        assert "cut off at the token limit" in read_completion(text, cut=True).problem
    assert read_completion("<answer>no</answer> They", cut=True).answer == "no"


def test_a_turn_that_was_begun_for_the_model() -> None:
    assert read_completion("yes</answer>", begun="<answer>").answer == "yes"
    assert read_completion(" Yes", begun="<answer>").answer == "yes"
    assert read_completion("maybe", begun="<answer>").answer is None


ANY = st.text(max_size=300) | st.lists(
    st.sampled_from(["<think>", "</think>", "<answer>", "</answer>", "yes", "No", "\n", " ", "Answer:", "\\boxed{", "}",
                     "<|im_end|>", "<", "hair", "**", "insufficient"]), max_size=14,
).map("".join)  # fmt: skip


@given(ANY, ANY, st.booleans())
@settings(max_examples=400, deadline=None)
def test_any_text_is_read_or_says_why(text: str, thought: str, cut: bool) -> None:
    for thoughts in ("", thought):
        read = read_completion(text, thoughts, cut=cut)
        assert (read.answer is None) == bool(read.problem)
        assert read.answer is None or read.answer in ANSWER_WORDS
    taught = try_parse(text)
    if taught is not None:
        read = read_completion(text)
        assert (read.answer, read.reasoning, read.taught) == (taught.answer, taught.reasoning, True)
        assert read.opened == text.index("<answer>") + len("<answer>")


@given(
    st.text(alphabet=st.characters(exclude_characters="<>\\"), max_size=60),
    st.sampled_from(ANSWER_WORDS).flatmap(
        lambda word: st.tuples(*(st.sampled_from([c, c.upper()]) for c in word)).map("".join)
    ),
    st.tuples(*[st.text(alphabet=" \t\r\n\u00a0*_.", max_size=4)] * 2),
    st.text(alphabet=st.characters(exclude_characters="<>\\"), max_size=60),
)
@settings(max_examples=300, deadline=None)
def test_exactly_one_answer_tag_is_read(before: str, word: str, around: tuple[str, str], after: str) -> None:
    text = f"{before}<answer>{around[0]}{word}{around[1]}</answer>{after}"
    assert read_completion(text).answer == word.lower()
    assert read_completion(f"<think>{before}</think>{text}").answer == word.lower()


def test_long_texts_take_linear_time() -> None:
    began = time.perf_counter()
    long = ["<" + " " * 50_000, "<answer>" * 20_000, "<answer>" + "*" * 100_000, "\\boxed{" + " " * 50_000]
    long += ["Answer" + ":" * 100_000, "<think>" * 20_000, "<answer>yes</answer>" * 5_000, "yes " * 50_000]
    for text in long:
        read_completion(text)
    assert time.perf_counter() - began < 5.0


# ---- log-probabilities


def log(p: float) -> float:
    return math.log(p)


def same(tokens: list[Token], begun: str = "") -> float:
    found = answer_chances(tokens, begun)
    assert found is not None
    yes, no, _ = found.logits
    return 1 / (1 + math.exp(no - yes))


def sure(*texts: str) -> list[Token]:
    return [Token(text, -0.01, {text: -0.01}) for text in texts]


NINE = {"yes": log(0.9), "no": log(0.08), "ins": log(0.01), "maybe": log(0.005)}


@pytest.mark.parametrize(
    "lead",
    [["<answer>"], ["<", "answer", ">"], ["<", "ans", "wer>"], ["Hm. <answer>"], ["<think>x</think>", "<answer>"],
     ["x", "</think>", "\n\n", "<answer>"]],
)  # fmt: skip
def test_the_word_after_the_tag_however_it_is_split(lead: list[str]) -> None:
    found = answer_chances([*sure(*lead), Token("yes", log(0.9), NINE), *sure("</", "answer", ">")])
    assert found is not None
    assert found.logits == (NINE["yes"], NINE["no"], NINE["ins"])
    assert found.slack == 0


def test_all_spellings_of_a_word_count_together() -> None:
    chances = {" Yes": log(0.5), "yes": log(0.2), "YES": log(0.1), " no": log(0.15), "No": log(0.05)}
    assert same([*sure("<answer>"), Token(" Yes", log(0.5), chances)]) == pytest.approx(0.8)


def test_a_token_that_holds_the_end_of_the_tag_too() -> None:
    chances = {">yes": log(0.6), ">no": log(0.2), "> ": log(0.1)}
    assert same([*sure("<", "answer"), Token(">yes", log(0.6), chances)]) == pytest.approx(0.75)
    merged = [
        *sure("<", "answer"),
        Token(">\n", -0.01, {">\n": -0.01}),
        Token("Yes", log(0.9), {"Yes": log(0.9), "No": log(0.1)}),
    ]
    assert same(merged) == pytest.approx(0.9)


def test_a_word_in_pieces() -> None:
    pieces = [*sure("<answer>"), Token("y", log(0.7), {"y": log(0.7), "n": log(0.3)}), *sure("es", "</answer>")]
    assert same(pieces) == pytest.approx(0.7)
    # Whole words take no single letter for a word.
    whole = [*sure("<answer>"), Token("yes", log(0.6), {"yes": log(0.6), "n": log(0.2), "no": log(0.2)})]
    assert same(whole) == pytest.approx(0.75)


def test_the_way_over_a_line_break_and_the_way_without_it_add_up() -> None:
    first = {"\n": log(0.3), "yes": log(0.6), "no": log(0.1)}
    second = {"Yes": log(0.9), "No": log(0.1)}
    tokens = [*sure("<answer>"), Token("\n", log(0.3), first), Token("Yes", log(0.9), second)]
    assert same(tokens) == pytest.approx((0.6 + 0.27) / (0.6 + 0.27 + 0.1 + 0.03))


def test_the_written_token_alone_bounds_the_rest() -> None:
    found = answer_chances([*sure("<answer>"), Token("yes", log(0.9), {"yes": log(0.9)})])
    assert found is not None
    assert math.exp(found.logits[0]) == pytest.approx(0.9)
    assert math.exp(found.logits[1]) == pytest.approx(0.1)
    assert found.slack == pytest.approx(0.1)
    # Placeholders for "never" are no chances.
    shut = answer_chances([*sure("<answer>"), Token("no", log(0.9), {"no": log(0.9), "x": -9999.0})])
    assert shut is not None
    assert shut.slack == pytest.approx(0.1)
    # Among twenty alternatives what is missing is at most as likely as the least.
    many = answer_chances([*sure("<answer>"), Token("no", -0.1, {"no": -0.1, "x": -7.0})])
    assert many is not None
    assert many.logits == (-7.0, -0.1, -7.0)


def test_no_evidence_is_no_score() -> None:
    assert answer_chances([]) is None
    assert answer_chances(sure("yes or no")) is None
    assert answer_chances([Token("<answer>"), Token("yes"), Token("</answer>")]) is None
    doubt = Token("insufficient", log(0.95), {"insufficient": log(0.95)})
    assert answer_chances([*sure("<answer>"), doubt]) is None
    different = [*sure("<answer>"), Token("yes", -0.1, NINE), *sure("</answer><answer>"), Token("no", -0.1, NINE)]
    assert answer_chances(different) is None


def test_after_a_turn_that_was_begun_the_first_token_is_the_place() -> None:
    assert same([Token("yes", log(0.9), NINE)], "<answer>") == pytest.approx(0.9 / 0.98)
    # Whatever was written there, as in process.
    assert same([Token("maybe", log(0.005), NINE)], "<answer>") == pytest.approx(0.9 / 0.98)
