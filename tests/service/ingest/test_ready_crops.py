"""Crops that are cut already: camera, track and time from paths or a manifest, and none stored twice."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from filming import drawn_people
from PIL import Image

from reidr.data.reading.path_pattern import PathPattern
from reidr.errors import DataError
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.service.ingest import ready_crops as crops_module
from reidr.service.ingest.embedding import CropEmbedder
from reidr.service.ingest.ready_crops import CropFacts, index_crops, ready_crops
from reidr.service.store.opening import open_store
from reidr.service.store.records import CropFilter
from reidr.service.store.store import GalleryStore

EMBEDDER = CropEmbedder.of(HistogramEmbedder())
PATTERN = PathPattern("{camera}/{track}/{date}_{time}_{}.jpg")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[GalleryStore]:
    opened = open_store(tmp_path / "gallery")
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two people, two cameras, a second between the pictures of a track."""
    root = tmp_path / "crops"
    for camera in ("gate", "yard"):
        for track, pictures in enumerate(drawn_people()):
            (root / camera / str(track)).mkdir(parents=True)
            for second, picture in enumerate(pictures[:3]):
                marked = picture.copy()
                marked.putpixel((0, 0), (second, track, len(camera)))
                marked.save(root / camera / str(track) / f"2026-11-30_09-15-0{second}_x.jpg", quality=95)
    return root


def test_a_folder_with_a_pattern(folder: Path, store: GalleryStore) -> None:
    source = ready_crops(folder, CropFacts(pattern=PATTERN))
    done = index_crops(source, store, EMBEDDER)
    assert (done.added, done.known, done.copies, done.problems) == (12, 0, 0, [])
    tracks = store.tracks()
    assert [track.id for track in tracks] == [
        f"crops/{camera}/{track}" for camera in ("gate", "yard") for track in "01"
    ]
    quarter_past = datetime(2026, 11, 30, 9, 15).timestamp()  # names hold local times
    assert {(track.start, track.end) for track in tracks} == {(quarter_past, quarter_past + 2)}
    for crop in store.crops():
        assert crop.picture.startswith(b"\xff\xd8")  # small files are kept as they are
        assert any(crop.picture == path.read_bytes() for path in folder.rglob("*.jpg"))
    assert index_crops(source, store, EMBEDDER).known == 12


def test_going_on_embeds_only_what_is_missing(
    folder: Path, store: GalleryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crops_module, "CHUNK", 4)
    source = ready_crops(folder, CropFacts(pattern=PATTERN))
    embedded: list[int] = []

    class Counting(HistogramEmbedder):
        def embed_pictures(self, pictures: list[Image.Image]) -> np.ndarray:  # type: ignore[override,type-arg]
            embedded.append(len(pictures))
            if len(embedded) == 3:  # one to learn the length, one chunk
                raise KeyboardInterrupt
            return super().embed_pictures(pictures)

    with pytest.raises(KeyboardInterrupt):
        index_crops(source, store, CropEmbedder.of(Counting()))
    assert store.count() == 4
    done = index_crops(source, store, CropEmbedder.of(Counting()))
    assert (done.added, done.known, store.count()) == (8, 4, 12)
    assert sum(embedded[4:]) == 8


def test_a_manifest(folder: Path, store: GalleryStore, tmp_path: Path) -> None:
    lines = ["image,person,camera,split,track,time"]
    for place, path in enumerate(sorted(folder.rglob("*.jpg"))[:4]):
        lines.append(f"{path.relative_to(folder)},{'anna' if place < 2 else ''},gate,gallery,{place // 2},{place}")
    manifest = folder / "manifest.csv"
    manifest.write_text("\n".join(lines))
    done = index_crops(ready_crops(manifest, CropFacts(start=5000.0)), store, EMBEDDER)
    assert done.added == 4
    assert [(track.crops, track.person, track.start, track.end) for track in store.tracks()] == [
        (2, "anna", 5000.0, 5001.0),
        (2, None, 5002.0, 5003.0),
    ]


def test_what_is_left_out_and_what_is_a_copy(folder: Path, store: GalleryStore) -> None:
    (folder / "note.jpg").write_text("no picture")
    broken = folder / "gate" / "0" / "2026-11-30_09-15-07_x.jpg"
    broken.write_bytes(sorted(folder.rglob("*.jpg"))[0].read_bytes()[:300])
    copy = folder / "gate" / "0" / "2026-11-30_09-15-08_x.jpg"
    copy.write_bytes((folder / "gate" / "0" / "2026-11-30_09-15-00_x.jpg").read_bytes())
    source = ready_crops(folder, CropFacts(pattern=PATTERN))
    done = index_crops(source, store, EMBEDDER)
    assert (done.added, done.copies, len(done.problems)) == (12, 1, 1)
    assert str(broken) in done.problems[0]
    assert any("do not follow the pattern: note.jpg" in remark for remark in source.remarks)


def test_corrected_facts_are_taken_with_again(folder: Path, store: GalleryStore) -> None:
    index_crops(ready_crops(folder, CropFacts(pattern=PathPattern("{camera}/{track}/{}"))), store, EMBEDDER)
    assert store.count(CropFilter(since=0.0)) == 0
    timed = ready_crops(folder, CropFacts(pattern=PATTERN))
    index_crops(timed, store, EMBEDDER)
    assert store.count(CropFilter(since=0.0)) == 0
    index_crops(timed, store, EMBEDDER, again=True)
    assert (store.count(), store.count(CropFilter(since=0.0))) == (12, 12)


def test_large_pictures_are_kept_smaller_and_embedded_as_kept(tmp_path: Path, store: GalleryStore) -> None:
    (tmp_path / "large").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (1600, 800, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "large" / "one.png")
    index_crops(ready_crops(tmp_path / "large", CropFacts(camera="gate")), store, EMBEDDER)
    [crop] = store.crops()

    kept = Image.open(io.BytesIO(crop.picture))
    assert (kept.format, kept.size) == ("JPEG", (256, 512))
    assert np.allclose(crop.vector, HistogramEmbedder().embed_pictures([kept.convert("RGB")])[0], atol=1e-6)
    assert crop.track == crop.id
    assert crop.time is None


def test_what_nobody_says_is_asked_for(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"nothing says which camera took .*name it with --camera, or say with --pattern"
    ):
        ready_crops(folder, CropFacts())
    with pytest.raises(DataError, match=r"no path in .* follows it, for example gate/0"):
        ready_crops(folder, CropFacts(pattern=PathPattern("{camera}.png")))
    with pytest.raises(DataError, match=r"tells the time of day, but no date; add .date. to it"):
        ready_crops(folder, CropFacts(pattern=PathPattern("{camera}/{track}/{}_{time}_{}.jpg")))
    noon = datetime(2026, 11, 30, 12).timestamp()
    dated = ready_crops(folder, CropFacts(start=noon, pattern=PathPattern("{camera}/{track}/{}_{time}_{}.jpg")))
    assert dated.crops[0].time == datetime(2026, 11, 30, 9, 15).timestamp()
    assert any("without a known time" in each for each in ready_crops(folder, CropFacts(camera="gate")).remarks)


def test_a_retriever_that_recognises_attributes_writes_them_down(folder: Path, store: GalleryStore) -> None:
    """As what is expected of the person, value by value; NaN for what the network does not know."""
    import torch

    from reidr.data.vocabulary import CANNOT_BE_SEEN, VALUES
    from reidr.retrieval.embedders.attribute_recognition import AttributeRecogniser, ValueCalibration
    from reidr.retrieval.embedders.network import NetworkSettings, build_network
    from reidr.retrieval.embedders.retriever import Retriever

    shape = {"height": 32, "width": 16, "embedding": 16, "stripes": 2, "stripe_embedding": 8}
    known = {"headwear": ("none", "hat")}
    settings = NetworkSettings(backbone="osnet-x0.25", **shape, attributes=known, attribute_width=8)  # type: ignore[arg-type]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        retriever = Retriever(build_network(settings), "small", "fingerprint")
    retriever.attributes = {
        "headwear": {value: ValueCalibration(1, 0, 0.3) for value in ("none", "hat", CANNOT_BE_SEEN)}
    }
    embedder = CropEmbedder.of(retriever)
    index_crops(ready_crops(folder, CropFacts(pattern=PATTERN)), store, embedder)
    reader = AttributeRecogniser(retriever)
    for crop in store.crops():
        assert crop.attributes is not None
        assert crop.attributes.dtype == np.float16
        picture = Image.open(io.BytesIO(crop.picture)).convert("RGB")
        expected = reader.table(reader.embed_pictures([picture])).expected()[0]
        assert np.allclose(crop.attributes, expected, atol=2e-3, equal_nan=True)
        named = {VALUES[place] for place in np.flatnonzero(np.isfinite(crop.attributes))}
        assert named == {("headwear", "none"), ("headwear", "hat")}
    assert store.facts().attribute_model == reader.fingerprint
