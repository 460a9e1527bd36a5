"""Lists and manifests as people's tools write them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reidr.data.checks.validate import validate
from reidr.data.load import load_dataset
from reidr.data.manifest import load_manifest
from reidr.data.reading.lists import by_stem, missing_level, read_lines
from reidr.errors import DataError

HEADER = "image,person,camera,split"


def market_lists(root: Path, empty_tree, ending: str = ".jpg") -> list[str]:
    """Occluded-style lists of four pictures, which are there with `ending`."""
    names = [f"{person:04d}_c{camera}_f0000099" for person in (1, 2) for camera in (1, 2)]
    empty_tree(root, [f"bounding_box_test/{name}{ending}" for name in names])
    return [f"{name}.jpg" for name in names]


def manifest(folder: Path, *lines: str, header: str = HEADER, name: str = "manifest.csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("coded", ["{}\n", "\ufeff{}\n", "{}\r\n", "  {}  \n\n\n", "{}\r"])
def test_marks_and_line_ends_of_a_list_do_not_matter(tmp_path: Path, empty_tree, coded: str) -> None:
    names = market_lists(tmp_path, empty_tree)
    text = "".join(coded.format(name).lstrip("\ufeff") for name in names[:2])
    (tmp_path / "query.list").write_bytes((("\ufeff" if "\ufeff" in coded else "") + text).encode())
    (tmp_path / "gallery.list").write_text("\n".join(names[2:]))
    dataset = load_dataset(tmp_path)
    assert [crop.id.rpartition("/")[2] for crop in dataset.query] == names[:2]
    assert not [note for note in dataset.notes if note.kind == "missing file"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("0001_c1_f0000099.jpg\n".encode("utf-16"), "UTF-16"),
        ("0001_c1_f0000099.jpg\n".encode("utf-16-le"), "UTF-16"),
        ("ä_c1_f0000099.jpg\n".encode("latin-1"), "not UTF-8 text"),
        (b"bounding_box_test\\0001_c1_f0000099.jpg\n", "line 1 is .*expected a file name without folders"),
    ],
)
def test_what_cannot_be_read_as_a_list_is_said(tmp_path: Path, empty_tree, content: bytes, said: str) -> None:
    market_lists(tmp_path, empty_tree)
    (tmp_path / "query.list").write_bytes(content)
    with pytest.raises(DataError, match=said):
        load_dataset(tmp_path)


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("name", ["m.csv", "m.jsonl"])
def test_a_manifest_in_utf_16_is_refused_in_a_sentence(tmp_path: Path, coding: str, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(f"{HEADER}\na.jpg,1,1,query\n".encode(coding))
    with pytest.raises(DataError, match=r"UTF-16 text .*save it as UTF-8"):
        load_manifest(path)


@pytest.mark.parametrize("ending", [".jpeg", ".JPG", ".png", ".webp"])
def test_a_listed_name_is_found_with_another_picture_ending(tmp_path: Path, empty_tree, ending: str) -> None:
    names = market_lists(tmp_path / "occ", empty_tree, ending)
    (tmp_path / "occ" / "query.list").write_text("\n".join(names[:2]))
    (tmp_path / "occ" / "gallery.list").write_text("\n".join(names[2:]))
    dataset = load_dataset(tmp_path / "occ")
    assert [len(dataset.query), len(dataset.gallery)] == [2, 2]
    assert all(crop.image.is_file() for crop in dataset.query)
    assert [note.count for note in dataset.notes if note.kind == "other ending"] == [2, 2]
    own = empty_tree(tmp_path / "own", [f"a{ending}", "b.jpg"])
    dataset = load_dataset(manifest(own, "a.jpg,1,1,query", "b.jpg,1,2,gallery"))
    assert dataset.query[0].image == own / f"a{ending}"
    [note] = [note for note in dataset.notes if note.kind == "other ending"]
    assert (note.level, note.count, note.names) == ("info", 1, ("a.jpg",))


def test_two_files_that_might_be_meant_are_none(tmp_path: Path, empty_tree) -> None:
    assert by_stem(["x/a.png", "a.png", "a.jpeg", "b.jpg"]) == {"x/a": "x/a.png", "b": "b.jpg"}
    empty_tree(tmp_path, ["a.png", "a.jpeg", "b.jpg", "c.jpg"])
    path = manifest(tmp_path, "a.jpg,1,1,gallery", "b.jpg,1,2,gallery", "c.jpg,1,1,gallery")
    [note] = [note for note in load_dataset(path).notes if note.kind == "missing file"]
    assert (note.level, note.names) == ("warning", ("a.jpg",))


def test_msmt17_lists_are_read_alike(tmp_path: Path, empty_tree) -> None:
    name = "0000/0000_000_01_0303morning_0008_0"
    empty_tree(tmp_path, [f"train/{name}.jpeg", f"test/{name}.jpg"])
    for file in ("list_train.txt", "list_query.txt", "list_gallery.txt"):
        (tmp_path / file).write_bytes(f"\ufeff{name}.jpg\t0\r\n".encode())
    dataset = load_dataset(tmp_path)
    assert [len(dataset.train), len(dataset.query), len(dataset.gallery)] == [1, 1, 1]
    assert dataset.train[0].image.is_file()
    (tmp_path / "list_query.txt").write_text(name.replace("/", "\\") + ".jpg 0\n")
    with pytest.raises(DataError, match=r"list_query.txt: line 1 "):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    ("missing", "total", "level"),
    [(1, 3, "warning"), (1, 2, "error"), (2, 4, "error"), (3, 4, "error"), (0, 4, "warning")],
)
def test_half_a_list_is_an_error(missing: int, total: int, level: str) -> None:
    assert missing_level(missing, total) == level


@pytest.mark.parametrize("kind", ["list", "csv", "jsonl"])
def test_half_a_data_set_is_refused_unless_allowed(tmp_path: Path, empty_tree, picture_tree, kind: str) -> None:
    names = [f"{person:04d}_c{camera}_f0000099.jpg" for person in (1, 2) for camera in (1, 2)]
    picture_tree(tmp_path, [f"bounding_box_test/{name}" for name in names[:3]])
    if kind == "list":
        (tmp_path / "query.list").write_text(f"{names[0]}\n{names[3]}\n")
        (tmp_path / "gallery.list").write_text(f"{names[1]}\n{names[2]}\n")
    else:
        split = {names[0]: "query", names[3]: "query", names[1]: "gallery", names[2]: "gallery"}
        rows = [(f"bounding_box_test/{name}", name[:4], name[6], part) for name, part in split.items()]
        lines = [",".join(row) for row in rows]
        if kind == "csv":
            manifest(tmp_path, *lines)
        else:
            keys = HEADER.split(",")
            objects = ["{" + ", ".join(f'"{k}": "{v}"' for k, v in zip(keys, row, strict=True)) + "}" for row in rows]
            (tmp_path / "manifest.jsonl").write_text("\n".join(objects))
    with pytest.raises(DataError, match=r"1 of 2 listed files are not in .*--allow-missing"):
        load_dataset(tmp_path)
    dataset = load_dataset(tmp_path, allow_missing=True)
    assert len(dataset.gallery) == 2
    [note] = [note for note in dataset.notes if note.kind == "missing file"]
    assert (note.level, note.count) == ("error", 1)
    grades = [
        {f.severity for f in validate(tmp_path, allow_missing=allowed) if f.kind == "missing file"}
        for allowed in (False, True)
    ]
    assert grades == [{"error"}, {"warning"}]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Image,PERSON,Camera,Split", "a.jpg,1,1,query"),
        ('"image","person","camera","split"', '"a, b.jpg","1","1","query"'),
        (" image , person , camera , split ", "a.jpg,1,1,query"),
    ],
)
def test_headers_in_any_case_and_quoted_commas(tmp_path: Path, header: str, row: str) -> None:
    [crop] = load_manifest(manifest(tmp_path, row, ",,,", "", "   ", header=header)).query
    assert crop.id in ("a.jpg", "a, b.jpg")
    assert (crop.person, crop.camera) == ("1", "1")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("image,person,split,Person", "column 'person' is there twice"),
        ("image;person;camera;split", "not separated by commas"),
        ("image\tperson\tsplit", "not separated by commas"),
        ("sep=;", "not separated by commas"),
    ],
)
def test_headers_that_cannot_be_meant(tmp_path: Path, header: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        load_manifest(manifest(tmp_path, "a;1;1;query", header=header))


def test_a_key_twice_in_an_object_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text('{"image": "a.jpg", "person": "1", "Person": "2", "split": "query"}\n')
    with pytest.raises(DataError, match=r"line 1: key 'person' is there twice"):
        load_manifest(path)


@pytest.mark.parametrize("what", ["file", "folder", "chain"])
def test_links_out_of_a_manifest_s_folder_are_refused_unless_its_root_is_named(
    tmp_path: Path, picture_tree, what: str
) -> None:
    picture_tree(tmp_path, ["secret/s.jpg", "m/b.jpg"])
    image = "a.jpg"
    if what == "folder":
        (tmp_path / "m" / "in").symlink_to(tmp_path / "secret")
        image = "in/s.jpg"
    elif what == "chain":
        (tmp_path / "m" / "z.jpg").symlink_to(Path("..") / "secret" / "s.jpg")
        (tmp_path / "m" / "a.jpg").symlink_to("z.jpg")
    else:
        (tmp_path / "m" / "a.jpg").symlink_to(tmp_path / "secret" / "s.jpg")
    path = manifest(tmp_path / "m", f"{image},1,1,query", "b.jpg,1,2,gallery")
    with pytest.raises(DataError, match=r"manifest.csv: line 2: .* is a link that leads out of the folder"):
        load_manifest(path)
    with pytest.raises(DataError, match=r"lies outside .*secret, the root that was named"):
        load_manifest(path, root=tmp_path / "secret")
    [query] = load_manifest(path, root=tmp_path).query
    assert query.id == f"m/{image}"
    assert query.open().size == (16, 32)


def test_links_inside_the_folder_are_followed(tmp_path: Path, picture_tree) -> None:
    picture_tree(tmp_path, ["disk/s.jpg", "b.jpg"])
    (tmp_path / "in").symlink_to("disk")
    (tmp_path / "a.jpg").symlink_to("b.jpg")
    dataset = load_manifest(manifest(tmp_path, "in/s.jpg,1,1,query", "a.jpg,1,2,gallery"))
    assert [crop.id for crop in (*dataset.query, *dataset.gallery)] == ["in/s.jpg", "a.jpg"]


def test_with_a_root_absolute_paths_and_dots_may_lead_anywhere_inside_it(tmp_path: Path, picture_tree) -> None:
    picture_tree(tmp_path, ["photos/a.jpg", "photos/b.jpg"])
    path = manifest(tmp_path / "lists", f"{tmp_path}/photos/a.jpg,1,1,query", "../photos/b.jpg,1,2,gallery")
    with pytest.raises(DataError, match="lies outside the manifest's folder"):
        load_dataset(path)
    dataset = load_dataset(path, root=tmp_path / "photos")
    assert [crop.id for crop in (*dataset.query, *dataset.gallery)] == ["a.jpg", "b.jpg"]
    assert all(crop.image.is_file() for crop in (*dataset.query, *dataset.gallery))
    outside = manifest(tmp_path / "lists", "/etc/passwd,1,1,query")
    with pytest.raises(DataError, match="lies outside"):
        load_dataset(outside, root=tmp_path)
    with pytest.raises(DataError, match="no such folder; the root"):
        load_dataset(path, root=tmp_path / "nowhere")


def test_a_root_is_for_manifests_alone(tmp_path: Path, empty_tree) -> None:
    empty_tree(tmp_path, ["query/0002_c1s1_000451_03.jpg"])
    with pytest.raises(DataError, match="a root is for manifests alone"):
        load_dataset(tmp_path, root=tmp_path)


def test_a_folder_that_cannot_be_read_is_missing_and_no_traceback(
    tmp_path: Path, picture_tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture_tree(tmp_path, ["in/a.jpg", "b.jpg", "c.jpg"])
    path = manifest(tmp_path, "in/a.jpg,1,1,gallery", "b.jpg,1,2,gallery", "c.jpg,1,2,gallery")
    scandir = os.scandir

    def refuse(place):
        if Path(place).name == "in":
            raise PermissionError(13, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr("reidr.data.reading.lists.os.scandir", refuse)
    [note] = [note for note in load_dataset(path).notes if note.kind == "missing file"]
    assert note.names == ("in/a.jpg",)


def test_neither_a_manifest_nor_what_a_list_names_is_called_unused(tmp_path: Path, picture_tree) -> None:
    picture_tree(tmp_path, ["q.jpg", "g.jpg", "other.jpg"])
    for path in (tmp_path, manifest(tmp_path, "q.jpg,1,1,query", "g.jpg,1,2,gallery", name="shop.csv")):
        manifest(tmp_path, "q.jpg,1,1,query", "g.jpg,1,2,gallery")
        if path != tmp_path:
            (tmp_path / "manifest.csv").unlink()
        else:
            (tmp_path / "shop.csv").unlink(missing_ok=True)
        [finding] = [f for f in validate(path) if f.kind == "files beside"]
        assert finding.files == ("other.jpg",)
        (tmp_path / "shop.csv").write_text(f"{HEADER}\nq.jpg,1,1,query\ng.jpg,1,2,gallery\n")


def test_pictures_on_no_list_are_counted(tmp_path: Path, empty_tree) -> None:
    names = market_lists(tmp_path, empty_tree)
    (tmp_path / "query.list").write_text(names[0])
    (tmp_path / "gallery.list").write_text(names[1])
    [note] = [note for note in load_dataset(tmp_path).notes if note.kind == "not listed"]
    assert (note.level, note.count) == ("info", 2)
    assert note.names == tuple(f"bounding_box_test/{name}" for name in names[2:])


def test_a_dot_before_a_listed_path_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"./a.jpg 1\r\n.//b.jpg 2\r.hidden 3\n")
    assert read_lines(tmp_path / "list.txt") == ["a.jpg 1", "b.jpg 2", ".hidden 3", ""]


def test_a_list_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(DataError, match="is a pipe, not a list"):
        read_lines(tmp_path / "pipe.txt")
    (tmp_path / "zero.txt").symlink_to("/dev/zero")
    with pytest.raises(DataError, match="is a device, not a list"):
        read_lines(tmp_path / "zero.txt")
