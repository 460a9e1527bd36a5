"""The page of a search: whole HTML, nothing loaded from elsewhere, every number and sentence of the document on it."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from test_report_page import HOSTILE, Reader

from reidr.errors import ReIDError
from reidr.report.search import CSV_FILE, JSON_FILE, is_search, load_search, render, write_search
from reidr.search.document.schema import SearchDocument


def picture(**more: Any) -> dict[str, Any]:
    return {"id": "a/1.png", "path": "/x/a/1.png", **more}


def match(rank: int, **more: Any) -> dict[str, Any]:
    values = {
        "rank": rank, "time": None, "shown_time": "", "order_value": 0.5, "distance": 0.25, "rank_by_distance": rank,
        "direct_score": 0.5, "p_same": 0.75, "sampled": False, "bounded": False, "identical_to_query": False,
        "like_count": 0, "like": [], "verdict": None,
    }  # fmt: skip
    return {**picture(id=f"cam1/2026-11-27/{rank}.jpg"), **values, **more}


def verdict(**more: Any) -> dict[str, Any]:
    return {
        "answer": "same", "score": 0.9, "sampled": False, "bounded": False, "readable": True, "problem": "",
        "reliable": True, "reasoning": "Both have red shoes.", "statements": [], "model": "m", "tokens": 5,
        "seconds": 0.1, **more,
    }  # fmt: skip


def document(**more: Any) -> SearchDocument:
    counts = dict.fromkeys(("requests", "retried", "sampled", "bounded", "without_score", "unreadable", "refused"), 0)
    values = {
        "created": "2026-11-30 01:28 UTC", "facts": {"retriever": "nano"}, "query": [picture(id="who.png")],
        "query_shown": "who.png", "gallery": "crops", "searched": 2412, "folded": 7, "order_by": "fused score",
        "order_rule": "The order is that of the fused score.",
        "presence": {"belief": "perhaps there", "sentence": "Perhaps in the gallery: the smallest x is 1.",
                     "score": "x", "value": 1.0, "thresholds": {"0.1": 2.0}},
        "warnings": [], "notes": [], "notice": "A notice.", "left_out": [], "problems": [],
        "requests": {**counts, "reasons": {}, "pairs_scored": 2, "reasons_written": 1, "sentences": []},
        "matches": [match(1, verdict=verdict()), match(2)], **more,
    }  # fmt: skip
    return SearchDocument.model_validate(values)


def uri(side: tuple[int, int] = (32, 64)) -> str:
    file = io.BytesIO()
    Image.new("RGB", side, (90, 20, 20)).save(file, "JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def test_the_page_is_whole_and_says_all_of_it() -> None:
    like = [picture(id="cam1/2026-11-27/9.jpg")]
    found = document(
        matches=[
            match(1, camera="cam1", shown_time="2026-11-27 08:38:44", like=like, like_count=1, verdict=verdict()),
            match(2, rank_by_distance=3, direct_score=None, p_same=None, doubt="it is blank"),
            match(3, rank_by_distance=2, sampled=True, identical_to_query=True),
        ],
        warnings=["who.png can hardly be a crop of one person: it is blank"],
        left_out=[{"kind": "no picture", "text": "1,200 files", "count": 1200, "names": ["a.txt", "b.txt"]}],
        problems=["c.png: damaged"],
    )
    page = Reader(render(found))
    for text in (
        "Who in crops looks like who.png?", "2,412 crops searched, 3 shown, 7 near-duplicates", "1,200 files left out",
        "The person may be in this gallery.", "The smallest x is 1.", "cam1/2026-11-27/1.jpg",
        "camera cam1, 2026-11-27 08:38:44", "fused score", "0.500", "P(same)", "0.75", "no score", "sampled",
        "+1 like it", "cam1/2026-11-27/9.jpg", "the same picture as the query", "it is blank", "Both have red shoes.",
        "after reasoning", "score 0.90", "no picture", "a.txt, b.txt and 1,198 more", "c.png: damaged",
        "A notice.", "no candidate here is known to be right or wrong", "a person must decide", "biometric data",
    ):  # fmt: skip
        assert text in " ".join(page.text.split()), text


def test_nothing_is_loaded_from_elsewhere_and_hostile_text_stays_text() -> None:
    found = document(
        gallery=HOSTILE,
        query=[picture(id=HOSTILE)],
        notice=HOSTILE,
        matches=[match(1, id=HOSTILE, camera=HOSTILE, shown_time=HOSTILE, verdict=verdict(reasoning=HOSTILE))],
        notes=[HOSTILE],
        problems=[HOSTILE],
        facts={HOSTILE: HOSTILE},
    )
    text = render(found)
    Reader(text)
    assert "<script" not in text
    assert "<img src=x" not in text
    assert not re.findall(r'(?:src|href)="(?!data:|#|report\.json|matches\.csv)[^"]*"', text)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    found = document(pictures={"query who.png": uri(), "match cam1/2026-11-27/1.jpg": uri()})
    page = write_search(found, tmp_path / "run").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") == 2
    assert is_search(tmp_path / "run")
    assert load_search(tmp_path / "run") == found
    assert (tmp_path / "run" / CSV_FILE).read_text(encoding="utf-8").count("cam1/2026-11-27/") == 2
    assert not is_search(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 1}, "not a search of this version"),
        ({"kind": "other"}, "not a search of this version"),
        ({"unknown": 1}, "not a search of this version"),
        ({"pictures": {"query who.png": "/etc/passwd"}}, "no file that a report names is opened"),
        ({"pictures": {"query who.png": uri((400, 400))}}, "above 160 pixels"),
        ({"pictures": {"query who.png": "data:image/jpeg;base64,!!"}}, "not a search of this version"),
    ],
)
def test_a_document_that_is_none_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    (tmp_path / JSON_FILE).write_text(json.dumps({**document().model_dump(), **change}))
    with pytest.raises(ReIDError) as refused:
        load_search(tmp_path)
    assert said in str(refused.value)
