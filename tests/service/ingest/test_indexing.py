"""A recording on its way into a gallery: what comes out, work that is cut short, and what is not done twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filming import film, knowing_detector

from reidr.data.pictures.images import read_picture
from reidr.errors import DataError
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.service.ingest import indexing
from reidr.service.ingest.detection.loading import load_detector
from reidr.service.ingest.embedding import CropEmbedder
from reidr.service.ingest.indexing import Gallery, Indexer, IndexSettings
from reidr.service.ingest.recordings import KIND
from reidr.service.ingest.sources.video import VideoFile
from reidr.service.records.opening import open_records
from reidr.service.store.opening import open_store
from reidr.service.store.records import CropFilter

SETTINGS = IndexSettings(fps=0, crops_per_track=3)


class PowerCutError(Exception):
    """Whatever ends a process in the midst of its work."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("films") / "gate.mp4")


@pytest.fixture(scope="module")
def indexer(tmp_path_factory: pytest.TempPathFactory) -> Indexer:
    detector = load_detector(str(knowing_detector(tmp_path_factory.mktemp("models") / "knowing.onnx")))
    return Indexer(detector, CropEmbedder.of(HistogramEmbedder()), SETTINGS)


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    opened = Gallery(open_store(tmp_path / "gallery"), open_records(tmp_path / "gallery"))
    yield opened
    opened.store.close()
    opened.records.close()


def content(gallery: Gallery) -> list[Any]:
    """Everything that is in a gallery."""
    crops = gallery.store.crops(limit=1000)
    return [
        (c.id, c.track, c.camera, c.time, c.start, c.end, c.box, c.quality, c.picture, c.vector.tolist()) for c in crops
    ]


def short_stretches(monkeypatch: pytest.MonkeyPatch, frames: int) -> None:
    monkeypatch.setattr(indexing, "STRETCH", frames)
    monkeypatch.setattr(indexing, "LONGEST_STRETCH", frames)


def test_a_video_becomes_tracks_with_their_times(clip: Path, indexer: Indexer, gallery: Gallery) -> None:
    done = indexer.index(VideoFile(clip, "gate", 1000.0), gallery)
    assert (done.before, done.frames, done.left_out, done.remarks) == ("nothing", 40, 0, ())
    first, second = sorted(done.tracks, key=lambda track: -(track.end or 0))
    assert (first.start, first.end) == pytest.approx((1000.1, 1003.9))
    assert (second.start, second.end) == pytest.approx((1000.1, 1002.9))
    for crop in gallery.store.crops():
        assert crop.camera == "gate"
        assert crop.recording == done.source.recording.label
        assert crop.frame is not None
        assert crop.time == pytest.approx(1000 + crop.frame / 10)
        assert crop.person is None
        assert 0 < (crop.quality or 0) <= 1
        # The vector is that of the picture that is kept: a new embedding of it is the same.
        assert np.allclose(crop.vector, HistogramEmbedder().embed_pictures([read_picture(crop.picture)])[0])
    # Of every track the best crop and at most two more.
    assert all(1 <= track.crops <= 3 for track in done.tracks)


def test_without_a_start_there_are_no_times(clip: Path, indexer: Indexer, gallery: Gallery) -> None:
    done = indexer.index(VideoFile(clip, "gate"), gallery)
    assert {(track.start, track.end) for track in done.tracks} == {(None, None)}


def test_a_second_run_does_nothing(clip: Path, indexer: Indexer, gallery: Gallery, tmp_path: Path) -> None:
    indexer.index(VideoFile(clip, "gate", 1000.0), gallery)
    before, version = content(gallery), gallery.store.facts().version
    # Under another name, too: what counts is the content.
    other = tmp_path / "copy.mp4"
    other.write_bytes(clip.read_bytes())
    assert indexer.index(VideoFile(other, "gate", 1000.0), gallery).before == "all"
    assert (content(gallery), gallery.store.facts().version) == (before, version)


@pytest.mark.parametrize("where", ["before the store", "after the store"])
@pytest.mark.parametrize("cut", [0, 3])
def test_work_that_is_cut_short_goes_on_and_ends_in_the_same_gallery(
    clip: Path,
    indexer: Indexer,
    gallery: Gallery,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    cut: int,
) -> None:
    """As after `kill -9`: between what is stored and what is written of it, or before either."""
    short_stretches(monkeypatch, 7)
    uncut = Gallery(open_store(tmp_path / "uncut"), open_records(tmp_path / "uncut"))
    indexer.index(VideoFile(clip, "gate", 1000.0), uncut)
    add, writes = gallery.store.add, iter(range(100))

    def failing(*given: Any, **options: Any) -> int:
        now = next(writes)
        if now == cut and where == "before the store":
            raise PowerCutError
        added = add(*given, **options)
        if now == cut:
            raise PowerCutError
        return added

    with monkeypatch.context() as patch:
        patch.setattr(gallery.store, "add", failing)
        with pytest.raises(PowerCutError):
            indexer.index(VideoFile(clip, "gate", 1000.0), gallery)
    done = indexer.index(VideoFile(clip, "gate", 1000.0), gallery)
    assert (done.before, done.frames) == ("part" if cut else "nothing", 40)
    assert content(gallery) == content(uncut)
    uncut.store.close()
    uncut.records.close()


def test_long_tracks_are_one_track_however_it_is_cut(
    clip: Path, indexer: Indexer, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_stretches(monkeypatch, 9)
    done = indexer.index(VideoFile(clip, "gate", 1000.0), gallery)
    assert len(done.tracks) == 2
    assert sorted((track.end or 0) - (track.start or 0) for track in done.tracks) == pytest.approx([2.8, 3.8])
    # Crops of each stretch are kept, so that somebody who stays for an hour is seen more than once.
    assert max(track.crops for track in done.tracks) > SETTINGS.crops_per_track


def test_other_settings_are_refused_until_it_is_to_be_done_again(
    clip: Path, indexer: Indexer, gallery: Gallery
) -> None:
    indexer.index(VideoFile(clip, "gate", 1000.0), gallery)
    before = content(gallery)
    for camera, start, settings, sentence in (
        ("yard", 1000.0, SETTINGS, "indexed before with --camera gate, not yard; give the same, or --again"),
        ("gate", 2000.0, SETTINGS, "--start 1000, not 2000"),
        ("gate", 1000.0, IndexSettings(fps=5, crops_per_track=3), "--fps 0, not 5"),
        ("gate", 1000.0, IndexSettings(fps=0, crops_per_track=3, tracker="sort"), "--tracker bytetrack, not sort"),
    ):
        with pytest.raises(DataError, match=sentence):
            Indexer(indexer.detector, indexer.crops, settings).index(VideoFile(clip, camera, start), gallery)
    assert content(gallery) == before
    indexer.index(VideoFile(clip, "yard", 2000.0), gallery, again=True)
    assert gallery.store.facts().cameras == ("yard",)
    assert len(content(gallery)) == len(before)
    assert indexer.index(VideoFile(clip, "yard", 2000.0), gallery).before == "all"


def test_indexing_again_that_is_cut_short_leaves_nothing_of_before(
    clip: Path, indexer: Indexer, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexer.index(VideoFile(clip, "gate", 1000.0), gallery)
    with monkeypatch.context() as patch:

        def failing(*_: Any, **__: Any) -> int:
            raise PowerCutError

        patch.setattr(gallery.store, "delete", failing)
        with pytest.raises(PowerCutError):
            indexer.index(VideoFile(clip, "yard", 1000.0), gallery, again=True)
    done = indexer.index(VideoFile(clip, "yard", 1000.0), gallery)
    assert {track.camera for track in done.tracks} == {"yard"}
    assert gallery.store.facts().cameras == ("yard",)


def test_two_processes_do_not_write_over_one_another(clip: Path, indexer: Indexer, gallery: Gallery) -> None:
    from reidr.errors import ConflictError

    source = VideoFile(clip, "gate", 1000.0)
    first, second = indexer.book(source, gallery), indexer.book(source, gallery)
    progress = first.begin(again=False)
    second.begin(again=False)
    first.write(progress)
    with pytest.raises(ConflictError):
        second.write(progress)


def test_what_is_kept_of_a_recording_names_no_person(clip: Path, indexer: Indexer, gallery: Gallery) -> None:
    indexer.index(VideoFile(clip, "gate", 1000.0), gallery)
    [record] = gallery.records.of_kind(KIND)
    assert record.key == VideoFile(clip, "gate").recording.key
    assert record.value["finished"] is True
    assert record.value["carried"] == {}
    assert gallery.store.count(CropFilter(recordings=frozenset({record.value["label"]}))) == len(content(gallery))


def test_what_a_camera_showed_until_ctrl_c_is_kept(clip: Path, indexer: Indexer, gallery: Gallery) -> None:
    """A file is read again; a live stream cannot be."""
    for resumable, wanted in ((True, 0), (False, 2)):
        source = VideoFile(clip, "gate", 1000.0)
        source.recording = replace(source.recording, resumable=resumable)

        def stop_in_the_midst(seconds: float, seen: list[float] = []) -> None:  # noqa: B006 - counts
            seen.append(seconds)
            if len(seen) % 20 == 0:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            indexer.index(source, gallery, advance=stop_in_the_midst)
        assert len(gallery.store.tracks()) == wanted
