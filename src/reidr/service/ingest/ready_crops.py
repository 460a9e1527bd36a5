"""Folders and manifests of crops that somebody has cut already: straight to the gallery, chunk by chunk."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from reidr.core.text import number_of, some_of
from reidr.data.pictures.images import read_picture
from reidr.data.pictures.regular_files import MAXIMUM_BYTES, check_bytes, open_regular
from reidr.data.reading.folder import list_crops
from reidr.data.reading.path_pattern import PathPattern
from reidr.data.types import Crop
from reidr.errors import DataError, ImageError
from reidr.search.query.gallery import is_manifest, of_manifest
from reidr.service.ingest.embedding import CropEmbedder
from reidr.service.ingest.sources.moments import DAY, moment_of
from reidr.service.store.records import CropFilter, StoredCrop
from reidr.service.store.store import GalleryStore

CHUNK = 256  # crops that are stored together
KEPT_BYTES = 200_000  # of a JPEG or PNG file that is kept as it is
THREADS = 4
LARGEST_SIDE, JPEG_QUALITY = 512, 92  # of what is encoded anew


@dataclass(frozen=True)
class ReadyCrop:
    """One crop file and what is known of it. time: seconds since 1970."""

    path: Path
    name: str
    camera: str
    track: str | None = None
    person: str | None = None
    time: float | None = None


@dataclass(frozen=True)
class ReadyCrops:
    """The crops of one folder or manifest. remarks: what was left out or is unknown."""

    name: str
    crops: tuple[ReadyCrop, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class CropFacts:
    """What the user says of all crops of a source: None where the crops say it themselves."""

    camera: str | None = None
    start: float | None = None
    pattern: PathPattern | None = None
    frame_rate: float | None = None


@dataclass
class IndexedCrops:
    """What came of a source. known: were in the gallery already. problems: a sentence for each unusable file."""

    source: ReadyCrops
    added: int = 0
    known: int = 0
    copies: int = 0
    problems: list[str] = field(default_factory=list)


def ready_crops(source: Path, facts: CropFacts) -> ReadyCrops:
    """The crops of a folder (camera, track, time by the pattern or `facts`) or of a manifest (its columns).

    Raises DataError where it holds none, where nobody says the camera, or where no path follows the pattern.
    """
    if is_manifest(source):
        collected = of_manifest(source, "")
        made = [of_manifest_row(crop, facts) for crop in collected.crops]
        return ReadyCrops(source.name, tuple(made), with_untimed(source, made, collected.notes))
    listing = list_crops(source)
    made, strange = [], []
    for crop in listing.crops:
        found = facts.pattern.read(crop.id) if facts.pattern is not None else None
        if facts.pattern is not None and found is None:
            strange.append(crop.id)
            continue
        if crop.junk:
            continue
        camera = (found.camera if found is not None else None) or facts.camera or crop.camera
        template = facts.pattern.template if facts.pattern is not None else ""
        made.append(
            ReadyCrop(
                source / crop.id,
                crop.id,
                checked_camera(camera, source, crop.id),
                found.track if found is not None else None,
                found.person if found is not None else None,
                moment_of(found, facts.start, facts.frame_rate, template),
            )
        )
    if not made:
        pattern = "" if facts.pattern is None else facts.pattern.template
        raise DataError(f"pattern {pattern!r}: no path in {source} follows it, for example {some_of(strange, 1)}")
    remarks = [str(note) for note in listing.notes]
    if strange:
        remarks.append(
            f"left out {number_of(len(strange), 'picture')} that do not follow the pattern: {some_of(strange)}"
        )
    return ReadyCrops(source.name or str(source), tuple(made), with_untimed(source, made, remarks))


def of_manifest_row(crop: Crop, facts: CropFacts) -> ReadyCrop:
    """A manifest's row. A time beyond one day's seconds since 1970 is one; a smaller one counts from --start."""
    time = crop.time
    if time is not None and time < 1000 * DAY:  # seconds or a frame's number
        rate = facts.frame_rate or 1.0
        time = None if facts.start is None else facts.start + time / rate
    path = Path(str(crop.image))
    camera = checked_camera(crop.camera or facts.camera, path, crop.id)
    return ReadyCrop(path, crop.id, camera, crop.track, crop.person, time)


def checked_camera(camera: str | None, source: Path, name: str) -> str:
    """Raises DataError where nobody says the camera."""
    if camera is None:
        raise DataError(
            f"{source}: nothing says which camera took {name}; name it with --camera, or say with --pattern where it "
            "stands"
        )
    return camera


def with_untimed(source: Path, crops: Sequence[ReadyCrop], remarks: Sequence[str]) -> tuple[str, ...]:
    """The remarks, and one where the times of crops are unknown."""
    untimed = sum(crop.time is None for crop in crops)
    if not untimed:
        return tuple(remarks)
    return (*remarks, f"{source}: {number_of(untimed, 'crop')} without a known time; searches by time do not find them")


def index_crops(
    source: ReadyCrops,
    store: GalleryStore,
    embedder: CropEmbedder,
    *,
    again: bool = False,
    advance: Callable[[float], None] | None = None,
) -> IndexedCrops:
    """Add the crops of a source; those that are there already are passed over, or (`again`) written anew.

    Raises DataError where the store refuses them: it holds vectors of another model.
    """
    embedder.introduce(store)
    done, seen = IndexedCrops(source), set[str]()
    for start in range(0, len(source.crops), CHUNK):
        block = source.crops[start : start + CHUNK]
        contents: dict[str, tuple[ReadyCrop, bytes]] = {}
        for crop in block:
            try:
                content = content_of(crop.path)
            except ImageError as error:
                done.problems.append(str(error))
                continue
            own = id_of(crop, content)
            done.copies += own in seen
            if own not in seen:
                contents[own] = crop, content
                seen.add(own)
        known = 0 if again or not contents else store.count(CropFilter(ids=frozenset(contents)))
        if known < len(contents):
            fresh = embedded(contents, source.name, embedder, done.problems)
            added = store.add(fresh, replace=again)
            done.added += added
            known = len(fresh) - added
        done.known += known
        if advance is not None:
            advance(len(block))
    return done


def embedded(
    contents: dict[str, tuple[ReadyCrop, bytes]], recording: str, embedder: CropEmbedder, problems: list[str]
) -> list[StoredCrop]:
    """The crops that can be read, embedded; a sentence for each of the others goes to `problems`."""

    def read(item: tuple[ReadyCrop, bytes]) -> tuple[bytes, Image.Image] | str:
        try:
            return picture_to_keep(str(item[0].path), item[1], embedder.input_size)
        except ImageError as error:
            return str(error)

    with ThreadPoolExecutor(THREADS) as threads:  # Pillow decodes without Python's lock
        answers = list(threads.map(read, contents.values()))
    usable = {own: answer for own, answer in zip(contents, answers, strict=True) if not isinstance(answer, str)}
    problems += [answer for answer in answers if isinstance(answer, str)]
    vectors, attributes = embedder.embed([picture for _, picture in usable.values()])
    stored = []
    for row, (own, (content, _)) in enumerate(usable.items()):
        crop = contents[own][0]
        stored.append(
            StoredCrop(
                id=own,
                camera=crop.camera,
                track=own if crop.track is None else f"{recording}/{crop.camera}/{crop.track}",
                picture=content,
                vector=vectors[row],
                recording=recording,
                time=crop.time,
                start=crop.time,
                end=crop.time,
                attributes=attributes[row],
                person=crop.person,
            )
        )
    return stored


def content_of(path: Path) -> bytes:
    """A file's bytes. Raises ImageError where it is no regular file, cannot be read, or is too large."""
    with open_regular(path) as file:
        try:
            content = file.read(MAXIMUM_BYTES + 1)
        except OSError as error:
            raise ImageError(f"{path}: cannot be read ({error.strerror or error})") from None
    check_bytes(str(path), len(content))
    return content


def id_of(crop: ReadyCrop, content: bytes) -> str:
    """An id that is the same for the same picture of the same camera and track, whatever its file is called."""
    digest = hashlib.sha256(content)
    digest.update(f"\0{crop.camera}\0{crop.track}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:24]


def picture_to_keep(name: str, content: bytes, size: tuple[int, int] | None) -> tuple[bytes, Image.Image]:
    """What the gallery keeps of a file, and the picture that this shows, resized for the network to (height, width).

    Small JPEG and PNG files are kept as they are, anything else as JPEG. Raises ImageError for an unusable picture.
    """
    wanted = None if size is None else (size[1], size[0])
    plain = content.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) and len(content) <= KEPT_BYTES
    if not plain:
        picture = read_picture(content, name)
        picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=JPEG_QUALITY)
        content = file.getvalue()
    return content, read_picture(content, name, size=wanted)
