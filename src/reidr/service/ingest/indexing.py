"""The way of a recording into a gallery: frames → people → tracks → crops → store, stretch by stretch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from reidr.core.process.signals import note_kept
from reidr.core.times import length_in_words
from reidr.service.ingest.detection.detector import PersonDetector, check_detections
from reidr.service.ingest.embedding import CropEmbedder, TrackEmbedder
from reidr.service.ingest.recordings import Progress, ProgressBook
from reidr.service.ingest.sources.frame import Frame, FrameSource, Place
from reidr.service.ingest.tracking.following import Follower, FollowSettings, TrackPart
from reidr.service.ingest.tracking.quality import HEIGHT
from reidr.service.ingest.tracking.tracker import make_tracker
from reidr.service.records.records import RecordStore
from reidr.service.store.records import CropFilter, StoredCrop, StoredTrack
from reidr.service.store.store import GalleryStore

STRETCH, LONGEST_STRETCH = 300, 1500
"""Frames looked at before what was found is stored: as soon as nobody is in the picture, and at the latest."""
TOGETHER = 32  # parts of tracks whose crops are embedded together
PAGE = 1000

Advance = Callable[[float], None]


@dataclass(frozen=True)
class IndexSettings:
    """What decides which tracks come out.

    Attributes:
        fps: frames a second to look at; 0: all. crops_per_track: most crops of each track, or of each stretch of a
            long one.
        confidence: detector's score from which a detection may begin a track. tracker: `tracking.tracker`.
    """

    fps: float = 10.0
    crops_per_track: int = 5
    confidence: float = 0.5
    tracker: str = "bytetrack"


@dataclass(frozen=True)
class Gallery:
    """Where tracks go, and where it is written down how far the work is."""

    store: GalleryStore
    records: RecordStore


@dataclass(frozen=True)
class IndexedRecording:
    """What came of a recording.

    Attributes:
        tracks: in the gallery, in the order of their times. frames: looked at, now and before. left_out: tracks of
            too few frames. before: "nothing", "part" or "all" of it was indexed already. remarks: what could not be
            read.
    """

    source: FrameSource
    tracks: tuple[StoredTrack, ...]
    frames: int
    left_out: int
    before: str
    remarks: tuple[str, ...]


@dataclass
class Indexer:
    """Models and settings with which recordings are indexed."""

    detector: PersonDetector
    crops: CropEmbedder
    settings: IndexSettings

    def book(self, source: FrameSource, gallery: Gallery) -> ProgressBook:
        """The progress of a recording in a gallery, with all that decides which tracks come out."""
        settings = self.settings
        decisive: dict[str, Any] = {
            "fps": settings.fps,
            "crops_per_track": settings.crops_per_track,
            "confidence": settings.confidence,
            "tracker": settings.tracker,
            "detector": self.detector.fingerprint,
        }
        return ProgressBook(gallery.records, source.recording, decisive)

    def index(
        self, source: FrameSource, gallery: Gallery, *, again: bool = False, advance: Advance | None = None
    ) -> IndexedRecording:
        """Index a recording, or what is left of it. `advance` is told the seconds of it that are done.

        Raises DataError as `ProgressBook.begin`, and where the store refuses the crops.
        """
        book = self.book(source, gallery)
        progress = book.begin(again=again)
        if progress.stale:  # said before it is done: a kill in between leaves no track of before
            book.write(progress)
            gallery.store.delete(CropFilter(recordings=frozenset({source.recording.label})))
            progress = replace(progress, stale=False)
            book.write(progress)
        before = "all" if progress.finished else "part" if progress.stretch else "nothing"
        if not progress.finished:
            self.crops.introduce(gallery.store)
            progress = self._work(source, gallery, book, progress, advance or (lambda _: None))
        tracks = all_tracks(gallery.store, CropFilter(recordings=frozenset({source.recording.label})))
        return IndexedRecording(
            source, tuple(tracks), progress.frames, progress.left_out, before, tuple(progress.remarks)
        )

    def _work(
        self, source: FrameSource, gallery: Gallery, book: ProgressBook, progress: Progress, advance: Advance
    ) -> Progress:
        """From where the work stands to the end of the recording."""
        stretch = self._stretch(source, gallery.store, progress)
        done = 0.0 if progress.next is None else progress.next.seconds
        advance(done)
        try:
            for frame, found in self._seen(source, progress.next):
                if stretch.is_over():
                    progress = stretch.close(frame.place)
                    book.write(progress)
                    note_kept("index", kept_so_far(source, frame.place))
                    stretch = self._stretch(source, gallery.store, progress)
                stretch.see(frame, found)
                advance(frame.place.seconds - done)
                done = frame.place.seconds
        except KeyboardInterrupt:
            if not source.recording.resumable:  # what a camera has shown cannot be looked at again
                book.write(stretch.close(None))
                note_kept("index", f"{source.recording.name} until now")
            raise
        progress = stretch.close(None)
        book.write(progress)
        note_kept("index", f"{source.recording.name}, whole")
        return progress

    def _stretch(self, source: FrameSource, store: GalleryStore, progress: Progress) -> Stretch:
        settings = self.settings
        rate = min(settings.fps or source.recording.frame_rate, source.recording.frame_rate)
        follower = Follower(
            make_tracker(settings.tracker, rate, settings.confidence),
            FollowSettings(source.recording.key, settings.crops_per_track, (self.crops.input_size or (HEIGHT, 0))[0]),
            progress.carried,
        )
        return Stretch(source, store, progress, follower, TrackEmbedder(self.crops, settings.crops_per_track), [], [])

    def _seen(self, source: FrameSource, begin: Place | None) -> Iterator[tuple[Frame, Any]]:
        """Every frame to look at, with the people in it."""
        coming = source.frames(self.settings.fps, begin)
        while frames := list(islice(coming, self.detector.batch)):
            answers = self.detector.detect([frame.pixels for frame in frames])
            yield from zip(frames, check_detections(answers, len(frames), self.detector.name), strict=True)


@dataclass
class Stretch:
    """One stretch of a recording, at whose end what was found goes to the store, all or nothing."""

    source: FrameSource
    store: GalleryStore
    progress: Progress
    follower: Follower
    embedder: TrackEmbedder
    parts: list[TrackPart]
    kept: list[StoredCrop]
    frames: int = 0

    def is_over(self) -> bool:
        """Whether to store what was found before the next frame."""
        return self.frames >= LONGEST_STRETCH or (self.frames >= STRETCH and not self.follower.live)

    def see(self, frame: Frame, found: Any) -> None:
        """Take the next frame."""
        self.frames += 1
        self._take(self.follower.see(frame, found))

    def close(self, following: Place | None) -> Progress:
        """Store what was found; `following` is where the next stretch begins, None at the end of the recording."""
        carried: dict[str, Any] = {}
        if following is None:
            self._take(self.follower.finish(), last=True)
        else:
            parts, carried = self.follower.carry()
            self._take(parts, last=True)
        progress, recording = self.progress, self.source.recording
        self.store.add(self.kept, operation=progress.operation(recording))
        return replace(
            progress,
            stretch=progress.stretch + 1,
            next=following,
            carried=carried,
            frames=progress.frames + self.frames,
            left_out=progress.left_out + self.follower.left_out,
            finished=following is None,
            remarks=tuple(dict.fromkeys((*progress.remarks, *self.source.remarks))),
        )

    def _take(self, parts: list[TrackPart], *, last: bool = False) -> None:
        """Embed what has come together, so that memory does not grow with the length of the stretch."""
        self.parts += parts
        if self.parts and (last or len(self.parts) >= TOGETHER):
            self.kept += self.embedder.keep(self.parts, self.source.recording)
            self.parts = []


def all_tracks(store: GalleryStore, which: CropFilter) -> list[StoredTrack]:
    """Tracks of which a crop passes the filter, in the order of their times."""
    found: list[StoredTrack] = []
    while page := store.tracks(which, after=found[-1].id if found else None, limit=PAGE):
        found += page
    return sorted(found, key=lambda track: (track.start if track.start is not None else 0.0, track.id))


def kept_so_far(source: FrameSource, place: Place) -> str:
    """What an interrupted command says it has kept."""
    return f"the first {length_in_words(place.seconds)} of {source.recording.name}"
