"""What `reidr index` says in the terminal."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING

import click

from reidr.core.text import number_of, shown, some_of
from reidr.core.times import length_in_words, time_in_words

if TYPE_CHECKING:
    from reidr.service.ingest.indexing import IndexedRecording, IndexSettings
    from reidr.service.ingest.plan import Plan
    from reidr.service.ingest.ready_crops import IndexedCrops
    from reidr.service.store.records import StoreFacts

TRIED = 5  # frames on which a dry run tries the detector
BEFORE = {"all": "was indexed already: ", "part": "went on where it was cut short: ", "nothing": ""}


def say_recording(done: IndexedRecording) -> None:
    """What came of a video, a stream or a folder of frames."""
    recording = done.source.recording
    crops = sum(track.crops for track in done.tracks)
    line = (
        f"{shown(recording.name)}, camera {shown(recording.camera)}: {BEFORE[done.before]}"
        f"{number_of(len(done.tracks), 'track')} with {number_of(crops, 'crop')} "
        f"in {number_of(done.frames, 'frame')} looked at"
    )
    times = [(track.start, track.end) for track in done.tracks if track.start is not None and track.end is not None]
    if times:
        line += f", from {time_in_words(min(times)[0])} to {time_in_words(max(end for _, end in times))}"
    click.echo(line)
    if done.left_out:
        click.echo(f"  left out: {number_of(done.left_out, 'track')} of fewer than 3 frames")
    if recording.start is None and done.tracks:
        click.echo("  without --start its tracks have no times; searches by time do not find them")
    for remark in done.remarks:
        click.echo(f"  {remark}")


def say_crops(done: IndexedCrops) -> None:
    """What came of a folder or manifest of crops."""
    line = f"{shown(done.source.name)}: {number_of(done.added, 'crop')} added"
    if done.known:
        line += f", {done.known:,} were there already (--again writes them anew)"
    if done.copies:
        line += f", {done.copies:,} are copies of others"
    click.echo(line)
    for remark in done.source.remarks:
        click.echo(f"  {remark}")
    if done.problems:
        click.echo(f"  {number_of(len(done.problems), 'file')} cannot be used: {some_of(done.problems, 2)}")


def say_gallery(facts: StoreFacts) -> None:
    """What the gallery holds now."""
    cameras = (
        f"{number_of(len(facts.cameras), 'camera')} ({some_of(facts.cameras, 6)})" if facts.cameras else "no camera"
    )
    click.echo(
        f"gallery {shown(facts.address)}: {number_of(facts.crops, 'crop')} in {number_of(facts.tracks, 'track')} of "
        f"{cameras}"
    )


def say_plan(plan: Plan, detector_name: str | None, settings: IndexSettings) -> None:
    """What would be done, and how long the detector will take for it, by a few frames of the first recording."""
    seconds = None
    if plan.recordings and detector_name is not None:
        from reidr.service.ingest.detection.loading import load_detector
        from reidr.service.ingest.tracking.tracker import make_tracker

        make_tracker(settings.tracker, settings.fps or 25.0, settings.confidence)
        detector, first = load_detector(detector_name), plan.recordings[0]
        if first.recording.resumable:
            frames = [frame.pixels for frame in islice(first.frames(settings.fps), TRIED)]
            began = time.perf_counter()
            detector.detect(frames)
            seconds = (time.perf_counter() - began) / max(len(frames), 1)
        click.echo(
            f"detector {detector.name}: usable" + (f", {1 / seconds:.0f} frames a second here" if seconds else "")
        )
    for source in plan.recordings:
        recording = source.recording
        rate = min(settings.fps or recording.frame_rate, recording.frame_rate)
        line = f"{shown(recording.name)}: camera {shown(recording.camera)}, {recording.width}x{recording.height}"
        line += f", {recording.frame_rate:.3g} frames a second"
        if recording.length is not None:
            count = max(1, round(recording.length * rate))
            line += f", {length_in_words(recording.length)}, {number_of(count, 'frame')} to look at"
            line += f" in about {length_in_words(count * seconds)}" if seconds else ""
        click.echo(line)
        begin = time_in_words(recording.start)
        end = "" if recording.start is None else f" to {time_in_words(recording.start + (recording.length or 0.0))}"
        click.echo(f"  {'now' if not recording.resumable else begin}{end if recording.resumable else ''}")
    for crops in plan.crops:
        cameras = sorted({crop.camera for crop in crops.crops})
        tracks = len({(crop.camera, crop.track) for crop in crops.crops if crop.track is not None})
        line = f"{shown(crops.name)}: {number_of(len(crops.crops), 'crop')} of {number_of(len(cameras), 'camera')}"
        line += f" ({some_of(cameras, 6)})" + (
            f" in {number_of(tracks, 'track')}" if tracks else ", each a track of its own"
        )
        click.echo(line)
        for remark in crops.remarks:
            click.echo(f"  {remark}")
    click.echo("dry run: nothing was written")
