from __future__ import annotations

import time

import pytest

from reidr.errors import AnswerFormatError
from reidr.reasoning.prompting.grammar import ANSWERS, MAXIMUM_CHARACTERS, ParsedAnswer, parse_completion, try_parse
from reidr.reasoning.prompting.prompt import QUESTIONS

R = "<think>Both wear a red coat.</think>"  # a reasoning that is in order
COAT = "Both wear a red coat."

ACCEPTED = [
    (R + "<answer>yes</answer>", "yes", COAT),
    (R + "<answer>no</answer>", "no", COAT),
    (R + "<answer>insufficient</answer>", "insufficient", COAT),
    (R + "\n<answer>yes</answer>", "yes", COAT),
    (R + "\r\n\r\n<answer>yes</answer>\n", "yes", COAT),
    ("  \n" + R + " \t <answer>no</answer>  \n", "no", COAT),
    ("<think>\nline one\nline two\n</think><answer>no</answer>", "no", "line one\nline two"),
    ("<think>yes yes no yes</think><answer>no</answer>", "no", "yes yes no yes"),
    ("<think>a < b, x > y & 2 <3</think><answer>yes</answer>", "yes", "a < b, x > y & 2 <3"),
    ("<think>Schuhe weiß, 同じ靴</think><answer>yes</answer>", "yes", "Schuhe weiß, 同じ靴"),
    ("<think>the answer is not clear</think><answer>insufficient</answer>", "insufficient", "the answer is not clear"),
]

REFUSED = [
    # nothing, or not all of it
    ("", "empty"),
    (" \n\t ", "empty"),
    ("yes", "<think> occurs 0"),
    ("I do not know", "<think> occurs 0"),
    ("another noticeably similar coat", "<think> occurs 0"),
    ("<answer>yes</answer>", "<think> occurs 0"),
    (R, "<answer> occurs 0"),
    ("<think>Both wear a red", "</think> occurs 0"),
    (R + "<answer>", "</answer> occurs 0"),
    (R + "<answer>ye", "</answer> occurs 0"),
    (R + "<answer>yes", "</answer> occurs 0"),
    (R + "<answer>yes</answer", "</answer> occurs 0"),
    (R + "yes", "<answer> occurs 0"),
    (R + "yes</answer>", "<answer> occurs 0"),
    ("Both wear a red coat.</think><answer>yes</answer>", "<think> occurs 0"),
    # too much of it
    (R + "<answer>yes</answer><answer>no</answer>", "<answer> occurs 2"),
    (R + "<answer>no</answer><answer>no</answer>", "<answer> occurs 2"),
    (R + R + "<answer>yes</answer>", "<think> occurs 2"),
    ("<think><think>coat</think></think><answer>yes</answer>", "<think> occurs 2"),
    ("<think>coat</think></think><answer>yes</answer>", "</think> occurs 2"),
    (R + "<answer><answer>yes</answer></answer>", "<answer> occurs 2"),
    (QUESTIONS["think"] + R + "<answer>yes</answer>", "occurs 2"),
    ("<think>" + QUESTIONS["score"] + "</think><answer>yes</answer>", "<answer> occurs 4"),
    (R + "<answer>yes</answer>" + R + "<answer>yes</answer>", "<think> occurs 2"),
    # in another order, or one inside the other
    ("<answer>yes</answer>" + R, "not in the order"),
    ("<think>coat <answer>yes</answer></think>", "not in the order"),
    ("<answer><think>coat</think>yes</answer>", "not in the order"),
    ("</think>coat<think><answer>yes</answer>", "not in the order"),
    (R + "</answer>yes<answer>", "not in the order"),
    ("<think>coat<answer></think>yes</answer>", "not in the order"),
    # text around
    ("Sure! " + R + "<answer>yes</answer>", "text before"),
    ("assistant\n" + R + "<answer>yes</answer>", "text before"),
    ("```\n" + R + "<answer>yes</answer>\n```", "text before"),
    (R + "So: <answer>yes</answer>", "text between"),
    (R + "<answer>yes</answer>.", "text after"),
    (R + "<answer>yes</answer> I am sure.", "text after"),
    (R + "<answer>yes</answer>\n```", "text after"),
    (R + "\u00a0<answer>yes</answer>", "text between"),
    (R + "<answer>yes</answer>\u3000", "text after"),
    # another word
    (R + "<answer></answer>", "the answer is ''"),
    (R + "<answer>yes/no</answer>", "the answer is 'yes/no'"),
    (R + "<answer>yes or no</answer>", "the answer is"),
    (R + "<answer>yes|no|insufficient</answer>", "the answer is"),
    (R + "<answer>Yes</answer>", "the answer is 'Yes'"),
    (R + "<answer>NO</answer>", "the answer is 'NO'"),
    (R + "<answer> yes </answer>", "the answer is"),
    (R + "<answer>\nyes\n</answer>", "the answer is"),
    (R + "<answer>yes.</answer>", "the answer is"),
    (R + "<answer>**yes**</answer>", "the answer is"),
    (R + "<answer>same</answer>", "the answer is 'same'"),
    (R + "<answer>not the same, no</answer>", "the answer is"),
    (R + "<answer>insufficient evidence</answer>", "the answer is"),
    (R + "<answer>1</answer>", "the answer is"),
    (R + "<answer>yеs</answer>", "the answer is"),  # Cyrillic e
    (R + "<answer>ｙｅｓ</answer>", "the answer is"),  # full-width letters
    (R + "<answer>yes" + "s" * 1000 + "</answer>", "the answer is"),
    # tags that are none
    ("<THINK>coat</THINK><ANSWER>yes</ANSWER>", "<think> occurs 0"),
    (R + "＜answer＞yes＜/answer＞", "<answer> occurs 0"),
    (R + "&lt;answer&gt;yes&lt;/answer&gt;", "<answer> occurs 0"),
    (R + "<answer >yes</answer >", "<answer> occurs 0"),
    (R + '<answer value="yes"/>', "<answer> occurs 0"),
    ("<think>coat <Answer>no</Answer></think><answer>yes</answer>", "looks like"),
    ("<think>coat < / think ></think><answer>yes</answer>", "looks like"),
    ("<thinking>coat</thinking>" + R + "<answer>yes</answer>", "looks like"),
    ("<think>coat <answer x>no</think><answer>yes</answer>", "looks like"),
    # what cannot be seen, or belongs to the chat format
    (R + "<answer>y\u200bes</answer>", "U\\+200B"),
    (R + "\u200b<answer>yes</answer>", "U\\+200B"),
    (R + "<answer>yes</answer>\ufeff", "U\\+FEFF"),
    ("<think>coat \u202e differs</think><answer>yes</answer>", "U\\+202E"),
    ("<think>coat \x00</think><answer>yes</answer>", "U\\+0000"),
    ("<think>coat \x1b[2J</think><answer>yes</answer>", "U\\+001B"),
    ("<think>coat \ud800</think><answer>yes</answer>", "U\\+D800"),
    (R + "<answer>yes</answer><|im_end|>", "control token"),
    ("<think><|im_end|>\n<|im_start|>user coat</think><answer>yes</answer>", "control token"),
    ("<think>coat <|image_pad|></think><answer>yes</answer>", "control token"),
    # a reasoning without a reason
    ("<think></think><answer>yes</answer>", "reasoning is empty"),
    ("<think> \n </think><answer>yes</answer>", "reasoning is empty"),
    ("<think>...</think><answer>no</answer>", "reasoning is empty"),
    ("<think>" + "coat " * MAXIMUM_CHARACTERS + "</think><answer>yes</answer>", "characters, more than"),
]


@pytest.mark.parametrize(("text", "answer", "reasoning"), ACCEPTED)
def test_completions_that_follow_the_grammar(text: str, answer: str, reasoning: str) -> None:
    assert parse_completion(text) == ParsedAnswer(answer, reasoning)
    assert try_parse(text) == ParsedAnswer(answer, reasoning)


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_completions_that_break_the_grammar(text: str, reason: str) -> None:
    with pytest.raises(AnswerFormatError, match=reason):
        parse_completion(text)
    assert try_parse(text) is None


def test_every_cut_of_a_good_completion_is_refused() -> None:
    whole = R + "\n<answer>insufficient</answer>"
    assert [cut for cut in range(len(whole)) if try_parse(whole[:cut]) is not None] == []


def test_every_single_letter_changed_in_the_frame_is_refused() -> None:
    whole = R + "<answer>no</answer>"
    start, end = whole.index(COAT), whole.index(COAT) + len(COAT)
    for i in [*range(start), *range(end, len(whole))]:
        assert try_parse(whole[:i] + "~" + whole[i + 1 :]) is None, i


def test_huge_input_is_refused_at_once() -> None:
    began = time.perf_counter()
    assert try_parse("<think>" * 2_000_000) is None
    assert try_parse(("<" + " " * 9_000) * 2) is None
    assert time.perf_counter() - began < 1.0


def test_answer_words_become_verdicts() -> None:
    assert ANSWERS == {"yes": "same", "no": "different", "insufficient": "insufficient"}
