"""What two outsiders tried with `find`, `inventory` and `forget`: hostile names, slips of the hand, things that are
no files. Each case says the right value."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from reidr.cli.main import reidr
from reidr.core.run import Run
from reidr.data.types import Crop
from reidr.errors import DataError, RecipeError, ReIDError
from reidr.report.kept.forget import forget
from reidr.report.kept.inventory import noted_folders
from reidr.retrieval.content_key import content_key
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.retrieval.embedding_cache import cache_folder, files_in, unpacked
from reidr.search.task import SearchOptions, prepare

RUNS = [Path("runs")]


def drawn(number: int) -> Image.Image:
    pixels = np.random.default_rng(number).integers(20, 235, (4, 2, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((24, 48), Image.Resampling.NEAREST)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REIDR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("reidr.cli.shared.load_retriever", lambda *_, **__: HistogramEmbedder())
    Path("crops").mkdir()
    for number in range(4):
        drawn(number).save(f"crops/{number}.png")
    drawn(9).save("person.png")
    return tmp_path


def reidr_of(*words: str) -> Result:
    return CliRunner().invoke(reidr, list(words))


def found(*words: str) -> Result:
    done = reidr_of("find", *words, "--reasoner", "none")
    assert done.exit_code == 0, (done.output, done.exception)
    return done


def refused(*words: str) -> str:
    done = reidr_of(*words)
    assert isinstance(done.exception, ReIDError), (done.output, done.exception)
    return str(done.exception)


def typed(*words: str) -> subprocess.CompletedProcess[str]:
    command = "import sys; from reidr.cli.main import main; sys.argv[0] = 'reidr'; main()"
    return subprocess.run([sys.executable, "-c", command, *words], capture_output=True, text=True, timeout=60)


# Outputs are never written over inputs.


@pytest.mark.parametrize("option", ["--json", "--csv"])
@pytest.mark.parametrize("target", ["person.png", "./crops/2.png", "crops/../person.png", "soft", "hard", "m.csv"])
def test_an_output_is_never_written_over_an_input(place: Path, option: str, target: str) -> None:
    Path("soft").symlink_to("crops/1.png")
    os.link("crops/3.png", "hard")
    Path("m.csv").write_text("image,person,split\ncrops/0.png,a,gallery\n")
    before = Path(target).read_bytes()
    told = refused("find", "person.png", "--in", "m.csv", "--in", "crops", option, target)
    assert "would be written over" in told
    assert Path(target).read_bytes() == before


def test_other_commands_do_not_write_over_what_they_read_either(place: Path) -> None:
    Path("m.csv").write_text("image,person,split\ncrops/0.png,a,gallery\n")
    assert "would be written over" in refused("validate", "m.csv", "--json", "m.csv")
    assert "would be written over" in refused("evaluate", "m.csv", "--csv", "./m.csv")
    assert "would be written over" in refused("inventory", "--json", "person.png")


def test_json_and_csv_are_one_file_by_whatever_name(place: Path) -> None:
    done = reidr_of("find", "person.png", "--in", "crops", "--json", "out", "--csv", "crops/../out")
    assert done.exit_code == 2
    assert "give them different files" in done.output


def test_results_of_others_in_a_run_folder_stay(place: Path) -> None:
    Path("mine").mkdir()
    Path("mine/matches.csv").write_text("mine")
    assert "holds results (matches.csv)" in refused("find", "person.png", "--in", "crops", "--run", "mine")
    assert Path("mine/matches.csv").read_text() == "mine"


# Names.


def test_pictures_whose_names_print_alike_are_told_apart(place: Path) -> None:
    shutil.rmtree("crops")
    Path("crops").mkdir()
    drawn(1).save("crops/a\nb.png")
    drawn(2).save("crops/a\\nb.png")
    Path("first").mkdir()
    Path("second").mkdir()
    drawn(5).save("first/1.png")
    drawn(6).save("second/1.png")
    found("first/1.png", "second/1.png", "--in", "crops", "--no-fold", "--run", "run")
    report = json.loads(Path("run/report.json").read_text())
    assert [each["id"] for each in report["query"]] == ["1.png", "1.png (2)"]
    assert {each["id"] for each in report["matches"]} == {"a\\nb.png", "a\\nb.png (2)"}
    assert len(set(report["pictures"].values())) == 4


def test_a_number_behind_a_name_is_never_another_files_name(place: Path) -> None:
    gallery = [Crop("a", drawn(1)), Crop("a", drawn(2)), Crop("a (2)", drawn(3))]
    ids = [crop.id for crop in prepare("person.png", gallery, 10, SearchOptions(reasoner=None)).gallery.crops]
    assert ids == ["a", "a (2)", "a (2) (2)"]


def test_tables_hold_no_formula_and_nothing_that_moves_a_terminal(place: Path) -> None:
    cameras = ["=cmd|1", "\x1b[31mred", "\uff1d1+1", "@x", "two\nlines"]
    rows = "".join(f'crops/{number % 4}.png,p,gallery,"{camera}"\n' for number, camera in enumerate(cameras[:4]))
    Path("m.csv").write_text("image,person,split,camera\n" + rows)
    done = found("person.png", "--in", "m.csv", "--csv", "-", "--no-fold")
    cells = {row["camera"] for row in csv.DictReader(io.StringIO(done.stdout))}
    assert cells == {"'=cmd|1", "\\x1b[31mred", "'\uff1d1+1", "'@x"}
    assert "\x1b" not in done.output


def test_an_error_prints_no_escape_of_a_name(place: Path) -> None:
    done = typed("find", "\x1b[31mx.png", "--in", "crops")
    assert (done.returncode, done.stderr) == (1, "reidr: \\x1b[31mx.png: no such file\n")


@pytest.mark.parametrize(
    "words",
    [
        ["find", "person.png", "--in", "a" * 300],
        ["find", "a" * 300, "--in", "crops"],
        ["find", "person.png", "--in", "crops", "--run", "a" * 300, "--reasoner", "none"],
        ["find", "person.png", "--in", "crops", "--json", "a" * 300, "--reasoner", "none"],
        ["forget", "a" * 300],
        ["inventory", "--runs", "a" * 300],
        ["validate", "a" * 300],
        ["report", "a" * 300],
    ],
)
def test_a_name_that_is_too_long_is_one_sentence(place: Path, words: list[str]) -> None:
    done = typed(*words)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len((done.stdout + done.stderr).strip().split("\n")) <= 2
    assert "a" * 300 in done.stdout + done.stderr


@pytest.mark.parametrize("gallery", ["a\0b", ["a\0b.png"], "b" * 300, ["b" * 300 + ".png"]])
def test_a_gallery_that_can_be_no_file_is_a_data_error(place: Path, gallery: str | list[str]) -> None:
    with pytest.raises(DataError, match=r"cannot be a file or folder|no such"):
        prepare("person.png", gallery, 10, SearchOptions(reasoner=None))


@pytest.mark.parametrize("words", [["", "--in", "crops"], ["person.png", "--in", ""], ["person.png", "--in="]])
def test_an_empty_argument_is_not_the_current_folder(place: Path, words: list[str]) -> None:
    done = reidr_of("find", *words)
    assert done.exit_code == 2
    assert "shell variable that is not set" in done.output


def test_a_folder_that_was_removed_under_us_is_one_sentence(place: Path) -> None:
    Path("gone").mkdir()
    code = f"import os; os.chdir('gone'); os.rmdir('{place}/gone'); from reidr.cli.main import main; main()"
    words = ["find", str(place / "person.png"), "--in", str(place / "crops"), "--reasoner", "none"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("reidr: ")


# Things that are no files.


@pytest.mark.parametrize("name", ["m.csv", "m.jsonl"])
def test_a_manifest_that_is_a_pipe_or_a_device_is_refused_at_once(place: Path, name: str) -> None:
    os.mkfifo(name)
    assert "is a pipe, not a list" in refused("find", "person.png", "--in", name, "--reasoner", "none")
    Path(name).unlink()
    Path(name).symlink_to("/dev/zero")
    assert "is a device, not a list" in refused("find", "person.png", "--in", name, "--reasoner", "none")


def test_pipes_in_the_place_of_our_own_files_are_not_waited_for(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    Path("runs/x").mkdir(parents=True)
    os.mkfifo("runs/x/report.json")
    Path("cache").mkdir()
    os.mkfifo("cache/run_folders.txt")
    assert reidr_of("inventory").exit_code == 0
    assert "run_folders.txt: cannot be read (no regular file)" in caplog.text
    found("person.png", "--in", "crops")
    assert "run_folders.txt: cannot be written (no regular file)" in caplog.text
    assert "holds results" in refused("find", "person.png", "--in", "crops", "--run", "runs/x", "--reasoner", "none")


@pytest.mark.parametrize(
    "text",
    [
        '{"kind": "search", "matches": [3, null, {"like": 1}], "query": "x"}',
        '{"kind": "search", "query": [{"path": 3}]}',
        '{"query_cards": [{"candidates": 3}]}',
        '{"query_cards": 7}',
        "[" * 50_000,
    ],
)
def test_reports_of_other_programs_stop_neither_inventory_nor_forget(place: Path, text: str) -> None:
    Path("runs/x").mkdir(parents=True)
    Path("runs/x/report.json").write_text(text)
    Path("runs/x/manifest.json").write_text('{"job": "find", "settings": {"people": [3, null]}, "stages": {}}')
    assert reidr_of("inventory").exit_code == 0
    forget([Path("person.png")], RUNS)
    assert Path("runs/x/report.json").read_text() == text


@pytest.mark.parametrize("text", ['{"stages": {}, "settings": [1]}', "[" * 50_000, "[]"])
def test_a_foreign_manifest_in_a_run_folder_is_refused(place: Path, text: str) -> None:
    Path("run").mkdir()
    Path("run/manifest.json").write_text(text)
    with pytest.raises(RecipeError, match="not a run's manifest"):
        Run(Path("run"), "find", {})


# What is left out, and what is kept.


def test_what_is_left_out_of_a_folder_that_is_named_twice_is_counted_once(place: Path) -> None:
    Path("crops/notes.txt").write_text("x")
    Path("crops/lost.png").symlink_to("nowhere")
    done = found("person.png", "--in", "crops", "--in", str(place / "crops"), "--json", "-")
    assert {each["text"]: each["count"] for each in json.loads(done.stdout)["left_out"]} == {
        "1 file, a link that leads nowhere: crops/lost.png": 1,
        "1 file, no picture by ending and content (.txt): crops/notes.txt": 1,
    }


def test_what_a_manifest_has_to_say_is_said_by_find(place: Path) -> None:
    Path("m.csv").write_text("image,person,split,camera\ncrops/0.jpg,a,gallery,0002\ncrops/1.png,a,gallery,2\n")
    notes = json.loads(found("person.png", "--in", "m.csv", "--json", "-").stdout)["notes"]
    assert any("0002 and 2" in note for note in notes)
    assert any("another ending than listed" in note for note in notes)


@pytest.mark.parametrize("command", [["inventory"], ["validate", "m.csv"]])
def test_a_dash_is_stdout_and_holds_json_alone(place: Path, command: list[str]) -> None:
    Path("m.csv").write_text("image,person,split\ncrops/0.png,a,query\ncrops/1.png,a,gallery\n")
    found("person.png", "--in", "crops", "--run", "li\nne")
    done = reidr_of(*command, "--json", "-")
    assert json.loads(done.stdout)
    assert done.stderr
    assert not Path("-").exists()


def test_runs_that_are_not_there_are_an_error(place: Path) -> None:
    assert "no such folder of runs" in refused("forget", "person.png", "--runs", "rums")
    assert "no such folder of runs" in refused("inventory", "--runs", "rums")
    assert reidr_of("inventory").exit_code == 0  # `runs` is the default, and nothing may have been done yet


@pytest.mark.parametrize("name", ["li\nne", "\u2028sep", "\x85next", '"quoted"', os.fsdecode(b"no\xfftext")])
def test_a_run_folder_of_any_name_is_found_again(place: Path, name: str) -> None:
    folder = place / "elsewhere" / name
    found("person.png", "--in", "crops", "--run", str(folder))
    assert noted_folders() == [folder]
    forget([Path("person.png")], RUNS)
    assert not folder.exists()
    assert noted_folders() == []


def keys_kept() -> set[str]:
    files = files_in(cache_folder(), lambda reason: pytest.fail(reason))
    return {key for path in files for key in unpacked(path.read_bytes())[0]}


def test_a_file_that_was_replaced_since_is_forgotten_as_it_was(place: Path) -> None:
    before = content_key(Crop("x", Path("crops/2.png")))
    done = found("person.png", "--in", "crops")
    folder = Path(done.output.rsplit("report: ", 1)[1].splitlines()[0]).parent
    drawn(77).save("crops/2.png")
    assert before in keys_kept()
    receipt = forget([Path("crops/2.png")], RUNS)
    assert receipt.embeddings == 1
    assert before not in keys_kept()
    assert not folder.exists()


def test_a_gone_file_whose_name_is_printed_otherwise_is_forgotten(place: Path) -> None:
    Path("crops/2.png").rename("crops/a\nb.png")
    found("person.png", "--in", "crops")
    Path("crops/a\nb.png").unlink()
    assert forget([Path("crops/a\nb.png")], RUNS).embeddings == 1


def test_what_killed_writers_left_goes_too(place: Path) -> None:
    found("person.png", "--in", "crops", "--run", "runs/r", "--k", "1")
    left = [cache_folder() / ".x.npz.00000000-1-aaaaaaaaaaaa.partial", Path("runs/r/.report.html.0-1-a.partial")]
    left[1] = left[1].with_name(".report.html.00000000-1-aaaaaaaaaaaa.partial")
    for path in left:
        path.write_text("half an embedding")
        os.utime(path, (0, 0))
    forget([Path("person.png")], RUNS, dry_run=True)
    assert all(path.exists() for path in left)
    forget([Path("person.png")], RUNS)
    assert not any(path.exists() for path in left)


def test_a_tilde_in_the_name_of_the_cache_is_the_home(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(place / "home"))
    monkeypatch.setenv("REIDR_CACHE", "~/kept")
    assert cache_folder() == place / "home/kept/embeddings"
    monkeypatch.setenv("REIDR_CACHE", "~nosuchuser/kept")
    assert cache_folder().is_relative_to(os.devnull)  # nothing can be kept there, which is said


def test_line_ends_of_reasons_stay_line_ends(place: Path) -> None:
    from reidr.report.search import whole_text

    assert whole_text({"a": ["one\ntwo\x1b", "\udcff"]}) == {"a": ["one\ntwo\\x1b", "\\udcff"]}


@pytest.mark.parametrize("name", ["report.json", "manifest.json", "matches.csv", "report.html"])
def test_an_output_is_never_written_over_the_runs_own_files(place: Path, name: str) -> None:
    Path("soft").symlink_to("run")
    told = refused("find", "person.png", "--in", "crops", "--run", "run", "--json", f"soft/{name}")
    assert "the run itself writes" in told


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_report_with_a_number_that_is_none_is_one_sentence(place: Path, number: float) -> None:
    found("person.png", "--in", "crops", "--run", "run")
    report = json.loads(Path("run/report.json").read_text())
    report["matches"][0]["distance"] = number
    Path("run/report.json").write_text(json.dumps(report))
    assert "not a search of this version" in refused("report", "run")


def test_pages_and_tables_of_an_evaluation_hold_no_control_characters(place: Path) -> None:
    rows = ["image,person,split,camera"]
    for number, (split, camera) in enumerate([("query", "1"), ("gallery", "2"), ("gallery", "\u202ee")]):
        rows.append(f"crops/{number}.png,=\x1b[31m<b>p,{split},{camera}")
    Path("m.csv").write_text("\n".join(rows))
    done = reidr_of("evaluate", "m.csv", "--reasoner", "none", "--run", "run", "--no-cache")
    assert done.exit_code == 0, (done.output, done.exception)
    for name in ("report.html", "queries.csv"):
        text = Path("run", name).read_text()
        assert not {"\x1b", "\u202e"} & set(text)
    page = Path("run/report.html").read_text()
    assert "=\\x1b[31m&lt;b&gt;p" in page or "<b>p" not in page
    assert "'=\\x1b[31m<b>p" in Path("run/queries.csv").read_text()


def test_a_manifest_is_not_forgotten_in_the_place_of_its_crops(place: Path) -> None:
    Path("m.csv").write_text("image,person,split\ncrops/0.png,a,gallery\n")
    assert "is a manifest; give the crops" in refused("forget", "m.csv")


@pytest.mark.parametrize("words", [["train", "nope"], ["serve-model", "nope"], ["train", "tune", "nope"]])
def test_a_wrong_name_is_refused_before_torch_is_imported(words: list[str]) -> None:
    code = (
        "import sys; sys.argv[0] = 'reidr'; import reidr.cli.main as main\n"
        "try: main.main()\n"
        "except SystemExit as end: print(end.code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60)
    assert done.stdout == "1 False\n", done.stderr
    assert done.stderr.startswith("reidr: nope: no such ")
