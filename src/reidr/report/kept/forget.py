"""Removing what is kept of given crops: embeddings, scores and reasons, and the reports that show them.

Crops are known by their content, whatever they are called: by the key of their embedding, by their pixels, and by
their bytes. The crops themselves are not touched, nor are trained weights, nor tables of training pairs.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reidr.core.run import MANIFEST
from reidr.core.storage.files import sweep
from reidr.core.text import shown
from reidr.data.pictures.images import read_picture
from reidr.data.pictures.pixels import pixel_digest
from reidr.data.pictures.regular_files import check_name, file_digest
from reidr.data.reading.folder import list_crops
from reidr.data.types import Crop
from reidr.errors import DataError, ImageError, ReIDError
from reidr.reasoning.backends.verdict_cache import VerdictCache, default_path
from reidr.report.files.store import STORED_SIDE
from reidr.report.kept.inventory import REPORT, drop_gone_folders, run_folders
from reidr.report.pictures import thumbnail
from reidr.report.search import FILES as SEARCH_FILES
from reidr.report.search import KIND, read_json
from reidr.report.words import KIND as WORDS_KIND
from reidr.retrieval.content_key import content_key
from reidr.retrieval.embedding_cache import cache_folder, files_in, forget_embeddings, unpacked
from reidr.search.query.gallery import is_manifest

# What a run's report shows of people; the numbers of the run (metrics.json, metrics.csv) name nobody and stay.
REPORT_FILES = ("report.html", "reasons.html", "report.json", "queries.csv")
SEARCHES = (KIND, WORDS_KIND)


@dataclass(frozen=True)
class Traces:
    """By what crops are known again.

    Attributes:
        paths: absolute. keys: of cached embeddings. pixels, bytes: SHA-256 of pixels and of files. shown: as reports
            hold them, small and as data URIs (`report.pictures.thumbnail`).
    """

    paths: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    pixels: frozenset[str] = frozenset()
    bytes: frozenset[str] = frozenset()
    shown: frozenset[str] = frozenset()

    def __or__(self, other: Traces) -> Traces:
        return Traces(
            self.paths | other.paths,
            self.keys | other.keys,
            self.pixels | other.pixels,
            self.bytes | other.bytes,
            self.shown | other.shown,
        )


@dataclass(frozen=True)
class Receipt:
    """What was removed, or with `dry_run` would be.

    Attributes:
        crops: absolute paths, each with the SHA-256 of its bytes ("" where the file is gone). embeddings, scores,
            verdicts: entries of the caches. files: of reports. unnamed: entries of the verdict cache that do not say of
            which pictures they are, and stayed.
    """

    crops: Mapping[str, str]
    embeddings: int = 0
    scores: int = 0
    verdicts: int = 0
    files: tuple[Path, ...] = ()
    unnamed: int = 0
    dry_run: bool = False
    notes: tuple[str, ...] = field(default=())


def forget(
    crops: Sequence[Path], roots: Sequence[Path], *, old_verdicts: bool = False, dry_run: bool = False
) -> Receipt:
    """Remove what is kept of crops.

    Args:
        crops: pictures, or folders of them; a file that is gone is known by what reports recorded of it.
        roots: where run folders lie, beside those that searches have noted.
        old_verdicts: also remove all scores and reasons of an earlier version, which do not say whose they are.

    Raises:
        DataError: nothing is known of a path. ReIDError: something cannot be removed.
    """
    folders = run_folders(roots)
    names = list(expanded(crops))
    traces, digests = Traces(), {}
    for path in names:
        own = traces_of(path) if path.is_file() else recorded(path, folders)
        # The file may be another one than it was when it was searched.
        traces |= own | recorded(path, folders, needed=False)
        digests[whole(path)] = next(iter(own.bytes), "")
    return replace(forget_traces(traces, folders, old_verdicts=old_verdicts, dry_run=dry_run), crops=digests)


def forget_traces(
    traces: Traces, folders: Sequence[Path], *, old_verdicts: bool = False, dry_run: bool = False
) -> Receipt:
    """Remove what caches and run folders keep of crops that are known by their `traces`; the receipt names no crops.

    Raises ReIDError where something cannot be removed.
    """
    showing = [folder for folder in folders if shows(folder, traces)]
    files = tuple(file for folder in showing for file in files_of(folder))
    embeddings = count_embeddings(traces.keys) if dry_run else forget_embeddings(cache_folder(), traces.keys)
    scores = verdicts = unnamed = 0
    if default_path().is_file():
        with VerdictCache(default_path()) as cache:
            scores, verdicts = cache.forget(traces.pixels, unnamed=old_verdicts, dry_run=dry_run)
            unnamed = 0 if old_verdicts else cache.count()[2]
    if not dry_run:
        for file in files:
            remove(file)
        for folder in folders:
            sweep(folder)  # what killed writers left may show one too
        for folder in showing:
            with contextlib.suppress(OSError):  # other files are in it
                folder.rmdir()
        drop_gone_folders()
    return Receipt({}, embeddings, scores, verdicts, files, unnamed, dry_run)


def expanded(crops: Iterable[Path]) -> Iterator[Path]:
    """Files, and those in folders. Raises DataError for a folder without pictures, and for a manifest."""
    for path in crops:
        check_name(path)
        if is_manifest(path) and path.is_file():
            raise DataError(f"{path}: is a manifest; give the crops to forget, or the folder that they lie in")
        if path.is_dir():
            yield from (path / crop.id for crop in list_crops(path).crops)
        else:
            yield path


def traces_of(path: Path) -> Traces:
    """What a file is known by. One that is no usable picture has no embedding and no verdict, but may stand in a
    report."""
    keys, pixels, small = decoded_traces(path)
    try:
        digest = file_digest(path)
    except ImageError as error:
        raise DataError(f"{error}; it cannot be told what is kept of it") from None
    return Traces(
        frozenset({whole(path)}),
        keys,
        pixels,
        frozenset({digest}),
        small,
    )


def traces_of_content(content: bytes) -> Traces:
    """What a picture's encoded file is known by that lies in no file of its own: in a gallery, in a request."""
    keys, pixels, small = decoded_traces(content)
    return Traces(frozenset(), keys, pixels, frozenset({hashlib.sha256(content).hexdigest()}), small)


def decoded_traces(picture: Path | bytes) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Keys of embeddings, digests of pixels, and the picture as pages hold it; without the last two where it cannot be
    read."""
    # Wider than `Crop.image` says; both `content_key` and `read_picture` take encoded bytes.
    source: Any = picture
    keys, pixels, small = {content_key(Crop("crop", source))}, set(), thumbnail(source, STORED_SIDE)
    with contextlib.suppress(ImageError):
        opened = read_picture(source)
        pixels.add(pixel_digest(opened))
        keys.add(content_key(Crop("crop", opened)))
    return frozenset(keys - {""}), frozenset(pixels), frozenset() if small is None else frozenset({small.uri})


def recorded(path: Path, folders: Sequence[Path], *, needed: bool = True) -> Traces:
    """What searches recorded of a file by its path. Raises DataError where none did, if `needed`."""
    wanted, found = whole(path), Traces()
    for folder in folders:
        report = read_json(folder / REPORT)
        for entry in entries_of(report) if report.get("kind") in SEARCHES else ():
            if is_at(entry, frozenset({wanted})):
                found |= Traces(
                    frozenset({wanted}),
                    *(
                        frozenset({entry[name]} if entry.get(name) else ())
                        for name in ("embedding_key", "pixels", "sha256")
                    ),
                )
    if needed and not found.paths:
        raise DataError(
            f"{path}: no such file, and no report has recorded one; without it, it is not known what to forget"
        )
    return found


def whole(path: str | Path) -> str:
    """A path by which files can be compared: absolute, links followed."""
    return str(Path(path).resolve())


def is_at(entry: Mapping[str, Any], paths: frozenset[str]) -> bool:
    """Whether a picture of a report lay at one of the `paths`. Reports hold paths as `shown`."""
    path = entry.get("path")
    return isinstance(path, str) and whole(path) in {each for name in paths for each in (name, shown(name))}


def entries_of(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every picture that a search's report names."""
    matches = mappings(report.get("matches"))
    like = [each for match in matches for each in mappings(match.get("like"))]
    return [*mappings(report.get("query")), *matches, *like]


def mappings(values: object) -> list[dict[str, Any]]:
    """The mappings of a list: `report.json` is a common name, and other programs put other things there."""
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def pictures_in(report: Mapping[str, Any]) -> set[str]:
    """The pictures that an evaluation's report holds: as small as its page shows them."""
    cards = mappings(report.get("query_cards"))
    holders = [*cards, *(each for card in cards for each in mappings(card.get("candidates")))]
    return {each["image"] for each in holders if isinstance(each.get("image"), str)}


def shows(folder: Path, traces: Traces) -> bool:
    """Whether a run folder's report shows one of the crops, by their content or by their paths."""
    report, people = read_json(folder / REPORT), people_of(folder)
    if people & traces.paths:  # also of a search that was cut short
        return True
    if report.get("kind") in SEARCHES:
        return any(
            is_at(entry, traces.paths) or entry.get("sha256") in traces.bytes or entry.get("pixels") in traces.pixels
            for entry in entries_of(report)
        )
    return bool(pictures_in(report) & traces.shown)


def people_of(folder: Path) -> set[str]:
    """Absolute paths of the pictures that a search in this run folder was for; none for another run."""
    manifest = read_json(folder / MANIFEST)
    settings = manifest.get("settings")
    if manifest.get("job") != "find" or not isinstance(settings, dict):
        return set()
    people = settings.get("people")
    return {whole(path) for path in people if isinstance(path, str)} if isinstance(people, list) else set()


def files_of(folder: Path) -> list[Path]:
    """What is removed of a run folder: all that a search wrote, or the pages and lists of another run."""
    search = read_json(folder / MANIFEST).get("job") == "find" or read_json(folder / REPORT).get("kind") in SEARCHES
    return [
        folder / name for name in ((*SEARCH_FILES, MANIFEST) if search else REPORT_FILES) if (folder / name).is_file()
    ]


def count_embeddings(keys: frozenset[str]) -> int:
    """How many embeddings of `keys` are cached."""

    def unread(reason: str) -> None:
        raise ReIDError(f"{reason}; its embeddings cannot be looked through")

    number = 0
    for path in files_in(cache_folder(), unread):
        with contextlib.suppress(OSError, DataError):  # a damaged file is removed when it comes to it
            number += len(keys & unpacked(path.read_bytes())[0].keys())
    return number


def remove(file: Path) -> None:
    """Remove a file. Raises ReIDError where that is impossible."""
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise ReIDError(f"{file}: cannot be removed ({error.strerror}); remove it yourself") from None
