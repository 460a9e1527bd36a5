"""Reasons on the report's page: each claim with its mark, both crops, what thinking changed and what it cost."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reidr.errors import ReIDError
from reidr.report import QueryCard, Report, Statement, write_report
from reidr.report.files.store import load_report, save_report

STATEMENTS = (
    Statement("Both have a red top.", (("upper clothing", "confirmed"),)),
    Statement("Tops and bags are alike.", (("upper clothing", "confirmed"), ("bag", "contradicted"))),
    Statement("The build is similar.", (("build", "untestable"),)),
    Statement("It is a street."),
)


def marked(card: QueryCard, statements: tuple[Statement, ...] = STATEMENTS) -> QueryCard:
    """The card with statements under each reason, direct scores, and costs."""
    candidates = tuple(
        candidate
        if candidate.reasoning is None
        else replace(candidate, statements=statements, score_direct=0.25, score_thinking=0.75, tokens=84, seconds=0.213)
        for candidate in card.candidates
    )
    return replace(card, candidates=candidates, calls=12, tokens=336, seconds=0.852)


def write(report: Report, folder: Path) -> str:
    text = write_report(report, folder).read_text(encoding="utf-8")
    assert not re.search(r"\{\{|\{%|None|Undefined|bound method", text)
    return text


def test_claims_carry_sign_and_word_and_both_crops_stand_beside_them(
    card: Callable[..., QueryCard], tmp_path: Path
) -> None:
    one = marked(card(1))
    thought = sum(candidate.reasoning is not None for candidate in one.candidates)
    assert thought > 0
    text = write(Report("t", "now", query_cards=(one,), checked="Held against the crops."), tmp_path)
    for mark, times in (("confirmed", 2), ("contradicted", 1), ("untestable", 1)):
        # Once more in the legend.
        stamps = re.findall(rf'<span class="stamp {mark}">(.*?)</span>', text)
        assert len(stamps) == times * thought + 1
        for stamp in stamps:
            assert f'<use href="#claim-{mark}"/>' in stamp
            assert re.sub(r"<[^>]+>", "", stamp).endswith(mark)
        assert f'<symbol id="claim-{mark}"' in text
    assert text.count("</svg>bag contradicted</span>") == thought  # of two claims in a sentence each names its region
    assert text.count("It is a street.") == thought
    assert text.count("Held against the crops.") == 1
    assert text.count('aria-label="person A, the query"') == text.count('alt="person B, candidate ') == thought
    assert text.count('<symbol id="person-') == 1  # the query's pixels once, however many candidates it stands beside
    for words in (
        "84 tokens, 0.21",
        "12 calls of the reasoner",
        "336 tokens and 0.85",
        "0.25",
        "score after reasoning",
    ):
        assert words in text


def test_a_data_set_without_attributes_says_so_once_and_shows_no_badge(
    card: Callable[..., QueryCard], tmp_path: Path
) -> None:
    plain = tuple(replace(each, claims=()) for each in STATEMENTS)
    report = Report("t", "now", query_cards=(marked(card(1), plain),), checked="Nothing to check against.")
    text = write(report, tmp_path)
    assert 'class="stamp' not in text
    assert text.count("Nothing to check against.") == 1
    assert "<blockquote" in text


def test_the_page_links_tested_reasons_where_they_lie_beside_it(card: Callable[..., QueryCard], tmp_path: Path) -> None:
    report = Report("t", "now", query_cards=(card(1),))
    assert "reasons.html" not in write(report, tmp_path)
    (tmp_path / "reasons.html").write_text("here")
    assert '<a href="reasons.html">' in write(report, tmp_path)


def test_marks_survive_the_run_folder(card: Callable[..., QueryCard], tmp_path: Path) -> None:
    report = Report("t", "now", query_cards=(marked(card(1)),), checked="Held.")
    save_report(report, tmp_path)
    assert load_report(tmp_path) == report


def test_an_unknown_mark_is_refused() -> None:
    with pytest.raises(ReIDError, match="'likely' of bag is not one of"):
        Statement("The bag.", (("bag", "likely"),))  # type: ignore[arg-type]
