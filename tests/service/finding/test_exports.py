"""What leaves the house: whole, readable by the tools it is for, and with nobody in it but those who were confirmed."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gallery_of_people import VISITS, asked, crops_of, gallery, models
from PIL import Image

from reidr.data.pictures.images import read_picture
from reidr.errors import DataError
from reidr.report.case.blurring import blurred, without_others
from reidr.report.case.document import SIDE, CaseDocument
from reidr.report.case.page import render_case
from reidr.service.finding.cases import Saying, case_of, decide, open_case, search_case
from reidr.service.finding.exports.export import export_case
from reidr.service.finding.exports.pictures import document_of, others_at
from reidr.service.records.opening import open_records
from reidr.service.records.records import RecordStore
from reidr.service.store.store import GalleryStore

ONES = [visit.track for visit in VISITS if visit.person == 1]
CONFIRMED, REJECTED = ONES[0], ONES[2]


@pytest.fixture
def records(tmp_path: Path, store: GalleryStore) -> Iterator[RecordStore]:
    found = open_records(tmp_path / "site")
    open_case(found, "c1", asked(), "Ada", "=a reason that a spreadsheet would compute")
    search_case(store, models(), found, "c1")
    decide(store, found, "c1", Saying(CONFIRMED, "same", "Ada", "the same coat"))
    decide(store, found, "c1", Saying(REJECTED, "different", "Bob", "<b>another bag</b>"))
    search_case(store, models(), found, "c1")
    yield found
    found.close()


def pixels(uri: str) -> np.ndarray:
    return np.asarray(read_picture(base64.b64decode(uri.partition(",")[2])), dtype=float)


def test_only_the_query_and_confirmed_people_can_be_recognised(
    store: GalleryStore, records: RecordStore, tmp_path: Path
) -> None:
    path = export_case(store, records, "c1", "json", tmp_path / "out")
    document = CaseDocument.model_validate_json(path.read_text())
    assert document.blurred
    assert document.case.answer is not None
    for track in document.case.answer.tracks():
        (crop,) = store.get([track.best])
        original = read_picture(crop.picture)
        shown = pixels(document.pictures[f"crop {track.best}"])
        if track.track == CONFIRMED:
            assert np.abs(shown - np.asarray(original, float)).mean() < 6
        else:
            assert np.abs(shown - np.asarray(blurred(original), float)).mean() < 6
            assert np.abs(shown - np.asarray(original, float)).mean() > 6
    assert {name.partition("/")[0] for name in document.clear} == {CONFIRMED}
    assert "query query.png" in document.pictures


@pytest.mark.parametrize("size", [(83, 213), (400, 900)])
def test_crops_of_any_size_come_onto_the_page(
    store: GalleryStore, records: RecordStore, tmp_path: Path, size: tuple[int, int]
) -> None:
    case = case_of(records, "c1")
    assert case.answer is not None
    for track in case.answer.tracks():
        (crop,) = store.get([track.best])
        large = io.BytesIO()
        read_picture(crop.picture).resize(size).save(large, "JPEG")
        store.add([replace(crop, picture=large.getvalue())], replace=True)
    document = document_of(store, case, asked(), {}, blur=False)
    shown = [pixels(uri) for name, uri in document.pictures.items() if name.startswith("crop")]
    assert max(max(each.shape) for each in shown) == min(size[1], SIDE)
    assert render_case(document).count("<img") >= len(shown)


def test_a_blurred_picture_depends_on_a_handful_of_averages_alone() -> None:
    """Two pictures with the same averages become the same picture: nothing else of a person is left."""
    random = np.random.default_rng(0)
    one = random.integers(0, 256, (48, 24, 3))
    other = one.reshape(6, 8, 3, 8, 3).swapaxes(1, 2).reshape(18, 64, 3)
    other = random.permuted(other, axis=1).reshape(6, 3, 8, 8, 3).swapaxes(1, 2).reshape(48, 24, 3)
    first, second = (Image.fromarray(each.astype(np.uint8)) for each in (one, other))
    assert first.tobytes() != second.tobytes()
    difference = np.abs(np.asarray(blurred(first), float) - np.asarray(blurred(second), float))
    assert difference.max() <= 2  # a rounding of the averages


def test_a_neighbour_is_blurred_and_the_person_is_not() -> None:
    stripes = np.zeros((60, 40, 3), np.uint8)
    stripes[:, ::2] = 255
    picture = Image.fromarray(stripes)
    own, neighbour = (100.0, 50.0, 140.0, 110.0), (125.0, 40.0, 165.0, 120.0)
    found = np.asarray(without_others(picture, own, [neighbour]))
    assert (found[:, :25] == stripes[:, :25]).all()  # outside of the neighbour's box
    assert (found[20:40, :30] == stripes[20:40, :30]).all()  # nearer to the own middle
    edge = found[20:40, 34:]
    assert edge.std() < 40 < stripes[20:40, 34:].std()
    assert (np.asarray(without_others(picture, own, [])) == stripes).all()
    assert (np.asarray(without_others(picture, own, [(300.0, 0.0, 320.0, 60.0)])) == stripes).all()


def test_others_are_those_of_the_same_recording_and_moment(tmp_path: Path) -> None:
    here = crops_of(VISITS[0])[0]
    assert here.time is not None
    near = replace(here, id="n", track="n", time=here.time + 0.5, box=(1.0, 2.0, 3.0, 4.0))
    late = replace(here, id="l", track="l", time=here.time + 4)
    elsewhere = replace(here, id="e", track="e", recording="other.mp4")
    boxless = replace(here, id="b", track="b", box=None)
    store = gallery(tmp_path / "g", VISITS[:0])
    store.add([here, near, late, elsewhere, boxless])
    assert others_at(store, here) == [(1.0, 2.0, 3.0, 4.0)]


def test_the_table_has_every_track_and_nothing_that_computes(
    store: GalleryStore, records: RecordStore, tmp_path: Path
) -> None:
    rows = list(csv.DictReader(io.StringIO(export_case(store, records, "c1", "csv", tmp_path).read_text())))
    by_track = {row["track"]: row for row in rows}
    assert by_track[CONFIRMED]["decided_by"] == "Ada"
    assert by_track[REJECTED]["decided"] == "different"
    assert by_track[CONFIRMED]["start"].startswith("1970-01-0")
    assert not any(value.startswith(("=", "+", "@")) for row in rows for value in row.values())


def test_the_page_holds_its_pictures_and_escapes_what_people_wrote(
    store: GalleryStore, records: RecordStore, tmp_path: Path
) -> None:
    page = export_case(store, records, "c1", "html", tmp_path).read_text()
    assert "<b>another bag</b>" not in page
    assert "&lt;b&gt;another bag&lt;/b&gt;" in page
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert "everybody else is blurred" in page
    assert "confirmed by Ada" in page
    assert page.count("<article") >= 3


@pytest.mark.parametrize("form", ["coco", "fiftyone"])
def test_data_sets_are_whole(store: GalleryStore, records: RecordStore, tmp_path: Path, form: str) -> None:
    labels = export_case(store, records, "c1", form, tmp_path)  # type: ignore[arg-type]
    content = json.loads(labels.read_text())
    files = {path.name: Image.open(path) for path in (labels.parent / "data").iterdir()}
    if form == "coco":
        images = {image["id"]: image for image in content["images"]}
        assert {image["file_name"] for image in images.values()} == set(files)
        for annotation in content["annotations"]:
            image = images[annotation["image_id"]]
            assert files[image["file_name"]].size == (image["width"], image["height"])
            assert annotation["bbox"] == [0, 0, image["width"], image["height"]]
            assert annotation["category_id"] == content["categories"][0]["id"]
        attributes = [annotation["attributes"] for annotation in content["annotations"]]
    else:
        assert content["classes"] == ["person"]
        assert set(content["labels"]) == {Path(name).stem for name in files}
        attributes = [own["attributes"] for (own,) in content["labels"].values()]
    decided = {each["track"]: each["decided"] for each in attributes}
    assert (decided[CONFIRMED], decided[REJECTED]) == ("same", "different")
    assert attributes[0]["frame_box"] == [10.0, 10.0, 34.0, 58.0]
    with pytest.raises(DataError, match="is there already"):
        export_case(store, records, "c1", form, tmp_path)  # type: ignore[arg-type]


def test_exports_are_noted_for_an_erasure(store: GalleryStore, records: RecordStore, tmp_path: Path) -> None:
    paths = [export_case(store, records, "c1", form, tmp_path) for form in ("html", "coco")]
    noted = {Path(record.key): record.value for record in records.of_kind("export")}
    files = {
        path.resolve() for path in tmp_path.rglob("*") if path.suffix in (".html", ".jpg") or path.name == "labels.json"
    }
    assert set(noted) == files
    assert all(CONFIRMED in noted[path.resolve()]["tracks"] for path in paths)
    (one,) = {value["crops"][0] for path, value in noted.items() if path.name == "000001.jpg"}
    assert one.partition("/")[0] == CONFIRMED
    with pytest.raises(DataError, match="no form of export"):
        export_case(store, records, "c1", "pdf", tmp_path)  # type: ignore[arg-type]


def test_pictures_that_were_erased_since_are_counted_and_not_shown(tmp_path: Path) -> None:
    from reidr.service.store.records import CropFilter

    store, records = gallery(tmp_path / "g", VISITS[:6]), open_records(tmp_path / "g")
    open_case(records, "c1", asked(), "Ada")
    search_case(store, models(), records, "c1")
    store.delete(CropFilter(tracks=frozenset((ONES[0],))))
    document = CaseDocument.model_validate_json(export_case(store, records, "c1", "json", tmp_path).read_text())
    assert [name.partition("/")[0] for name in document.missing] == [ONES[0]]
    assert "pictures are no longer" in export_case(store, records, "c1", "html", tmp_path).read_text()
    store.close()
    records.close()
