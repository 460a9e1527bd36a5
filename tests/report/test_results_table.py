"""One table: the paper's second-hand figures, ours where they were measured, empty cells else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reidr.errors import ReIDError
from reidr.report.trained.results_table import PAPER, write_results_table
from reidr.report.trained.training_page import groups_of, panels, series_of, write_training_page


def measured(run: Path, name: str, rows: dict[str, tuple[float, float]], protocol: str = "standard") -> None:
    folder = run / "evaluation" / name
    folder.mkdir(parents=True)
    document = {
        "protocol": protocol,
        "rows": [{"role": role, "mAP": mAP, "rank1": rank1} for role, (mAP, rank1) in rows.items()],
    }
    (folder / "metrics.json").write_text(json.dumps(document))


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_papers_figures_stand_alone_where_nothing_was_measured(tmp_path: Path) -> None:
    page = write_results_table([], tmp_path)
    rows = [cells(line) for line in (tmp_path / "results.md").read_text().splitlines()[2:7]]
    assert [row[0] for row in rows] == [paper.title for paper in PAPER]
    assert [row[2:4] for row in rows] == [["92.5", ""], ["69.3", ""], ["85.6", ""], ["", "46.4"], ["", "90.2"]]
    assert all(not any(row[4:]) for row in rows)
    assert "second-hand" in (tmp_path / "results.md").read_text()
    assert "second-hand" in page.read_text()


def test_ours_stand_beside_them_and_other_data_below(tmp_path: Path) -> None:
    run = tmp_path / "run"
    values = {"retriever": (0.5, 0.6), "reasoner": (0.55, 0.7), "oracle": (0.6, 0.9)}
    measured(run, "market1501", values)
    measured(run / "without-prcc", "prcc", {"retriever": (0.1, 0.2)}, "prcc/clothes-changing/multi-shot")
    measured(run / "seed-1", "mine", values)
    (run / "rl").mkdir()
    write_training_page(run / "rl", "a training", [{"step": 1, "reward": 0.5}])
    page = write_results_table([run], run)
    rows = {row[0]: row for row in map(cells, (run / "results.md").read_text().splitlines()[2:-2])}
    assert rows["Market-1501"][2:] == ["92.5", "", "run", "50.0", "60.0", "55.0", "70.0", "60.0", "90.0"]
    prcc = rows["PRCC, clothes changed (shots not said)"]
    assert prcc[1:7] == ["prcc/clothes-changing/multi-shot", "", "46.4", "without-prcc, left out of training", "10.0",
                         "20.0"]  # fmt: skip
    assert prcc[7:] == ["", "", "", ""]
    assert rows["mine"][2:5] == ["", "", "seed-1"]
    text = page.read_text()
    for link in ("evaluation/market1501/report.html", "without-prcc/evaluation/prcc/report.html", "rl/training.html"):
        assert f'href="{link}"' in text
    assert "http" not in text.replace("http-equiv", "")


@pytest.mark.parametrize("text", ["", "[]", '{"rows": [{"role": "retriever"}], "protocol": "x"}'])
def test_numbers_that_cannot_be_read_are_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "evaluation" / "a" / "metrics.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(ReIDError, match=r"a/metrics\.json: not the numbers of an evaluation"):
        write_results_table([tmp_path], tmp_path)


LOG: list[dict[str, Any]] = [
    {"step": 0, "held_out_direct_area": 0.5},
    {"step": 1, "reward": -1.0, "loss": 0.1, "reward_cues": 0.2, "leverage": None},
    {
        "step": 2,
        "reward": 0.5,
        "loss": 0.0,
        "reward_cues": None,
        "zero_variance_share": 0.25,
        "held_out_direct_area": 0.7,
    },
]


def test_a_panel_is_drawn_of_what_the_log_has() -> None:
    assert [panel.title for panel in panels(LOG)] == [
        "Loss", "Reward", "Parts of the reward", "Held-out pairs", "What there is to learn from"
    ]  # fmt: skip
    line = series_of(LOG, "held_out_direct_area", "area")
    assert (line.x, line.y) == ([0.0, 2.0], [0.5, 0.7])
    assert panels([]) == []


def test_rollouts_of_the_first_the_middle_and_the_last_step() -> None:
    same = {"a": "a", "b": "b", "label": True, "answer": None, "probability": None, "reward": 0.0, "advantage": 0.0}
    lines = [
        {"step": step, "pair": pair, "text": f"<think>{step}</think>", **same}
        for step in range(1, 8) for pair in range(6) for _ in range(2)
    ]  # fmt: skip
    groups = groups_of(lines, {})
    assert [group.step for group in groups] == [1] * 4 + [4] * 4 + [7] * 4
    assert all(len(group.rollouts) == 2 for group in groups)
    assert groups_of([], {}) == ()


def test_what_a_model_wrote_is_text_on_the_page(tmp_path: Path) -> None:
    line = {"step": 1, "pair": 0, "a": "<b>", "b": "b", "label": False, "text": "<script>alert(1)</script>",
            "answer": "yes", "probability": 0.25, "reward": 1.0, "advantage": -0.5}  # fmt: skip
    page = write_training_page(tmp_path, "t", LOG, groups_of([line], {}), {"pairs": 3}).read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "0.25" in page
    assert "no picture" in page
