"""`reidr find` as it is typed: what it prints, what it writes and where, and what it refuses before any model loads."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from reidr.cli.main import reidr
from reidr.errors import RecipeError, ReIDError
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.search.document.document import CSV_COLUMNS
from reidr.search.document.schema import SearchDocument


def drawn(number: int, frame: int = 0) -> Image.Image:
    pixels = np.random.default_rng(number).integers(20, 235, (4, 2, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels).resize((24, 48), Image.Resampling.NEAREST)
    picture.putpixel((0, 0), (frame, frame, frame))
    return picture


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("reidr.cli.shared.load_retriever", lambda *_, **__: HistogramEmbedder())
    for number in range(4):
        folder = Path(f"crops/cam{number % 2}/2026-11-27")
        folder.mkdir(parents=True, exist_ok=True)
        drawn(number).save(folder / f"08-38-4{number}_106.jpg", quality=95)
    Path("other").mkdir()
    drawn(7).save("other/7.png")
    drawn(7, 1).save("person.png")
    drawn(7, 2).save("again.png")
    return tmp_path


def find(*words: str) -> Result:
    return CliRunner().invoke(reidr, ["find", *words, "--reasoner", "none", "--no-cache"])


def written(done: Result) -> Path:
    assert done.exit_code == 0, (done.output, done.exception)
    return Path(done.output.rsplit("report: ", 1)[1].splitlines()[0]).parent


def test_both_folders_are_searched_and_matches_are_shown_whole(place: Path) -> None:
    done = find("person.png", "--in", "crops", "--in", "other", "--pattern", "{camera}/{date}/{time}_{}.jpg")
    assert "1. other/7.png" in done.output
    assert "crops/cam1/2026-11-27/08-38-41_106.jpg  camera cam1  2026-11-27 08:38:41" in done.output
    assert "other: 1 of 1 paths do not follow the pattern" in done.output
    assert "5 crops searched" in done.output
    page = (written(done) / "report.html").read_text(encoding="utf-8")
    assert "crops/cam1/2026-11-27/08-38-41_106.jpg" in page
    assert "camera cam1, 2026-11-27 08:38:41" in page
    single = find("person.png", "--in", "crops")
    assert "cam1/2026-11-27/08-38-41_106.jpg" in single.output


def test_every_search_has_a_folder_of_its_own_and_loses_nothing(place: Path) -> None:
    folders = [written(find("person.png", "--in", "crops")) for _ in range(3)]
    assert len(set(folders)) == 3
    assert all(folder.parent == Path("runs/find") and "-person-" in folder.name for folder in folders)
    assert all((folder / "report.html").is_file() for folder in folders)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_reports_are_private_whatever_the_umask(place: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        folder = written(find("person.png", "--in", "crops", "--json", "out/a.json", "--csv", "out/b.csv"))
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    names = {path.name for path in folder.iterdir()}
    assert names >= {"report.html", "report.json", "matches.csv", "manifest.json"}
    for path in (*folder.iterdir(), Path("out/a.json"), Path("out/b.csv")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_named_folder_of_another_run_is_refused(place: Path) -> None:
    assert written(find("person.png", "--in", "crops", "--run", "r")) == Path("r")
    before = {path.name: path.read_bytes() for path in Path("r").iterdir()}
    again = find("person.png", "--in", "crops", "--run", "r")
    assert isinstance(again.exception, ReIDError)
    assert "--overwrite does it again" in str(again.exception)
    for words in (
        ("again.png", "--in", "crops"),
        ("person.png", "--in", "other"),
        ("person.png", "--in", "crops", "--k", "3"),
    ):
        for overwrite in ((), ("--overwrite",)):
            other = find(*words, "--run", "r", *overwrite)
            assert isinstance(other.exception, RecipeError), other.output
            assert "choose another run folder" in str(other.exception)
    assert {path.name: path.read_bytes() for path in Path("r").iterdir()} == before
    assert written(find("person.png", "--in", "crops", "--run", "r", "--overwrite")) == Path("r")
    Path("evaluated").mkdir()
    Path("evaluated/report.html").write_text("an evaluation's page")
    refused = find("person.png", "--in", "crops", "--run", "evaluated", "--overwrite")
    assert isinstance(refused.exception, ReIDError)
    assert Path("evaluated/report.html").read_text() == "an evaluation's page"
    # A folder that holds no run may be used, whatever else lies in it.
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("x")
    assert written(find("person.png", "--in", "crops", "--run", "mine")) == Path("mine")


def test_json_and_csv_hold_what_is_shown(place: Path) -> None:
    done = find(
        "person.png", "again.png", "--in", "other", "--in", "crops", "--k", "3", "--json", "a.json", "--csv", "b.csv"
    )
    document = SearchDocument.model_validate_json(Path("a.json").read_text(encoding="utf-8"))
    stored = json.loads((written(done) / "report.json").read_text())
    assert json.loads(Path("a.json").read_text()) == {**stored, "pictures": {}}
    names = {f"match {match.id}" for match in document.matches}
    assert set(stored["pictures"]) == {"query person.png", "query again.png", *names}
    assert document.version == 2
    assert [entry.id for entry in document.query] == ["person.png", "again.png"]
    assert [match.rank for match in document.matches] == [1, 2, 3]
    assert document.searched == 5
    rows = list(csv.DictReader(io.StringIO(Path("b.csv").read_text(encoding="utf-8"), newline="")))
    assert tuple(rows[0]) == CSV_COLUMNS
    for row, match in zip(rows, document.matches, strict=True):
        assert row["id"] == match.id
        assert (float(row["distance"]), float(row["order_value"])) == (match.distance, match.order_value)
        assert row["order_by"] == "distance"
        assert row["direct_score"] == ""
        assert f"distance {match.distance:.3f}" in done.output
    # Written again from its own values, the page is the same.
    page = (written(done) / "report.html").read_text(encoding="utf-8")
    again = CliRunner().invoke(reidr, ["report", str(written(done))])
    assert again.exit_code == 0, again.output
    assert (written(done) / "report.html").read_text(encoding="utf-8") == page


def test_a_report_names_no_file_that_is_opened(place: Path) -> None:
    folder = written(find("person.png", "--in", "other"))
    content = json.loads((folder / "report.json").read_text())
    for name in content["pictures"]:
        content["pictures"][name] = str((place / "other/7.png").resolve())
    (folder / "report.json").write_text(json.dumps(content))
    refused = CliRunner().invoke(reidr, ["report", str(folder)])
    assert isinstance(refused.exception, ReIDError)
    assert "no file that a report names is opened" in str(refused.exception)
    content["pictures"] = {}
    (folder / "report.json").write_text(json.dumps(content))
    assert CliRunner().invoke(reidr, ["report", str(folder)]).exit_code == 0
    assert "data:image/jpeg" not in (folder / "report.html").read_text()
    (folder / "report.json").write_text(json.dumps({**content, "matches": 3}))
    refused = CliRunner().invoke(reidr, ["report", str(folder)])
    assert "not a search of this version" in str(refused.exception)


def test_a_dash_is_stdout_and_nothing_else_is_printed_there(place: Path) -> None:
    done = find("person.png", "--in", "crops", "--json", "-")
    assert json.loads(done.stdout)["kind"] == "search"
    assert "report: " in done.stderr
    done = find("person.png", "--in", "crops", "--csv", "-")
    assert done.stdout.startswith("rank,id,path,")


def test_a_name_that_a_spreadsheet_takes_for_a_formula_is_made_harmless(place: Path) -> None:
    drawn(7).save("other/=1+1.png")
    find("person.png", "--in", "other", "--csv", "b.csv")
    assert "'=1+1.png" in Path("b.csv").read_text()


def test_hostile_names_are_escaped_on_the_page(place: Path) -> None:
    drawn(7).save("other/<script>alert(1)<∕script>.png")
    page = (written(find("person.png", "--in", "other")) / "report.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_names_that_are_no_text_are_shown_escaped_and_break_nothing(place: Path) -> None:
    strange = os.fsdecode(b"d\xe9")
    Path(strange).mkdir()
    drawn(7).save(f"{strange}/7.png")
    drawn(7, 3).save(f"{strange}.png")
    done = find(f"{strange}.png", "--in", strange, "--in", "crops", "--json", "a.json", "--csv", "b.csv")
    folder = written(done)
    assert "d\\udce9" in done.output
    assert "d\\udce9" in (folder / "report.html").read_text(encoding="utf-8")
    json.loads(Path("a.json").read_text(encoding="utf-8"))
    assert CliRunner().invoke(reidr, ["report", str(folder)]).exit_code == 0


def test_what_was_left_out_is_on_the_terminal_in_json_and_on_the_page(place: Path) -> None:
    Path("other/notes.pdf").write_bytes(b"x")
    Path("other/broken.png").write_bytes(b"no")
    done = find("person.png", "--in", "other")
    assert "left out: 1 file, no picture by ending and content (.pdf): notes.pdf" in done.stderr
    assert "left out: 1 file, a picture that cannot be used:" in done.stderr
    assert "broken.png: not a picture" in done.stderr
    folder = written(done)
    document = json.loads((folder / "report.json").read_text())
    assert {each["kind"]: each["count"] for each in document["left_out"]} == {
        "no picture by ending and content": 1,
        "a picture that cannot be used": 1,
    }
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "2 files left out" in page
    assert "notes.pdf" in page
    assert "broken.png: not a picture" in page


def test_nobody_to_compare_with_is_said_and_no_error(place: Path) -> None:
    Path("alone").mkdir()
    drawn(1).save("alone/p.png")
    done = find("alone/p.png", "--in", "alone", "--json", "a.json")
    assert "No match: alone holds only the query itself" in done.output
    assert "there is no other crop" in (written(done) / "report.html").read_text(encoding="utf-8")
    assert json.loads(Path("a.json").read_text())["matches"] == []


def test_folding_is_on_unless_told_not_to(place: Path) -> None:
    drawn(7).save("other/copy.png")
    done = find("person.png", "--in", "other")
    assert "+1 like it" in done.output
    assert "like it: " in done.output
    assert "+1 like it" in (written(done) / "report.html").read_text(encoding="utf-8")
    assert "like it" not in find("person.png", "--in", "other", "--no-fold").output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.png", "--in", "crops"], "none.png: no such file"),
        (["person.png", "none.png", "--in", "crops"], "none.png: no such file"),
        (["crops", "--in", "crops"], "crops: is a folder"),
        (["person.png", "--in", "nowhere"], "nowhere: no such folder"),
        (["person.png", "--in", "crops", "--in", "nowhere"], "nowhere: no such folder"),
        (["person.png", "--in", "other/7.png", "--in", "crops"], "other/7.png: is a file"),
        (["person.png", "--in", "empty"], "empty: holds no picture file"),
        (["person.png", "--in", "crops", "--pattern", "{what}"], "no field {what}"),
        (["person.png", "--in", "crops", "--pattern", "{camera}"], "no path in crops follows it"),
        (["person.png", "--in", "crops", "--retriever", "nowhere"], "nowhere: neither a shipped retriever"),
        (["person.png", "--in", "crops", "--retriever", "nowhere.onnx"], "nowhere.onnx: no such ONNX model"),
        (["person.png", "--in", "crops", "--reasoner", "nowhere"], "nowhere: no such checkpoint"),
        (["person.png", "--in", "crops", "--json", "crops"], "crops: is a folder"),
        (["person.png", "--in", "crops", "--csv", "person.png/x"], "person.png"),
        (["person.png", "--in", "crops", "--run", "person.png"], "person.png"),
    ],
)  # fmt: skip
def test_arguments_are_refused_in_one_sentence_before_torch_is_loaded(place: Path, words: list[str], said: str) -> None:
    Path("empty").mkdir()
    code = (
        "import sys; from reidr.cli.main import main; sys.argv = ['reidr', 'find', *sys.argv[1:]]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    print('ENDED', end.code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60)
    assert "ENDED 1 False" in done.stdout, done.stdout + done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not Path("runs").exists() or not any(Path("runs").rglob("report*"))


@pytest.mark.parametrize(
    "words",
    [
        ["person.png"],
        ["--in", "crops"],
        ["person.png", "--in", "crops", "--k", "0"],
        ["person.png", "--in", "crops", "--think", "-1"],
        ["person.png", "--in", "crops", "--json", "-", "--csv", "-"],
        ["person.png", "--in", "crops", "--overwrite"],
    ],
)
def test_usage_errors_have_status_2(place: Path, words: list[str]) -> None:
    assert CliRunner().invoke(reidr, ["find", *words]).exit_code == 2
