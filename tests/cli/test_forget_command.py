"""What is kept is listed, and what is kept of given crops is removed: nothing of them is left, nothing else is gone."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from reidr.cli.main import reidr
from reidr.core.notices import warn_of_caches
from reidr.data.pictures.pixels import pixel_digest
from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.reasoning.backends.verdict_cache import VerdictCache, default_path, pair_key
from reidr.reasoning.inference.vision_cache import picture_digest
from reidr.reasoning.rationales.cues import extract_cues
from reidr.reasoning.types import Verdict
from reidr.report import Candidate, QueryCard, Report, write_report
from reidr.report.files.store import save_report
from reidr.report.kept.forget import forget
from reidr.report.kept.inventory import inventory, note_run_folder, run_folders
from reidr.retrieval.content_key import content_key
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.retrieval.embedding_cache import EmbeddingCache, cache_folder

RUNS = [Path("runs")]


def drawn(number: int) -> Image.Image:
    pixels = np.random.default_rng(number).integers(20, 235, (4, 2, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((24, 48), Image.Resampling.NEAREST)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("reidr.cli.shared.load_retriever", lambda *_, **__: HistogramEmbedder())
    Path("crops").mkdir()
    for number in range(4):
        drawn(number).save(f"crops/{number}.png")
    drawn(9).save("person.png")
    return tmp_path


def run(*words: str) -> Result:
    done = CliRunner().invoke(reidr, list(words))
    assert done.exit_code == 0, (done.output, done.exception)
    return done


def search(*words: str, k: int = 4) -> Path:
    done = run("find", "person.png", "--in", "crops", "--reasoner", "none", "--k", str(k), *words)
    return Path(done.output.rsplit("report: ", 1)[1].splitlines()[0]).parent


def digest(name: str) -> str:
    return pixel_digest(Image.open(name).convert("RGB"))


def keep(*pairs: tuple[str, str]) -> None:
    """Put a score and a reason about each pair of files into the verdict cache."""
    with VerdictCache(default_path()) as cache:
        for first, second in pairs:
            key = pair_key("question", digest(first), digest(second))
            cache.keep_scores({key: (1.0, 2.0, 3.0)})
            text = f"Of {first} and {second}: both have red shoes."
            cache.keep_verdicts([Verdict("same", 0.9, text, extract_cues(text), 5, 0.1, "m", "p", key)])


def embedded() -> set[str]:
    return set(EmbeddingCache(cache_folder(), HistogramEmbedder().fingerprint).rows)


def test_digests_of_pixels_are_those_of_the_verdict_cache() -> None:
    assert pixel_digest(drawn(1)) == picture_digest(drawn(1))


def test_everything_of_a_crop_goes_and_nothing_else(place: Path) -> None:
    shows, without = search(), search("--run", "elsewhere", k=1)
    gone = next(f"crops/{n}.png" for n in range(4) if f"{n}.png" not in (without / "report.html").read_text("utf-8"))
    others = [f"crops/{n}.png" for n in range(4) if f"crops/{n}.png" != gone]
    keep(("person.png", gone), (gone, "person.png"), ("person.png", others[0]))
    keys = {name: content_key(Crop("x", Path(name))) for name in (gone, *others)}
    assert embedded() == set(keys.values())

    dry = forget([Path(gone)], RUNS, dry_run=True)
    assert (dry.embeddings, dry.scores, dry.verdicts) == (1, 2, 2)
    assert {path.parent for path in dry.files} == {shows.resolve()}
    assert embedded() == set(keys.values())
    assert shows.is_dir()

    receipt = forget([Path(gone)], RUNS)
    assert (receipt.embeddings, receipt.scores, receipt.verdicts) == (1, 2, 2)
    assert receipt.files == dry.files
    assert embedded() == set(keys.values()) - {keys[gone]}
    assert not shows.exists()
    assert (without / "report.html").is_file()
    with VerdictCache(default_path()) as cache:
        assert cache.count() == (1, 1, 0)
    # Not even in the bytes of the file, or of its journal.
    for path in default_path().parent.glob("verdicts.sqlite*"):
        assert f"Of person.png and {gone}".encode() not in path.read_bytes()
        assert digest(gone).encode() not in path.read_bytes()
    again = forget([Path(gone)], RUNS, dry_run=True)
    assert (again.embeddings, again.scores, again.verdicts, again.files) == (0, 0, 0, ())
    assert Path(gone).is_file()


def test_a_crop_is_known_by_its_content_whatever_it_is_called(place: Path) -> None:
    shows = search()
    shutil.copy("crops/2.png", "another name.png")
    receipt = forget([Path("another name.png")], RUNS)
    assert receipt.embeddings == 1
    assert not shows.exists()
    # The same pixels in another file are the same picture to the verdict cache and on a page.
    shows = search()
    keep(("person.png", "crops/1.png"))
    Image.open("crops/1.png").save("pixels.bmp")
    receipt = forget([Path("pixels.bmp")], RUNS)
    assert (receipt.scores, receipt.verdicts) == (1, 1)
    assert not shows.exists()


def test_the_person_searched_for_can_be_forgotten_too(place: Path) -> None:
    shows = search(k=1)
    other = search("--run", "elsewhere", k=1)
    listed = cache_folder().parent / "run_folders.txt"
    assert str(shows.resolve()) in listed.read_text()
    drawn(5).save("crops/unrelated.png")
    run("find", "crops/unrelated.png", "--in", "crops", "--reasoner", "none", "--k", "1", "--run", "kept")
    receipt = forget([Path("person.png")], RUNS)
    assert not shows.exists()
    assert not other.exists()
    assert listed.read_text().splitlines() == [str(Path("kept").resolve())]  # the folder's name tells of a person too
    assert {path.name for path in receipt.files} == {"report.html", "report.json", "matches.csv", "manifest.json"}


def test_a_search_that_was_cut_short_names_its_person_and_goes_too(place: Path) -> None:
    folder = search()
    for name in ("report.html", "report.json", "matches.csv"):
        (folder / name).unlink()
    forget([Path("person.png")], RUNS)
    assert not folder.exists()


def test_what_is_folded_counts_as_shown(place: Path) -> None:
    shutil.copy("crops/0.png", "crops/copy.png")
    drawn(0).save("crops/0 again.bmp")
    folder = search()
    assert [match["like_count"] for match in json.loads((folder / "report.json").read_text())["matches"]].count(2) == 1
    forget([Path("crops/0 again.bmp")], RUNS)
    assert not folder.exists()


def test_a_folder_of_crops(place: Path) -> None:
    search()
    receipt = forget([Path("crops")], RUNS)
    assert len(receipt.crops) == 4
    assert receipt.embeddings == 4
    assert embedded() == set()


def test_a_crop_that_is_gone_is_known_by_what_searches_recorded(place: Path) -> None:
    folder = search()
    keep(("person.png", "crops/3.png"))
    Path("crops/3.png").unlink()
    receipt = forget([Path("crops/3.png")], RUNS)
    assert (receipt.embeddings, receipt.scores, receipt.verdicts) == (1, 1, 1)
    assert not folder.exists()
    with pytest.raises(DataError, match=r"crops/3\.png: no such file, and no report has recorded one"):
        forget([Path("crops/3.png")], RUNS)


def test_reports_of_evaluations_lose_their_pages_and_lists_and_keep_their_numbers(place: Path) -> None:
    for name, crop in (("shows", "crops/0.png"), ("copy", "moved.png"), ("other", "crops/1.png")):
        shutil.copy("crops/0.png", "moved.png")
        path = Path(crop).resolve()
        card = QueryCard("q", Path("person.png").resolve(), (Candidate("c", path, "wrong", 1, 0.5),))
        write_report(Report("t", "now", query_cards=(card,)), Path("runs") / name)
        save_report(Report("t", "now", query_cards=(card,)), Path("runs") / name)
    receipt = forget([Path("crops/0.png")], RUNS)
    assert {path.parent.name for path in receipt.files} == {"shows", "copy"}
    assert {path.name for path in Path("runs/shows").iterdir()} == {"metrics.json", "metrics.csv"}
    assert (Path("runs/other") / "report.html").is_file()


def test_entries_of_earlier_versions_stay_and_are_named_or_go_when_asked(place: Path) -> None:
    keep(("person.png", "crops/0.png"))
    with VerdictCache(default_path()) as cache:
        cache.keep_scores({"0" * 64: (1.0, 2.0, 3.0)})
    done = run("forget", "crops/0.png")
    assert "1 scores and 1 reasons in" in done.output
    assert "1 scores and reasons of an earlier version stayed" in done.output
    assert "1 of them from an earlier version" in run("inventory").output
    done = run("forget", "crops/0.png", "--old-verdicts")
    assert "earlier version" not in done.output
    with VerdictCache(default_path()) as cache:
        assert cache.count() == (0, 0, 0)


def test_old_files_of_the_verdict_cache_are_opened(place: Path) -> None:
    keep(("person.png", "crops/0.png"))
    with sqlite3.connect(default_path()) as connection:
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()
    assert tables == 2  # no table was added: the key itself says of which pictures an entry is


def test_the_receipt_says_what_whose_and_what_not(place: Path) -> None:
    folder = search()
    dry = run("forget", "crops/1.png", "--dry-run")
    assert "would be removed (dry run, nothing was touched) of 1 crops" in dry.output
    assert folder.is_dir()
    done = run("forget", "crops/1.png")
    assert "removed of 1 crops" in done.output
    assert f"{Path('crops/1.png').resolve()}  sha256 " in done.output
    assert "1 embeddings in" in done.output
    assert "4 files of reports:" in done.output
    assert "Not touched: the crops themselves, trained weights" in done.output


def test_the_inventory_lists_all_of_it(place: Path) -> None:
    assert "0 entries" in run("inventory").output
    search()
    search("--run", "elsewhere")  # not below runs/, and found all the same
    keep(("person.png", "crops/0.png"))
    kept = inventory(RUNS)
    assert [each.kind for each in kept] == ["embeddings", "verdicts", "search", "search"]
    assert kept[0].holds == "embeddings of 4 pictures"
    assert kept[1].holds == "1 score and 1 reason of pairs"
    assert all(each.bytes > 0 for each in kept)
    assert Path("elsewhere").resolve() in run_folders([])
    done = run("inventory", "--json", "kept.json")
    assert "a search: 1 picture of a person, 4 matches" in done.output
    content = json.loads(Path("kept.json").read_text())
    assert content["version"] == 1
    assert [Path(entry["path"]) for entry in content["entries"]] == [each.path for each in kept]


def test_a_search_without_a_cache_keeps_nothing_in_it(place: Path) -> None:
    search("--no-cache")
    assert [each.kind for each in inventory(RUNS)] == ["search"]
    assert not cache_folder().parent.exists()


def test_an_unusable_cache_folder_is_said_once_by_all_that_would_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("reidr.core.notices._said", set())
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("REIDR_CACHE", str(tmp_path / "file" / "cache"))
    note_run_folder(tmp_path / "runs" / "one")
    warn_of_caches(cache_folder().parent, "the embeddings cannot be written")
    (record,) = caplog.records
    assert f"`reidr forget` must be told of {tmp_path / 'runs' / 'one'}" in record.getMessage()
    assert "going on without" in record.getMessage()
