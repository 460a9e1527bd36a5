"""`reidr keys`, `audit`, `retention` and `erase` from the command line, on a drawn gallery."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

sys.path.insert(0, str(Path(__file__).parent.parent / "service" / "security"))

from site_of_tests import build, crop_of, export_of, traces_on_disk

from reidr.cli.main import reidr
from reidr.errors import DataError
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.service.records.opening import open_records
from reidr.service.security.audit import Entry, write
from reidr.service.security.keys import known_key
from reidr.service.store.opening import open_store


def run(*arguments: str | Path, ends: int = 0, **options: Any) -> Result:
    result = CliRunner().invoke(reidr, [str(each) for each in arguments], **options)
    if ends == 0 and result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == ends, result.output
    return result


@pytest.fixture
def gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    store, records, _ = build(tmp_path)
    store.close()
    records.close()
    return tmp_path / "gallery"


def test_a_key_is_made_listed_and_revoked_and_the_log_says_who_did_it(tmp_path: Path) -> None:
    made = run("keys", "add", tmp_path / "new", "--holder", "Ines", "--role", "search", "--who", "Otto")
    text = made.stdout.strip()
    key = known_key(open_records(tmp_path / "new"), text)
    assert key is not None
    assert key.holder == "Ines"
    listed = run("keys", "list", tmp_path / "new").output
    assert key.id in listed
    assert "good" in listed
    assert text.rpartition("_")[2] not in listed
    run("keys", "revoke", tmp_path / "new", key.id, "--who", "Otto")
    assert "revoked" in run("keys", "list", tmp_path / "new").output
    assert known_key(open_records(tmp_path / "new"), text) is None
    shown = run("audit", "show", tmp_path / "new", "--who", "Otto").output
    assert ["add key" in shown, "revoke key" in shown, text in shown] == [True, True, False]
    assert json.loads(run("keys", "list", tmp_path / "new", "--json").output)[0]["holder"] == "Ines"


def test_a_mistyped_gallery_is_said_and_not_made(tmp_path: Path) -> None:
    place = tmp_path / "nowhere"
    for words in (
        ("keys", "list", place),
        ("audit", "verify", place),
        ("retention", "show", place),
        ("erase", place, "--track", "a", "--yes"),
    ):
        with pytest.raises(DataError, match="no such folder"):
            run(*words)
    assert not (tmp_path / "nowhere").exists()


def test_the_log_is_shown_by_what_it_is_about_checked_and_exported(gallery: Path) -> None:
    records = open_records(gallery)
    write(records, Entry("Ines", "search", "lost child", {"words": "red"}, {"tracks": ["t002", "gone"]}, 4))
    write(records, Entry("Otto", "search", answered={"tracks": ["t003"]}, verified_by="Eva"))
    records.close()
    about = run("audit", "show", gallery, "--about", "t002").output
    assert ["t002" in about, "t003" in about, "gone" in about] == [True, False, False]
    assert "lost child" in about
    assert run("audit", "show", gallery, "--last", "1").output.splitlines()[0].startswith("2  ")
    checked = run("audit", "verify", gallery).output
    assert "all 2 rows" in checked
    head = checked.split("head ")[1].strip()
    run("audit", "export", gallery, "--output", gallery.parent / "log.jsonl")
    rows = [json.loads(line) for line in (gallery.parent / "log.jsonl").read_text().splitlines()]
    assert [f"{row['number']}:{row['hash']}" for row in rows][-1] == head
    other = sqlite3.connect(gallery / "records.sqlite", isolation_level=None)
    other.execute("DROP TRIGGER logs_only_grow")
    other.execute("UPDATE logs SET value = replace(value, 'lost child', 'no reason')")
    other.close()
    assert "row 1: its content is not what" in run("audit", "verify", gallery, ends=1).output


def test_a_track_is_erased_with_a_receipt(gallery: Path) -> None:
    records = open_records(gallery)
    export_of(records, gallery.parent / "one.html", [crop_of(6)])
    records.close()
    told = run("erase", gallery, "--track", "t002", "--dry-run").output
    assert told == "3 crops of 36 in the gallery\n"
    assert "Aborted" not in run("erase", gallery, "--track", "t002", input="n\n").output
    assert open_store(gallery).count() == 36
    arguments = ("erase", gallery, "--track", "t002", "--yes", "--why", "Art. 17", "--receipt", "receipt.json")
    told = run(*arguments, "--who", "Ines").output
    receipt = json.loads(Path("receipt.json").read_text())
    assert ["because: Art. 17" in told, receipt["hash"] in told, "one.html" in told] == [True] * 3
    assert receipt["counts"]["crops"] == 3
    assert traces_on_disk(gallery.parent, crop_of(7)) == []
    assert "say what is to be erased" in run("erase", gallery, ends=2).output


def test_a_person_is_erased_by_a_picture_after_a_human_has_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    monkeypatch.chdir(tmp_path)
    embedder = HistogramEmbedder()
    from reidr.data.pictures.images import read_picture

    crops = [crop_of(number) for number in range(12)]
    vectors = embedder.embed_pictures([read_picture(crop.picture) for crop in crops])
    store = open_store(tmp_path / "gallery")
    store.set_model(embedder.fingerprint, "histogram", vectors.shape[1])
    store.add([replace(crop, vector=np.asarray(row)) for crop, row in zip(crops, vectors, strict=True)])
    store.close()
    Path("person.jpg").write_bytes(crops[4].picture)
    asked = ("erase", "gallery", "--picture", "person.jpg", "--who", "Ines", "--yes")
    told = run(*asked, input="none\n").output
    assert told.splitlines()[0].startswith("  1  t001  camera south")
    assert not Path("erase-candidates.html").exists()
    assert "not in the list" in run(*asked, input="1 9\n", ends=2).output
    assert open_store("gallery").count() == 12
    told = run(*asked, input="1\n").output
    assert "looked at by Ines" in told
    assert {track.id for track in open_store("gallery").tracks()} == {"t000", "t002", "t003"}
    assert not Path("erase-candidates.html").exists()
    assert traces_on_disk(tmp_path / "gallery", crops[4]) == []


def test_rules_are_set_shown_and_applied(gallery: Path) -> None:
    run("retention", "set", gallery, "--camera", "north", "--days", "2", "--who", "Ines")
    run("retention", "set", gallery, "--days", "30")
    told = run("retention", "show", gallery).output
    assert "camera north: 2 days (set by Ines)" in told
    assert "every other camera: 30 days" in told
    assert "give either" in run("retention", "set", gallery, ends=2).output
    assert "kept for 2 days" in run("retention", "apply", gallery).output
    assert open_store(gallery).count() == 0
    assert "nothing is older" in run("retention", "apply", gallery).output
