"""From crops to a case that is handed on and erased: the commands one after the other, with the shipped models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from reidr.cli.main import reidr
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.report.case.document import CaseDocument
from reidr.service.records.opening import open_records
from reidr.service.security.erasure.erasing import Erasure, erase
from reidr.service.store.opening import open_store
from reidr.service.store.records import CropFilter

pytestmark = pytest.mark.whole
SETTINGS = StreetSettings(
    seed=3, cameras=3, test_people=10, cameras_per_person=3, crops_per_camera=2, distractors=5, junk=0, absent=0.1
)


def run(*words: str) -> str:
    done = CliRunner().invoke(reidr, list(words))
    assert done.exit_code == 0, (words, done.output, done.exception)
    return done.output


def test_find_decide_hand_on_and_erase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    street = render_street(tmp_path / "street", SETTINGS)
    pattern = "{person}_c{camera}s{}_{frame}_{}.jpg"
    run("index", "street/bounding_box_test", "--gallery", "g", "--pattern", pattern, "--frame-rate", "25")
    query = next(crop for crop in street.query if any(crop.person == other.person for other in street.gallery))
    run("find", str(query.image), "--in", "g", "--case", "c", "--think", "2", "--by", "Ada", "--run", "r")
    document = CaseDocument.model_validate_json(Path("r/report.json").read_text())
    assert document.case.answer is not None
    assert len(document.case.reasons) <= 2
    tracks = document.case.answer.tracks()
    assert all(track.p_same is not None and 0 <= track.p_same <= 1 for track in tracks)
    confirmed, rejected = tracks[0].track, tracks[-1].track
    run("case", "decide", "c", "same", "--track", confirmed, "--by", "Ada", "--why", "same coat", "--in", "g")
    run("case", "decide", "c", "different", "--track", rejected, "--by", "Ada", "--in", "g")
    assert "The person is here: 1 track confirmed." in run("find", "--case", "c", "--in", "g", "--run", "r2")
    run("case", "export", "c", "--in", "g", "--to", "out", "--form", "html", "--form", "fiftyone", "--by", "Ada")
    assert json.loads(Path("out/c-fiftyone/labels.json").read_text())["classes"] == ["person"]
    store, records = open_store("g"), open_records("g")
    (crop,) = store.crops(CropFilter(tracks=frozenset((confirmed,))))
    erase(store, records, Erasure(CropFilter(tracks=frozenset((confirmed,))), "Ada", "asked for it"))
    store.close()
    records.close()
    assert not Path("out/c.html").exists()
    assert not Path("r2/report.html").exists()
    left = [path for path in tmp_path.rglob("*") if path.is_file() and "street" not in path.parts]
    assert not [path for path in left if crop.picture in path.read_bytes()]
    assert "no case yet" in run("case", "show", "--in", "g")
