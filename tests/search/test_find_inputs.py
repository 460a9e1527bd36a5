"""Whatever a person or a gallery is given as means the same; what is neither is refused by its type."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finding import Bands, drawn
from PIL import Image

from reidr.data.types import Crop
from reidr.errors import DataError, ImageError, ReIDError, WeightsError
from reidr.search import Found, find, search
from reidr.search.query.left_out import JUNK, UNREADABLE
from reidr.search.task import SearchOptions


def look(person: Any, gallery: Any, k: int = 10, **words: Any) -> Found:
    return search(person, gallery, k, SearchOptions(**{"retriever": Bands(), "reasoner": None, **words}), keep=False)


def distances(found: Found) -> dict[str, float]:
    return {match.crop.id.rpartition("/")[2]: round(match.distance, 5) for match in found.matches}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        where = Path("ab"[number % 2])
        where.mkdir(exist_ok=True)
        drawn(number).save(where / f"{number}.png")
    drawn(3, 9).save("person.png")
    return tmp_path


def encoded(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    "given",
    [
        str,
        Path,
        lambda path: Image.open(path),
        lambda path: np.asarray(Image.open(path)),
        lambda path: Path(path).read_bytes(),
        lambda path: Crop("x", Path(path)),
        lambda path: Crop("x", Image.open(path)),
        lambda path: Crop("x", path),
        lambda path: Crop("x", Path(path).read_bytes()),
        lambda path: [path],
        lambda path: (Path(path),),
    ],
)
def test_a_person_means_the_same_in_every_form(place: Path, given: Any) -> None:
    assert distances(look(given("person.png"), "b")) == distances(look("person.png", "b"))


@pytest.mark.parametrize(
    "given",
    [
        lambda: "a",
        lambda: Path("a"),
        lambda: ["a"],
        lambda: ["a/0.png", "a/2.png", "a/4.png"],
        lambda: [Path("a/0.png"), Path("a/2.png"), Path("a/4.png")],
        lambda: (Crop(f"{i}.png", Path(f"a/{i}.png")) for i in (0, 2, 4)),
        lambda: [Crop("0.png", drawn(0)), Path("a/2.png"), "a/4.png"],
        lambda: [Crop("0.png", np.asarray(drawn(0))), Crop("2.png", "a/2.png"), "a/4.png"],
    ],
)
def test_a_gallery_means_the_same_in_every_form(place: Path, given: Any) -> None:
    assert distances(look("person.png", given())) == distances(look("person.png", "a"))


def test_pictures_in_memory_are_named_by_their_place(place: Path) -> None:
    found = look("person.png", [drawn(0), np.asarray(drawn(3)), encoded(drawn(4))])
    assert found.matches[0].crop.id == "gallery[1]"
    assert len(found.matches) == 3


def test_two_folders_are_both_searched_and_nothing_collides(place: Path) -> None:
    drawn(99).save("a/1.png")
    found = look("person.png", ["a", "b"])
    names = {f"{folder}/{number}.png" for folder, number in zip("aaabbba", "0241351", strict=True)}
    assert {match.crop.id for match in found.matches} == names
    assert found.matches[0].crop.id == "b/3.png"
    assert found.searched == 7
    again = look("person.png", ["a", "b", place / "a", "b/3.png"])
    assert [match.crop.id for match in again.matches] == [match.crop.id for match in found.matches]
    assert "4 files are reached twice and searched once" in again.notes or "5 files" in " ".join(again.notes)


def test_equal_ids_are_numbered(place: Path) -> None:
    found = look("person.png", [Crop("x", Path("a/0.png")), Crop("x", Path("b/1.png")), Crop("x", Path("b/3.png"))])
    assert found.matches[0].crop.id == "x (3)"
    assert {match.crop.id for match in found.matches} == {"x", "x (2)", "x (3)"}


def test_a_manifest_is_a_gallery(place: Path) -> None:
    rows = ["image,person,camera,split,time,role", "a/0.png,,hall,gallery,12,", "b/3.png,,door,gallery,14.5,"]
    Path("list.csv").write_text("\n".join([*rows, "a/2.png,,hall,gallery,,junk", "person.png,7,hall,query,,"]) + "\n")
    found = look("person.png", "list.csv")
    assert [(m.crop.id, m.crop.camera, m.shown_time) for m in found.matches] == [
        ("b/3.png", "door", "14.5"),
        ("a/0.png", "hall", "12"),
    ]
    assert [(each.reason, each.files) for each in found.left_out] == [(JUNK, ("a/2.png",))]


@pytest.mark.parametrize(
    ("person", "gallery", "error", "said"),
    [
        (3, "a", DataError, "the person is of type int"),
        ({"a": 1}, "a", DataError, "the person is of type dict"),
        ([], "a", DataError, "no picture of the person"),
        ([3], "a", DataError, "of type int"),
        ("none.png", "a", ImageError, "none.png: no such file"),
        (["person.png", "none.png"], "a", ImageError, "none.png: no such file"),
        ("a", "b", ImageError, "a: is a folder"),
        (b"nothing", "a", ImageError, "query"),
        (np.zeros((3, 4, 5, 6), np.uint8), "a", ImageError, "query"),
        ("person.png", 3, DataError, "the gallery is of type int"),
        ("person.png", drawn(0), DataError, "the gallery is of type Image"),
        ("person.png", np.zeros((9, 9, 3), np.uint8), DataError, "the gallery is of type ndarray"),
        ("person.png", Crop("a", Path("a/0.png")), DataError, "the gallery is of type Crop"),
        ("person.png", ["a", None], DataError, "gallery[1] is of type NoneType"),
        ("person.png", [], DataError, "empty list"),
        ("person.png", "nowhere", DataError, "nowhere: no such folder"),
        ("person.png", ["a", "nowhere"], DataError, "nowhere: no such folder, manifest or picture"),
        ("person.png", "person.png", DataError, "give a list of them"),
        ("person.png", "none.csv", DataError, "none.csv: no such manifest"),
        ("person.png", ["none.png"], DataError, "none of its 1 pictures can be used"),
    ],
)
def test_what_cannot_be_searched_is_one_sentence(
    place: Path, person: Any, gallery: Any, error: type[ReIDError], said: str
) -> None:
    with pytest.raises(error) as refused:
        look(person, gallery)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"k": 0}, "k must be a whole number of at least 1, not 0"),
        ({"k": -1}, "k must be a whole number of at least 1, not -1"),
        ({"k": 2.5}, "k must be a whole number of at least 1, not 2.5"),
        ({"k": True}, "k must be a whole number of at least 1, not True"),
        ({"k": "3"}, "k must be a whole number of at least 1, not '3'"),
        ({"think": -1}, "think must be a whole number of at least 0, not -1"),
        ({"think": 1.5}, "think must be a whole number of at least 0, not 1.5"),
        ({"retriever": 7}, "the retriever is of type int"),
        ({"reasoner": 7}, "the reasoner is of type int"),
        ({"pattern": "{camera}/{}"}, "no path in a follows it, for example 0.png"),
    ],
)
def test_settings_are_checked(place: Path, words: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as refused:
        find("person.png", "a", **{"retriever": Bands(), "reasoner": None, **words})
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "words",
    ["'none.png', 'a'", "'person.png', 'nowhere'", "'person.png', 'a', 0", "'person.png', 'a', reasoner='nowhere'",
     "'person.png', 'a', retriever='nowhere'", "'person.png', 'a', pattern='{x}'"],
)  # fmt: skip
def test_in_python_too_arguments_are_checked_before_torch_is_loaded(place: Path, words: str) -> None:
    code = (
        "import sys\nfrom reidr import find\nfrom reidr.errors import ReIDError\n"
        f"try:\n    find({words})\nexcept ReIDError:\n    print('REFUSED', 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "REFUSED False\n", done.stderr


def test_a_whole_number_of_any_kind_will_do(place: Path) -> None:
    assert len(look("person.png", "a", np.int64(2)).matches) == 2


def test_models_may_be_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reidr.retrieval.embedders.retriever.Retriever.load", lambda *_: Bands())
    assert find("person.png", "b", 1, retriever="lite", reasoner=None)[0].crop.id == "3.png"
    for name in ("nowhere", "nowhere.onnx"):
        with pytest.raises(WeightsError, match="nowhere"):
            find("person.png", "b", retriever=name, reasoner=None)
    with pytest.raises(WeightsError, match="no such checkpoint"):
        find("person.png", "b", retriever=Bands(), reasoner="nowhere")


def test_all_that_is_left_out_is_counted_by_reason(place: Path) -> None:
    for name in ("x.pdf", "y.txt", "none", ".hidden", "Thumbs.db"):
        Path("a", name).write_bytes(b"x")
    Path("a/broken.jpg").write_bytes(b"not a picture")
    Path("a/empty.png").write_bytes(b"")
    (place / "a" / "d\udce9.png").write_bytes(encoded(drawn(5)))
    found = look("person.png", "a")
    ending = "no picture by ending and content"
    counts = {each.reason: len(each.files) for each in found.left_out}
    assert counts == {ending: 3, "a name that is no UTF-8 text": 1, UNREADABLE: 2}
    first = next(each for each in found.left_out if each.reason == ending)
    assert first.sentence() == "3 files, no picture by ending and content (.pdf, .txt, none): none, x.pdf, y.txt"
    assert len(found.problems) == 2
    assert found.searched == 3


def test_linked_folders_are_followed_and_named(place: Path) -> None:
    Path("a/link").symlink_to(place / "b")
    found = look("person.png", "a")
    assert found.matches[0].crop.id == "link/3.png"
    assert found.notes == ("a: 1 linked folders are followed: link",)


def test_a_truncated_picture_in_memory_is_a_counted_problem(place: Path) -> None:
    whole = encoded(drawn(5, size=(60, 120)))
    broken = Image.open(io.BytesIO(whole[: len(whole) // 2]))
    found = look("person.png", [broken, drawn(3), Crop("half", Image.open(io.BytesIO(whole[: len(whole) // 2])))])
    assert [match.crop.id for match in found.matches] == ["gallery[1]"]
    assert [(each.reason, each.files) for each in found.left_out] == [(UNREADABLE, ("gallery[0]", "half"))]
    assert len(found.problems) == 2
    with pytest.raises(DataError, match="none of its 1 pictures"):
        look("person.png", [broken])


def test_nobody_left_to_compare_is_a_sentence(place: Path) -> None:
    Path("alone").mkdir()
    drawn(1).save("alone/p.png")
    found = look("alone/p.png", "alone")
    assert found.matches == ()
    assert found.nobody.startswith("No match: alone holds only the query itself")
    assert find("alone/p.png", "alone", retriever=Bands(), reasoner=None) == ()


def test_several_pictures_are_one_query_by_the_mean_of_their_embeddings(place: Path) -> None:
    pictures = [drawn(1), drawn(3), drawn(3, 9)]
    rows = Bands().embed_pictures(pictures).astype(np.float64)
    mean = rows.mean(axis=0) / np.linalg.norm(rows.mean(axis=0))
    found = look(pictures, ["a", "b"])
    for match in found.matches:
        row = Bands().embed_pictures([match.crop.open()])[0]
        assert match.distance == pytest.approx(np.linalg.norm(row - mean), abs=1e-3)
    assert len(found.queries) == 3
    nearest = int(np.argmax(rows @ mean))
    assert found.query is found.queries[nearest]
    # None of the query's own files is a match.
    names = {match.crop.id for match in look(["a/0.png", "a/2.png"], "a").matches}
    assert names == {"4.png"}
    # One picture, alone or in a list, is the same search to the last digit.
    assert [m.distance for m in look(drawn(1), "a").matches] == [m.distance for m in look([drawn(1)], "a").matches]
