"""The drawn street that `reidr serve` shows where no gallery was named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reidr.data.synthetic.settings import StreetSettings
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.service import demo
from reidr.service.store.opening import open_store


def test_a_street_of_two_cameras_with_times_and_tracks_is_drawn_once(monkeypatch: Any) -> None:
    small = StreetSettings(
        cameras=2, cameras_per_person=2, test_people=2, crops_per_camera=2, queries_per_person=1, distractors=2, junk=0,
        absent=0.0,
    )  # fmt: skip
    monkeypatch.setattr(demo, "STREET", small)
    embedder = HistogramEmbedder()
    assert demo.known_demo(embedder) is None
    steps: list[float] = []
    made = demo.demo_gallery(embedder, steps.append)
    assert sum(steps) == demo.crops_drawn()
    assert demo.known_demo(embedder) == made
    assert len(list(made.people.glob("*.jpg"))) == 2
    store = open_store(made.folder)
    try:
        assert set(store.facts().cameras) == {"north gate", "south gate"}
        tracks = store.tracks()
        assert len(tracks) == 5  # two people at two cameras, and one stranger
        for track in tracks:
            assert track.start is not None
            assert track.end is not None
            assert track.end > track.start
            assert track.crops == 2
            assert track.person is None  # only people say who somebody is
    finally:
        store.close()


def test_without_a_cache_the_street_is_in_a_temporary_folder(monkeypatch: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("REIDR_CACHE", str(file / "cache"))
    monkeypatch.setattr(demo.tempfile, "mkdtemp", lambda prefix: str(tmp_path))
    monkeypatch.setattr(demo, "fill", lambda folder, embedder, advance: (folder / demo.PEOPLE).mkdir())
    made = demo.demo_gallery(HistogramEmbedder())
    assert made.folder == tmp_path / demo.NAME
    assert made.people.is_dir()


@pytest.mark.parametrize("frame", [0, 1, 10_000])
def test_times_go_forward(frame: int) -> None:
    assert demo.seconds(frame + 1) > demo.seconds(frame) >= demo.BEGIN
