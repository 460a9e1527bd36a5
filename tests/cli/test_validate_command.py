"""`reidr validate`: its words, options and exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from reidr.cli.main import reidr


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """Lists of which half of the queries are missing."""
    for folder in ("query", "bounding_box_test"):
        (tmp_path / folder).mkdir()
    for person in (1, 2, 3, 4):
        for camera, folder in ((1, "query"), (2, "bounding_box_test")):
            if camera == 2 or person % 2:
                picture = Image.new("RGB", (8, 16), (person, camera, 9))
                name = f"{person:04d}_c{camera}_f0000099.jpg"
                picture.save(tmp_path / folder / name, comment=f"{person}{camera}".encode())
    for camera, name in ((1, "query.list"), (2, "gallery.list")):
        (tmp_path / name).write_text("".join(f"{person:04d}_c{camera}_f0000099.jpg\n" for person in (1, 2, 3, 4)))
    return tmp_path


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(reidr, ["validate", *map(str, words)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_half_of_the_listed_pictures_missing_ends_with_1_unless_allowed(lists: Path, tmp_path: Path) -> None:
    status, said = run(lists, "--json", tmp_path / "out.json")
    assert status == 1
    assert "error    query.list: 2 of 4 listed files are not in" in said
    # The warning is about train.list, which is not there at all.
    assert "1 errors, 1 warnings" in said
    [finding] = [f for f in json.loads((tmp_path / "out.json").read_text()) if f["kind"] == "missing file"]
    assert finding["severity"] == "error"
    status, said = run(lists, "--allow-missing")
    assert status == 0
    assert "warning  query.list: 2 of 4" in said


def test_a_root_lets_a_manifest_reach_its_pictures(lists: Path) -> None:
    folder = lists / "manifests"
    folder.mkdir()
    rows = [f"../{path.relative_to(lists)},{path.name[:4]},{path.name[6]},{split}"
            for split, place in (("query", "query"), ("gallery", "bounding_box_test"))
            for path in sorted((lists / place).iterdir())]  # fmt: skip
    (folder / "manifest.csv").write_text("\n".join(["image,person,camera,split", *rows]))
    status, said = run(folder)
    assert status == 1
    assert "lies outside the manifest's folder" in said
    status, said = run(folder, "--root", lists)
    assert status == 0, said
    status, said = run(lists, "--root", lists)
    assert (status, "a root is for manifests alone" in said) == (1, True)


def test_a_wrong_option_ends_with_2_and_unreadable_data_with_1(tmp_path: Path) -> None:
    assert run(tmp_path, "--nonsense")[0] == 2
    status, said = run(tmp_path / "nowhere")
    assert status == 1
    assert "no such folder or manifest" in said
