"""What a folder holds: links, odd files, and the reason for everything that is left out."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reidr.core.text import shown
from reidr.data.checks.validate import validate
from reidr.data.load import load_dataset
from reidr.data.pictures.images import IMAGE_SUFFIXES
from reidr.data.reading.folder import crops_in_folder, list_crops
from reidr.data.reading.listing import HEAD, is_read, list_folder, picture_format, walk
from reidr.data.reading.notes import Note
from reidr.errors import DataError


def encoded(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 32), (9, 99, 9)).save(file, kind)
    return file.getvalue()


def test_linked_folders_are_followed_once_and_said(tmp_path: Path, empty_tree) -> None:
    empty_tree(tmp_path, ["disk/0001/a.jpg", "disk/0002/b.jpg", "find/c.jpg"])
    for name in ("camera1", "camera1-again"):
        (tmp_path / "find" / name).symlink_to(tmp_path / "disk" / "0001")
    (tmp_path / "find" / "disk").symlink_to(tmp_path / "disk")
    found = list_crops(tmp_path / "find")
    assert [crop.id for crop in found.crops] == ["c.jpg", "camera1/a.jpg", "disk/0002/b.jpg"]
    assert found.links == ("camera1", "disk")
    assert {each.path: each.reason for each in found.left_out} == {
        "camera1-again": "a link to a folder that is already listed",
        "disk/0001": "a link to a folder that is already listed",
    }
    assert crops_in_folder(tmp_path / "find") == found.crops


def test_a_real_folder_has_its_own_path_whatever_links_lead_to_it(tmp_path: Path, empty_tree) -> None:
    empty_tree(tmp_path, ["z/a.jpg", "b.jpg"])
    (tmp_path / "a").symlink_to("z")
    assert walk(tmp_path).pictures == ("b.jpg", "z/a.jpg")


@pytest.mark.parametrize("target", ["", "..", "/", "x"])
def test_circles_and_folders_above_are_not_followed(tmp_path: Path, empty_tree, target: str) -> None:
    root = empty_tree(tmp_path / "root", ["x/a.jpg"])
    empty_tree(tmp_path, ["secret.jpg"])
    (root / "x" / "link").symlink_to(root / target if target != "/" else "/", target_is_directory=True)
    (root / "self").symlink_to("self")
    tree = walk(root)
    assert tree.pictures == ("x/a.jpg",)
    above = target in ("..", "/")
    expected = "a link to a folder above" if above else "a link to a folder that is already listed"
    assert {each.path: each.reason for each in tree.left_out} == {
        "self": "a link that leads nowhere",
        "x/link": expected,
    }


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=8))
def test_any_tangle_of_links_ends_with_every_file_once(tmp_path_factory, links: list[tuple[int, int]]) -> None:
    root = tmp_path_factory.mktemp("tangle")
    for number in range(5):
        (root / f"f{number}").mkdir()
        (root / f"f{number}" / f"{number}.jpg").touch()
    for place, (at, to) in enumerate(links):
        (root / f"f{at}" / f"link{place}").symlink_to(root / f"f{to}")
    assert walk(root).pictures == tuple(f"f{number}/{number}.jpg" for number in range(5))


def test_linked_person_folders_of_a_layout_are_read(tmp_path: Path, picture_tree) -> None:
    picture_tree(tmp_path, [f"disk/000{p}/000{p}_c2s1_0.jpg" for p in (1, 2)])
    picture_tree(tmp_path / "data", ["bounding_box_test/0003/0003_c2s1_0.jpg", "query/0001_c1s1_0.jpg"])
    for person in ("0001", "0002"):
        (tmp_path / "data" / "bounding_box_test" / person).symlink_to(tmp_path / "disk" / person)
    dataset = load_dataset(tmp_path / "data")
    assert sorted(str(crop.person) for crop in dataset.gallery) == ["0001", "0002", "0003"]
    [note] = [note for note in dataset.notes if note.kind == "linked folders"]
    assert (note.level, note.count) == ("info", 2)
    assert note.names == ("bounding_box_test/0001", "bounding_box_test/0002")


@pytest.mark.parametrize("name", ["match", "match.jfif_", "match.dat", "0001.frame"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_under_any_name_is_taken_by_its_content(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(encoded(kind))
    [crop] = crops_in_folder(tmp_path)
    assert crop.id == name
    assert crop.open().size == (16, 32)


def test_other_files_are_left_out_with_their_reason_and_number(tmp_path: Path, empty_tree) -> None:
    empty_tree(tmp_path, ["a.jpg", "notes.txt", "in/data.csv", "empty", ".hidden.txt", "Thumbs.db"])
    (tmp_path / "old.jp2").write_bytes(b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(8))
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe")
    found = list_crops(tmp_path)
    assert [crop.id for crop in found.crops] == ["a.jpg"]
    assert found.reasons == {
        "no picture by ending and content": 3,
        "no regular file": 2,
        "a link that leads nowhere": 1,
        "a picture of a format that is not read": 1,
    }
    assert {each.path: each.level for each in found.left_out} == {
        "empty": "info",
        "notes.txt": "info",
        "in/data.csv": "info",
        "old.jp2": "warning",
        "gone.jpg": "warning",
        "pipe": "warning",
        "pipe.jpg": "warning",
    }
    assert sum(note.count for note in found.notes) == len(found.left_out) == 7
    [unread] = [note for note in found.notes if note.kind == "format not read"]
    assert unread == "1 left out, a picture of a format that is not read: old.jp2"


@pytest.mark.parametrize("kind", ["GIF", "AVIF"])
def test_a_picture_without_an_ending_follows_what_is_opened(tmp_path: Path, kind: str) -> None:
    content = b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00" if kind == "AVIF" else encoded(kind)
    assert picture_format(content[:HEAD]) == kind
    (tmp_path / "picture").write_bytes(content)
    (tmp_path / "b.jpg").touch()
    found = list_crops(tmp_path)
    assert (len(found.crops) == 2) == is_read(kind) == (not found.left_out)


@given(st.binary(max_size=HEAD))
def test_any_first_bytes_are_told_without_an_error(head: bytes) -> None:
    assert picture_format(head) in (None, "JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIF", "JPEG2000", "JPEG XL")


def test_names_that_are_no_text_are_counted(tmp_path: Path, empty_tree) -> None:
    try:
        empty_tree(tmp_path, ["a.jpg", "b\udce9.jpg", "c\udce9/d.jpg"])
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    found = list_crops(tmp_path)
    assert [crop.id for crop in found.crops] == ["a.jpg"]
    [note] = found.notes
    assert (note.level, note.count, note.kind) == ("warning", 2, "name is no text")
    note.encode("utf-8")  # would raise for a lone surrogate
    assert note.as_json()["names"] == ["b\\udce9.jpg", "c\\udce9"]


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch):
    """Makes listing a folder, or opening a file, of a name fail: root may read everything."""
    scandir, opened = os.scandir, os.open

    def forbid(name: str) -> None:
        def list_or_refuse(place):
            if Path(place).name == name:
                raise PermissionError(13, "Permission denied", os.fspath(place))
            return scandir(place)

        def open_or_refuse(place, *more, **named):
            if Path(place).name == name:
                raise PermissionError(13, "Permission denied", os.fspath(place))
            return opened(place, *more, **named)

        monkeypatch.setattr("reidr.data.reading.listing.os.scandir", list_or_refuse)
        monkeypatch.setattr("reidr.data.reading.listing.os.open", open_or_refuse)

    return forbid


def test_what_cannot_be_read_is_named_and_never_a_traceback(tmp_path: Path, empty_tree, unreadable) -> None:
    empty_tree(tmp_path, ["a.jpg", "locked/b.jpg", "open/c.jpg"])
    unreadable("locked")
    found = list_crops(tmp_path)
    assert [crop.id for crop in found.crops] == ["a.jpg", "open/c.jpg"]
    assert [(each.path, each.reason) for each in found.left_out] == [("locked", "a folder that cannot be read")]
    unreadable(tmp_path.name)
    with pytest.raises(DataError, match=r"cannot be read \(Permission denied\)"):
        list_crops(tmp_path)
    empty_tree(tmp_path / "set", ["query/0001_c1s1_0.jpg"])
    unreadable("query")
    [finding] = validate(tmp_path / "set")
    assert "cannot be read (Permission denied)" in finding.message


def test_a_file_of_unknown_ending_that_cannot_be_read_is_named(tmp_path: Path, empty_tree, unreadable) -> None:
    empty_tree(tmp_path, ["a.jpg", "locked"])
    unreadable("locked")
    [left] = list_crops(tmp_path).left_out
    assert (left.path, left.reason, left.level) == ("locked", "a file that cannot be read", "warning")


def test_an_empty_folder_says_what_it_holds_instead(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(DataError, match=r"holds no picture file \(.*1 files are no pictures by their ending: a.txt"):
        crops_in_folder(tmp_path)


def test_layouts_name_what_they_do_not_take(tmp_path: Path, picture_tree) -> None:
    names = ["query/0001_c1s1_0.jpg", "bounding_box_test/0001_c2s1_0.jpg", "query/0001-c1s1-1.jpg"]
    picture_tree(tmp_path, names)
    (tmp_path / "query" / "labels.mat").write_bytes(b"x")
    (tmp_path / "query" / "0001_c1s1_2.old").write_bytes(encoded("PNG"))
    dataset = load_dataset(tmp_path)
    assert len(dataset.query) == 2  # the PNG picture is one whatever its ending
    told = {note.kind: note for note in dataset.notes}
    assert told["names not understood"].names == ("query/0001-c1s1-1.jpg",)
    assert told["not a picture"].names == ("query/labels.mat",)
    assert {told[kind].level for kind in ("names not understood", "not a picture")} == {"warning"}


def test_every_ending_of_a_picture_is_listed(tmp_path: Path, empty_tree) -> None:
    empty_tree(tmp_path, [f"a{number}{ending}" for number, ending in enumerate(sorted(IMAGE_SUFFIXES))])
    assert len(list_folder(tmp_path).pictures) == len(IMAGE_SUFFIXES)


def test_a_note_is_its_sentence() -> None:
    note = Note("3 files are left out", "warning", kind="x", remedy="do", names=("a", "b", "c"))
    assert note == "3 files are left out" == note.text
    assert (note.level, note.count) == ("warning", 3)
    graver = note.graded("error")
    assert (graver.level, graver.names, graver.remedy) == ("error", note.names, "do")
    assert note.as_json()["count"] == 3
    assert type(note.text) is str


@pytest.mark.parametrize(
    ("name", "printed"),
    [("a\nb.jpg", "a\\nb.jpg"), ("\x1b[31m.jpg", "\\x1b[31m.jpg"), ("é ü.jpg", "é ü.jpg"), ("\udce9", "\\udce9")],
)
def test_names_cannot_move_a_terminal(name: str, printed: str) -> None:
    assert shown(name) == printed
