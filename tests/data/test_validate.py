"""One sound data set, broken in every way we know of: each break must be named, and nothing else be called an error."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from reidr.data.checks.finding import Finding
from reidr.data.checks.validate import validate
from reidr.data.load import load_dataset
from reidr.data.types import Crop, ReIDDataset

PEOPLE = ("0002", "0003", "0004", "0005")


def names(people: tuple[str, ...], *cameras: int) -> list[str]:
    return [f"{person}_c{camera}s1_00000{camera}_00.jpg" for person in people for camera in cameras]


@pytest.fixture
def sound(tmp_path: Path, picture_tree) -> Path:
    root = tmp_path / "shop"
    paths = [f"bounding_box_train/{name}" for name in names(("0101", "0102"), 1, 2)]
    paths += [f"query/{name}" for name in names(PEOPLE, 1)]
    paths += [f"bounding_box_test/{name}" for name in names(PEOPLE, 2, 3)]
    paths += ["bounding_box_test/0000_c2s1_000001_00.jpg", "bounding_box_test/-1_c2s1_000001_00.jpg"]
    return picture_tree(root, paths)


def rename(folder: Path, change: Callable[[str], str]) -> None:
    for path in sorted(folder.iterdir()):
        path.rename(folder / change(path.name))


def relabel_by_offset(root: Path) -> None:
    rename(root / "query", lambda name: f"{int(name[:4]) + 500:04d}{name[4:]}")


def relabel_from_zero(root: Path) -> None:
    # 2, 3, 4, 5 and nobody of the gallery's 12, 14, 17, 19.
    new = dict(zip(PEOPLE, ("0012", "0014", "0017", "0019"), strict=True))
    rename(root / "bounding_box_test", lambda name: new.get(name[:4], name[:4]) + name[4:])
    rename(root / "query", lambda name: f"{int(name[:4]) - 2:04d}{name[4:]}")
    (root / "bounding_box_test" / "0000_c2s1_000001_00.jpg").unlink()


def strip_zeros(root: Path) -> None:
    rename(root / "query", lambda name: name.lstrip("0"))


def one_person_misspelled(root: Path) -> None:
    (root / "query" / "0002_c1s1_000001_00.jpg").rename(root / "query" / "2_c1s1_000001_00.jpg")


def one_person_absent(root: Path) -> None:
    for path in (root / "bounding_box_test").glob("0003_*"):
        path.unlink()


def one_person_in_one_camera(root: Path) -> None:
    rename(root / "bounding_box_test", lambda name: name.replace("_c2s", "_c1s") if name[:4] == "0004" else name)
    (root / "bounding_box_test" / "0004_c3s1_000003_00.jpg").unlink()


def one_camera(root: Path) -> None:
    for folder in ("query", "bounding_box_test"):
        rename(root / folder, lambda name: name.replace("_c2s", "_c1s").replace("_c3s", "_c1s"))


def empty_gallery(root: Path) -> None:
    shutil.rmtree(root / "bounding_box_test")


def empty_query(root: Path) -> None:
    shutil.rmtree(root / "query")


def train_is_test(root: Path) -> None:
    rename(root / "bounding_box_train", lambda name: name.replace("0101", "0002"))


def query_in_gallery(root: Path) -> None:
    shutil.copy(root / "query" / names(PEOPLE, 1)[0], root / "bounding_box_test" / "0002_c1s1_000009_00.jpg")


def train_in_gallery(root: Path) -> None:
    shutil.copy(
        root / "bounding_box_train" / "0101_c1s1_000001_00.jpg", root / "bounding_box_test" / "0002_c4s1_1_00.jpg"
    )


def two_persons_one_picture(root: Path) -> None:
    folder = root / "bounding_box_test"
    shutil.copy(folder / "0002_c2s1_000002_00.jpg", folder / "0003_c2s1_000009_00.jpg")


def repeated(root: Path) -> None:
    folder = root / "bounding_box_train"
    shutil.copy(folder / "0101_c1s1_000001_00.jpg", folder / "0101_c1s1_000009_00.jpg")


def odd_names(root: Path) -> None:
    for name in ("anna.jpg", "ben.jpg", "carl.jpg", "dora.jpg"):
        shutil.copy(root / "query" / names(PEOPLE, 1)[0], root / "query" / name)
    (root / "query" / "anna.jpg").write_bytes(b"unread")


def truncated(root: Path) -> None:
    path = root / "query" / names(PEOPLE, 1)[1]
    path.write_bytes(path.read_bytes()[:-40])


def text_as_picture(root: Path) -> None:
    (root / "query" / names(PEOPLE, 1)[1]).write_text("<html>404</html>")


def huge(root: Path) -> None:
    Image.new("1", (9000, 9000)).save(root / "query" / "0002_c1s1_000077_00.png")


def empty_file(root: Path) -> None:
    (root / "query" / names(PEOPLE, 1)[1]).write_bytes(b"")


def not_a_picture(root: Path) -> None:
    (root / "query" / "labels.mat").write_bytes(b"x")


def some_in_folders(root: Path) -> None:
    for number in (1, 2):
        path = root / "bounding_box_test" / "0009" / f"0009_c{number}s1_000001_00.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (16, 32), (number, 9, 9)).save(path)


def junk_query(root: Path) -> None:
    shutil.move(root / "bounding_box_test" / "-1_c2s1_000001_00.jpg", root / "query")


def case(root: Path) -> None:
    Image.new("RGB", (16, 32), (1, 2, 3)).save(root / "query" / "0002_C1.jpg".replace("C", "c"))
    Image.new("RGB", (16, 32), (3, 2, 1)).save(root / "query" / "0002_c1.JPG", format="JPEG")


def frames(root: Path) -> None:
    for folder in root.iterdir():
        for number, path in enumerate(sorted(folder.iterdir())):
            Image.new("RGB", (64, 32 + number), (number, 90, len(folder.name))).save(path, comment=str(path).encode())


def no_text_name(root: Path) -> None:
    try:
        (root / "query" / "0002_c1s1_\udcff.jpg").write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")


def training_in_one_camera(root: Path) -> None:
    rename(root / "bounding_box_train", lambda name: name.replace("_c2s", "_c1s"))


BREAKS = [
    (
        relabel_by_offset,
        "error",
        "no query identity in gallery",
        ("0502, 0503", "cameras 1", "constant -500"),
        ("ids", "0502"),
    ),
    (relabel_from_zero, "error", "no query identity in gallery", ("numbered 0, 1, 2",), ("ids", "0000")),
    (strip_zeros, "error", "no query identity in gallery", ("2, 3, 4, 5", "written differently"), ("ids", "2")),
    (strip_zeros, "error", "person spelling", ("4 person labels", "0002 and 2"), ("ids", "0002 and 2")),
    (one_person_misspelled, "error", "person spelling", ("0002 and 2",), ("ids", "0002 and 2")),
    (one_person_absent, "warning", "query persons not in gallery", ("1 of 4 query persons", "0003"), ("ids", "0003")),
    (one_person_in_one_camera, "warning", "only ignored matches", ("1 of 4", "0004 in camera 1"), ("cameras", "1")),
    (one_camera, "error", "one camera", ("of camera 1", "any-camera"), ("cameras", "1")),
    (one_camera, "error", "only ignored matches", ("4 of 4", "no query is left"), ("ids", "0005")),
    (empty_gallery, "error", "empty split", ("gallery is empty while query has 4 crops",), None),
    (empty_query, "error", "empty split", ("query is empty while gallery has 10 crops",), None),
    (train_is_test, "error", "train and test overlap", ("1 persons", "0002"), ("ids", "0002")),
    (query_in_gallery, "error", "same picture in query and gallery", ("byte for byte", "000009"), ("ids", "0002")),
    (train_in_gallery, "error", "same picture in train and test", ("0101_c1s1_000001_00",), ("ids", "0101")),
    (two_persons_one_picture, "error", "same picture, two persons", ("person 0002", "person 0003"), ("ids", "0003")),
    (repeated, "warning", "repeated picture", ("train: 1 pictures",), ("ids", "0101")),
    (odd_names, "warning", "names not understood", ("query: 4", "anna.jpg, ben.jpg, carl.jpg", "PERSON_cCAMERA"), None),
    (truncated, "error", "unusable picture", ("0003_c1s1_000001_00.jpg", "truncated"), ("ids", "0003")),
    (text_as_picture, "error", "unusable picture", ("0003_c1s1_000001_00.jpg", "not a picture"), ("ids", "0003")),
    (huge, "error", "unusable picture", ("9000x9000", "limit"), ("ids", "0002")),
    (empty_file, "error", "empty file", ("1 files are empty", "0003_c1s1"), ("ids", "0003")),
    (not_a_picture, "warning", "not a picture", ("labels.mat",), ("files", "query/labels.mat")),
    (
        some_in_folders,
        "warning",
        "pictures in folders",
        ("bounding_box_test: 2 pictures lie in folders below", "0009/0009_c1s1"),
        ("files", "bounding_box_test/0009/0009_c2s1_000001_00.jpg"),
    ),
    (junk_query, "warning", "junk in query", ("query: 1 junk boxes", "-1_c2s1"), None),
    (case, "warning", "names differ by case", ("0002_c1.JPG and query/0002_c1.jpg",), None),
    (frames, "warning", "not person crops", ("whole frames",), None),
    (no_text_name, "warning", "name is no text", ("\\udcff",), None),
    (training_in_one_camera, "warning", "training in one camera", ("no cross-camera pair",), None),
]


def found(findings: list[Finding], kind: str) -> Finding:
    hits = [finding for finding in findings if finding.kind == kind]
    assert hits, f"no finding {kind!r} in {[(f.kind, f.message) for f in findings]}"
    return hits[0]


def test_a_camera_spelled_twice_in_a_manifest_is_named(sound: Path) -> None:
    # In the Market-1501 layout c01 and c1 are read as one camera; in a manifest a label is taken as it is written.
    rows = [
        f"{split}/{path.name},{path.name[:4]},{camera},{part}"
        for split, part, camera in (("query", "query", "01"), ("bounding_box_test", "gallery", "1"))
        for path in sorted((sound / split).glob("000*_c*.jpg"))
    ]
    (sound / "manifest.csv").write_text("image,person,camera,split\n" + "\n".join(rows) + "\n")
    finding = found(validate(sound / "manifest.csv"), "camera spelling")
    assert finding.severity == "error"
    assert "01 and 1" in finding.message


def test_a_sound_data_set_has_nothing_but_information(sound: Path) -> None:
    findings = validate(sound)
    assert {finding.severity for finding in findings} == {"info"}
    counts = [finding.message for finding in findings if finding.kind == "counts"]
    assert "gallery: 10 images, 4 persons, 2 cameras, 1 distractors, 1 junk" in counts


@pytest.mark.parametrize(
    ("damage", "severity", "kind", "said", "example"),
    BREAKS,
    ids=[f"{entry[0].__name__}-{entry[2]}" for entry in BREAKS],
)
def test_every_break_is_named(
    sound: Path,
    damage: Callable[[Path], None],
    severity: str,
    kind: str,
    said: tuple[str, ...],
    example: tuple[str, str] | None,
) -> None:
    damage(sound)
    findings = validate(sound)
    finding = found(findings, kind)
    assert finding.severity == severity
    for words in said:
        assert words in finding.message
    if example is not None:
        assert example[1] in getattr(finding, example[0])
    # A break must not drown in others: every further error is one that the table knows for the same damage.
    expected = {entry[2] for entry in BREAKS if entry[0] is damage and entry[1] == "error"}
    assert {f.kind for f in findings if f.severity == "error"} <= expected
    order = [f.severity for f in findings]
    assert order == sorted(order, key=("error", "warning", "info").index)
    "\n".join(f.message for f in findings).encode("utf-8")


def manifest(root: Path, rows: list[dict[str, str]]) -> Path:
    path = root / "manifest.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def rows_of(root: Path) -> list[dict[str, str]]:
    dataset = load_dataset(root)
    return [
        {"image": c.id, "person": c.person or "", "camera": c.camera or "", "split": split}
        for split in ("query", "gallery")
        for c in getattr(dataset, split)
    ]


def test_missing_cameras_and_files_of_a_manifest(sound: Path) -> None:
    rows = rows_of(sound)
    rows[0]["camera"] = ""
    rows.append({"image": "query/gone.jpg", "person": "0002", "camera": "1", "split": "query"})
    findings = validate(manifest(sound, rows))
    assert (
        "1 of 15 test crops have no camera: query/0002_c1s1_000001_00.jpg" in found(findings, "camera missing").message
    )
    missing = found(findings, "missing file")
    assert missing.severity == "error"
    assert missing.files == ("query/gone.jpg",)
    for row in rows:
        row["camera"] = ""
    assert "no crop has a camera" in found(validate(manifest(sound, rows)), "camera missing").message


def test_the_same_file_as_query_and_gallery_of_a_manifest(sound: Path) -> None:
    rows = rows_of(sound)
    rows.append({**rows[0], "split": "gallery"})
    assert rows[0]["image"] in found(validate(manifest(sound, rows)), "same picture in query and gallery").message


def test_junk_as_a_query_of_a_data_set_made_in_code_is_an_error(sound: Path) -> None:
    # The Market-1501 loader leaves such boxes out and manifests refuse them; only code can still put one in.
    dataset = load_dataset(sound)
    [junk] = [crop for crop in dataset.gallery if crop.junk]
    finding = found(validate(replace(dataset, query=(*dataset.query, junk)), pixels=False), "junk in query")
    assert finding.severity == "error"
    assert finding.files == (junk.id,)


def test_a_path_that_cannot_be_read_is_one_finding(tmp_path: Path) -> None:
    [finding] = validate(tmp_path)
    assert (finding.severity, finding.kind) == ("error", "unreadable")
    assert "expected one of" in finding.message
    [finding] = validate(manifest(tmp_path, [{"image": "a.jpg", "person": "1", "split": "nowhere"}]))
    assert "line 1: split is nowhere" in finding.message


def test_names_that_none_parse_are_shown_with_the_pattern(tmp_path: Path, empty_tree) -> None:
    empty_tree(tmp_path, [f"query/{name}.jpg" for name in ("anna", "ben", "carl")])
    [finding] = validate(tmp_path)
    assert "anna.jpg, ben.jpg, carl.jpg" in finding.message
    assert "PERSON_cCAMERA" in finding.message


def test_the_old_cuhk03_split_and_partial_copies_are_warnings(sound: Path) -> None:
    sound.rename(sound.with_name("market1501"))
    warning = found(validate(sound.with_name("market1501")), "counts")
    assert warning.severity == "warning"
    assert "4 of 3,368 query images" in warning.message


def test_labels_that_the_protocol_needs(sound: Path) -> None:
    dataset = load_dataset(sound)
    findings = validate(replace(dataset, protocol="ltcc/clothes-changing"), pixels=False)
    assert "has no outfit label" in found(findings, "protocol").message
    findings = validate(replace(dataset, protocol="prcc/clothes-changing/multi-shot"), pixels=False)
    assert "the protocol needs C" in found(findings, "protocol").message


def test_an_unknown_protocol_is_a_finding_and_the_other_checks_go_on(sound: Path) -> None:
    one_person_absent(sound)
    findings = validate(replace(load_dataset(sound), protocol="mine"), pixels=False)
    assert "no protocol 'mine'" in found(findings, "protocol").message
    assert found(findings, "query persons not in gallery")


def test_same_outfit_only_is_ignored_by_a_clothes_changing_protocol() -> None:
    def crop(name: str, person: str, camera: str, outfit: str) -> Crop:
        return Crop(name, Image.new("RGB", (8, 16)), person=person, camera=camera, outfit=outfit)

    dataset = ReIDDataset(
        "clothes",
        None,
        query=(crop("q1", "1", "a", "x"), crop("q2", "2", "a", "x")),
        gallery=(crop("g1", "1", "b", "x"), crop("g2", "2", "b", "y")),
        protocol="ltcc/clothes-changing",
    )
    finding = found(validate(dataset), "only ignored matches")
    assert "1 of 2" in finding.message
    assert finding.ids == ("1",)
    # q2 changed clothes: the same data under the same-clothes rule turns round.
    assert found(validate(replace(dataset, protocol="ltcc/same-clothes")), "only ignored matches").ids == ("2",)


def test_person_zero_as_a_query_beside_many_distractors(tmp_path: Path) -> None:
    picture = Image.new("RGB", (8, 16))
    gallery = [Crop(f"d{i}", picture, person="0000", camera="2") for i in range(60)]
    gallery += [Crop(f"g{i}", picture, person="0002", camera="2") for i in range(4)]
    query = (Crop("q0", picture, person="0000", camera="1"), Crop("q2", picture, person="0002", camera="1"))
    dataset = ReIDDataset("mixed", None, query=query, gallery=tuple(gallery))
    finding = found(validate(dataset, pixels=False), "distractors as a person")
    assert "so do 60 gallery crops" in finding.message


def test_more_than_twenty_broken_pictures_end_in_one_sentence(sound: Path) -> None:
    for i in range(25):
        (sound / "bounding_box_test" / f"0002_c2s1_0001{i:02d}_00.jpg").write_bytes(b"broken" + bytes([i]))
    broken = [f for f in validate(sound) if f.kind == "unusable picture"]
    assert len(broken) == 21
    assert broken[-1].message.startswith("5 more pictures cannot be used")


def test_progress_counts_every_crop_and_pixels_can_be_left_out(sound: Path) -> None:
    seen: list[tuple[str, int]] = []
    steps = []

    @contextmanager
    def progress(what: str, total: int) -> Iterator[Callable[[float], None]]:
        seen.append((what, total))
        yield steps.append

    truncated(sound)
    assert not [f for f in validate(sound, pixels=False, progress=progress) if f.severity == "error"]
    assert [f for f in validate(sound, progress=progress) if f.severity == "error"]
    assert seen == [("looking for files", 18), ("decoding pictures", 18)]
    assert len(steps) == 36
