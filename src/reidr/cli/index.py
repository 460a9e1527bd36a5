"""`reidr index SOURCE... --gallery DIR`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reidr.cli.command import Command
from reidr.cli.shared import PRECISION_OPTION, RETRIEVER_OPTION

if TYPE_CHECKING:
    from reidr.service.ingest.indexing import Gallery, IndexSettings
    from reidr.service.ingest.plan import Plan


@click.command("index", cls=Command)
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option(
    "--gallery", required=True, help="The gallery: a folder, or the address of a database (docs/galleries.md)."
)
@click.option("--records", help="Where progress is kept, for a gallery in a database that holds none. [the gallery]")
@click.option(
    "--camera", "cameras", multiple=True, help="Name of the camera; once, or once for each SOURCE. [its file name]"
)
@click.option("--start", "starts", multiple=True, metavar="TIME",
              help="When it begins: 2026-11-30T09:15:00+01:00, without a zone local time; once, or once for each "
              "SOURCE. [unknown]")  # fmt: skip
@click.option("--detector", metavar="MODEL.onnx",
              help="Person detector for videos, streams and frames: an ONNX file of YOLOX, RT-DETR, D-FINE or RF-DETR, "
              "or one of your own as module:factory.")  # fmt: skip
@click.option(
    "--tracker", default="bytetrack", help="bytetrack, ocsort, sort, or one of your own as module:factory. [bytetrack]"
)
@click.option("--fps", type=click.FloatRange(0), default=10.0, help="Frames a second to look at; 0: all. [10]")
@click.option("--crops-per-track", type=click.IntRange(1, 50), default=5, help="Most crops kept of each track. [5]")
@click.option("--confidence", type=click.FloatRange(0.1, 1), default=0.5,
              help="How sure the detector must be for a track to begin. [0.5]")  # fmt: skip
@click.option("--duration", help="Of a live stream: how long to look at it, as 90s, 10m or 1h30m.")
@click.option("--frame-rate", type=click.FloatRange(0, min_open=True),
              help="Of folders whose names tell no times: frames a second that were taken.")  # fmt: skip
@click.option(
    "--pattern", help='Camera, track and time from paths, as "{camera}/{date}/{time}_{}.jpg" (docs/index-video.md).'
)
@click.option("--again", is_flag=True, help="Index anew what was indexed before; its former tracks are removed.")
@click.option(
    "--contact-sheet",
    "sheet",
    type=click.Path(path_type=Path),
    help="Write a page with the tracks and their crops here.",
)
@click.option("--dry-run", is_flag=True, help="Open everything and say what would be done; the gallery is not touched.")
@RETRIEVER_OPTION
@PRECISION_OPTION
def command(sources: tuple[str, ...], **options: Any) -> None:
    """Find the people in videos and put them into a gallery as tracks: from when to when, with their best crops.

    SOURCE is a video file, a folder of frames, the address of a live stream (rtsp://…), or, without --detector, a
    folder or manifest of crops that are cut already. What was cut short goes on when the same command is given again.
    """
    from reidr.core.run import prepare_file

    if options["sheet"] is not None:
        prepare_file(options["sheet"], [source for source in sources if "://" not in source])
    plan = planned(sources, options)
    settings = settings_of(options)
    if options["dry_run"]:
        from reidr.cli.index_text import say_plan

        say_plan(plan, options["detector"], settings)
        return
    from reidr.service.ingest.indexing import Gallery
    from reidr.service.records.opening import open_records
    from reidr.service.store.opening import open_store

    models = load_models(plan, options, settings)
    with (
        closing(open_records(options["records"] or options["gallery"])) as records,
        closing(open_store(options["gallery"])) as store,
    ):
        carry_out(plan, models, Gallery(store, records), options)


def planned(sources: tuple[str, ...], options: dict[str, Any]) -> Plan:
    """The sources, each opened. Raises ReIDError for the first that cannot be used."""
    from reidr.core.times import read_duration, read_time
    from reidr.data.reading.path_pattern import PathPattern
    from reidr.retrieval.embedders.registry import check_embedder
    from reidr.service.ingest.plan import Asked, plan_of

    check_embedder(options["retriever_name"])
    pattern, duration = options["pattern"], options["duration"]
    return plan_of(
        Asked(
            sources,
            options["cameras"],
            tuple(read_time(text, "--start") for text in options["starts"]),
            None if pattern is None else PathPattern(pattern),
            options["frame_rate"],
            None if duration is None else read_duration(duration, "--duration"),
            options["detector"] is not None,
        )
    )


def settings_of(options: dict[str, Any]) -> IndexSettings:
    """The options that decide which tracks come out."""
    from reidr.service.ingest.indexing import IndexSettings

    return IndexSettings(*(options[name] for name in ("fps", "crops_per_track", "confidence", "tracker")))


def load_models(plan: Plan, options: dict[str, Any], settings: IndexSettings) -> Any:
    """An `Indexer` where people have to be found, else a `CropEmbedder` alone. The tracker is tried once, too."""
    from reidr.cli.shared import load_retriever
    from reidr.service.ingest.detection.loading import load_detector
    from reidr.service.ingest.embedding import CropEmbedder
    from reidr.service.ingest.indexing import Indexer
    from reidr.service.ingest.tracking.tracker import make_tracker

    if not plan.recordings:
        return CropEmbedder.of(load_retriever(options["retriever_name"], options["precision"]))
    make_tracker(settings.tracker, settings.fps or 25.0, settings.confidence)
    detector = load_detector(options["detector"])
    return Indexer(detector, CropEmbedder.of(load_retriever(options["retriever_name"], options["precision"])), settings)


def carry_out(plan: Plan, models: Any, gallery: Gallery, options: dict[str, Any]) -> None:
    """Index all of it, saying of each source what came of it, and of the gallery what it holds now."""
    from reidr.cli.index_text import say_crops, say_gallery, say_recording
    from reidr.core.progress import progress
    from reidr.service.ingest.contact_sheet import write_contact_sheet
    from reidr.service.ingest.ready_crops import index_crops
    from reidr.service.store.records import CropFilter

    labels: list[str] = []
    for source in plan.recordings:
        name = source.recording.name
        with progress(f"{name} (seconds)", max(1, round(source.recording.length or 0))) as advance:
            done = models.index(source, gallery, again=options["again"], advance=advance)
        say_recording(done)
        labels.append(source.recording.label)
    embedder = models.crops if plan.recordings else models
    for crops in plan.crops:
        with progress(f"{crops.name} (crops)", len(crops.crops)) as advance:
            found = index_crops(crops, gallery.store, embedder, again=options["again"], advance=advance)
        say_crops(found)
        labels.append(crops.name)
    if options["sheet"] is not None:
        which = CropFilter(recordings=frozenset(labels))
        title = f"What was indexed from {', '.join(label.partition('@')[0] for label in labels[:3])}"
        title += f" and {len(labels) - 3} more" if len(labels) > 3 else ""
        write_contact_sheet(options["sheet"], title, gallery.store, gallery.records, which)
        click.echo(f"contact sheet: {options['sheet']}")
    say_gallery(gallery.store.facts())
