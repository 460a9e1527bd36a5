from __future__ import annotations

from pathlib import Path

import pytest

from reidr.data.reading.folder import crops_in_folder
from reidr.errors import DataError


def test_all_pictures_below_sorted_by_path(tmp_path: Path, empty_tree) -> None:
    empty_tree(
        tmp_path, ["b/x.png", "a/y.JPG", "z.webp", "a/.hidden.jpg", ".git/p.jpg", "a/notes.txt", "a/sub/deep.jpeg"]
    )
    crops = crops_in_folder(tmp_path)
    assert [crop.id for crop in crops] == ["a/sub/deep.jpeg", "a/y.JPG", "b/x.png", "z.webp"]
    assert all(crop.person is None and crop.camera is None and not crop.junk for crop in crops)
    assert crops[0].image == tmp_path / "a" / "sub" / "deep.jpeg"


def test_market_names_tell_person_and_camera(tmp_path: Path, empty_tree) -> None:
    empty_tree(tmp_path, ["0002_c3s1_000451_03.jpg", "-1_c3s1_000451_03.jpg", "0000_c4s1_000451_03.jpg", "me.jpg"])
    junk, distractor, person, me = crops_in_folder(tmp_path)
    assert (person.person, person.camera, person.junk) == ("0002", "3", False)
    assert (distractor.person, distractor.camera, distractor.junk) == (None, "4", False)
    assert (junk.person, junk.camera, junk.junk) == (None, "3", True)
    assert (me.person, me.camera) == (None, None)


def test_links_in_a_circle_end(tmp_path: Path, empty_tree) -> None:
    empty_tree(tmp_path, ["a/x.jpg"])
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert [crop.id for crop in crops_in_folder(tmp_path)] == ["a/x.jpg"]


def test_no_folder_or_no_picture(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        crops_in_folder(tmp_path / "nowhere")
    (tmp_path / "readme.txt").touch()
    with pytest.raises(DataError, match=r"holds no picture file \(\.apng, \.avif, \.bmp"):
        crops_in_folder(tmp_path)
