"""Checks on labels: splits, identities, cameras, outfits. No file is touched."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from statistics import median

from reidr.data.checks.finding import Finding, about, examples, listed
from reidr.data.layouts.market1501 import is_zero
from reidr.data.protocols.trial import Protocol, find_protocol, picture_identity, trials
from reidr.data.reading.labels import plain, spelled_twice
from reidr.data.tracks import tracks_of
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError

SPLITS = ("train", "query", "gallery")
Seen = tuple[str | None, str | None, Hashable]  # camera, outfit and picture of a gallery crop


def check_labels(dataset: ReIDDataset) -> list[Finding]:
    """All checks of this file; under the standard rule where the data set's own protocol is not known."""
    try:
        find_protocol(dataset.protocol)
    except DataError as error:
        return [Finding("error", "protocol", str(error)), *check_labels(replace(dataset, protocol="standard"))]
    checks: tuple[Callable[[ReIDDataset], list[Finding]], ...] = (
        check_splits,
        check_identities,
        check_cameras,
        check_spelling,
        check_marks,
        check_tracks,
        check_protocol,
    )
    return [finding for check in checks for finding in check(dataset)]


def check_splits(dataset: ReIDDataset) -> list[Finding]:
    """Empty splits, and people who are in training and in test."""
    findings = []
    if bool(dataset.query) != bool(dataset.gallery):
        empty, full = ("gallery", "query") if dataset.query else ("query", "gallery")
        problem = f"{empty} is empty while {full} has {len(getattr(dataset, full)):,} crops"
        findings.append(Finding("error", "empty split", problem, "an evaluation needs both"))
    if not dataset.query and not dataset.gallery and not dataset.train:
        findings.append(Finding("error", "empty split", "no split has a single crop", "check the path"))
    test = {crop.person for crop in (*dataset.query, *dataset.gallery) if crop.person is not None}
    both = [crop for crop in dataset.train if crop.person in test]
    if both:
        number = len({crop.person for crop in both})
        problem = f"{number:,} persons are in training and in test: {listed(crop.person for crop in both)}"
        remedy = (
            "results would be too good: take them out of one side, or if they are different people with the same "
            "number, give them different labels"
        )
        findings.append(about("error", "train and test overlap", both, problem, remedy))
    if dataset.train:
        cameras: dict[str, set[str | None]] = defaultdict(set)
        for crop in dataset.train:
            if crop.person is not None:
                cameras[crop.person].add(crop.camera)
        alone = [person for person, seen in cameras.items() if len(seen) == 1]
        if len(alone) == len(cameras):
            problem = "no training person is seen by two cameras, so training has no cross-camera pair"
            findings.append(Finding("warning", "training in one camera", problem, "check the camera labels"))
    return findings


def check_identities(dataset: ReIDDataset) -> list[Finding]:
    """Queries that cannot be answered: nobody of that label in the gallery, or only crops that the protocol ignores."""
    if not dataset.query or not dataset.gallery:
        return []
    protocol = find_protocol(dataset.protocol)
    seen: dict[str, set[Seen]] = defaultdict(set)
    for crop in dataset.gallery:
        if crop.person is not None:
            seen[crop.person].add((crop.camera, crop.outfit, picture_identity(crop)))
    absent = [crop for crop in dataset.query if crop.person not in seen]
    people = {crop.person for crop in dataset.query}
    if len(absent) == len(dataset.query):
        left, right = (listed(crop.camera for crop in crops) for crops in (dataset.query, dataset.gallery))
        problem = (
            f"all query identities do not appear in gallery: query has {listed(people)} (cameras {left}), "
            f"gallery has {listed(seen)} (cameras {right})"
        )
        remedy = label_hint({person for person in people if person is not None}, set(seen))
        return [about("error", "no query identity in gallery", absent, problem, remedy)]
    findings = []
    if absent:
        missing = {crop.person for crop in absent}
        problem = f"{len(missing):,} of {len(people):,} query persons are not in the gallery: {listed(missing)}"
        remedy = "their queries are left out of mAP and Rank-k (in an open-set evaluation they are non-mated searches)"
        findings.append(about("warning", "query persons not in gallery", absent, problem, remedy))
    there = [crop for crop in dataset.query if crop.person is not None and crop.person in seen]
    alone = [crop for crop in there if {own for *_, own in seen[str(crop.person)]} == {picture_identity(crop)}]
    if alone:
        whole = len(alone) + len(absent) == len(dataset.query)
        problem = (
            f"{len(alone):,} of {len(dataset.query):,} queries are themselves the only gallery crop of their person, "
            f"and a query's own picture is never its match: {listed(crop.person for crop in alone)}"
        )
        remedy = "no query is left: add pictures of these people" if whole else "they are left out of the results"
        findings.append(about("error" if whole else "warning", "only its own picture", alone, problem, remedy))
    lonely = {crop.id for crop in alone}
    stuck = [c for c in there if c.id not in lonely and not answerable(c, seen[str(c.person)], protocol)]
    if stuck:
        whole = len(stuck) + len(alone) + len(absent) == len(dataset.query)
        pairs = [f"{crop.person} in camera {crop.camera}" for crop in stuck]
        where = {
            None: "in their own camera, which",
            "changed": "in their own camera or outfit, which",
            "same": "in their own camera or another outfit, which",
        }
        problem = (
            f"{len(stuck):,} of {len(dataset.query):,} queries have gallery crops only {where[protocol.clothes]} "
            f"protocol {protocol.name} ignores: {listed(pairs)}"
        )
        remedy = "no query is left: check the camera labels" if whole else "they are left out of the results"
        findings.append(about("error" if whole else "warning", "only ignored matches", stuck, problem, remedy))
    return findings


def answerable(query: Crop, seen: set[Seen], protocol: Protocol) -> bool:
    """Whether the rules leave one of `seen`, the gallery crops of the query's person."""
    own = picture_identity(query)
    for camera, outfit, picture in seen:
        if picture == own or (protocol.ignore_same_camera and camera is not None and camera == query.camera):
            continue
        if protocol.clothes is None or (outfit == query.outfit) == (protocol.clothes == "same"):
            return True
    return False


def label_hint(query: set[str], gallery: set[str]) -> str:
    """What most likely went wrong when query and gallery share no label."""
    left, right = plain_labels(query), plain_labels(gallery)
    if not right:
        return "the gallery has only distractors or junk: label its crops"
    if left & right:
        return "they are written differently (0002 and 2, A and a): write them the same way"
    numbers, others = sorted(whole_numbers(query)), sorted(whole_numbers(gallery))
    if len(numbers) == len(query) and len(others) == len(gallery) and numbers and others:
        offset = others[0] - numbers[0]
        if all(number + offset in set(others) for number in numbers):
            return (
                f"they differ by a constant {offset:+d}: the labels were counted anew in one of the splits; use the "
                "original label of a person in both"
            )
        if numbers == list(range(len(numbers))) or others == list(range(len(others))):
            return "one side is numbered 0, 1, 2, …, as training labels are: use the original labels in both splits"
    return "use the same label for the same person in both splits"


def plain_labels(labels: Iterable[str]) -> set[str]:
    """Labels without what a person does not see as a difference: case, blanks, leading zeros."""
    return {plain(label) for label in labels}


def whole_numbers(labels: Iterable[str]) -> set[int]:
    """The labels that are whole numbers."""
    return {int(label) for label in labels if label.isdecimal()}


def check_cameras(dataset: ReIDDataset) -> list[Finding]:
    """Missing camera labels, and data sets of a single camera."""
    test = [crop for crop in (*dataset.query, *dataset.gallery) if not crop.junk]
    if not test:
        return []
    without = [crop for crop in test if crop.camera is None]
    if len(without) == len(test):
        problem = "no crop has a camera: the same-camera rule cannot be applied"
        return [about("warning", "camera missing", without, problem, "results cannot be compared with published ones")]
    findings = []
    if without:
        problem = f"{len(without):,} of {len(test):,} test crops have no camera: {listed(crop.id for crop in without)}"
        remedy = "the same-camera rule cannot be applied to them: label their cameras"
        findings.append(about("warning", "camera missing", without, problem, remedy))
    names = {crop.camera for crop in test if crop.camera is not None}
    if len(names) == 1 and not without and dataset.query and dataset.gallery:
        problem = f"all query and gallery crops are of camera {listed(names)}, and matches within a camera are ignored"
        remedy = "no query can be answered: label the cameras, or evaluate with protocol any-camera"
        findings.append(about("error", "one camera", dataset.query, problem, remedy))
    return findings


def check_spelling(dataset: ReIDDataset) -> list[Finding]:
    """One person or camera written in two ways."""
    findings = []
    crops = (*dataset.train, *dataset.query, *dataset.gallery)
    for kind, values in (("person", {crop.person for crop in crops}), ("camera", {crop.camera for crop in crops})):
        mixed = spelled_twice(values)
        if mixed:
            problem = f"{len(mixed):,} {kind} labels are written in two ways: {listed(mixed)}"
            persons, cameras = (mixed, ()) if kind == "person" else ((), mixed)
            remedy = f"they count as different {kind}s: write them the same way"
            findings.append(
                Finding("error", f"{kind} spelling", problem, remedy, ids=examples(persons), cameras=examples(cameras))
            )
    return findings


def check_marks(dataset: ReIDDataset) -> list[Finding]:
    """Market-1501's marks for junk and distractors where they do not belong."""
    findings = []
    junk = [crop for crop in dataset.query if crop.junk]
    if junk:
        problem = f"query: {len(junk):,} crops are junk: {listed(crop.id for crop in junk)}"
        findings.append(about("error", "junk in query", junk, problem, "take them out"))
    minus = [crop for crop in (*dataset.query, *dataset.gallery) if crop.person == "-1"]
    if minus:
        problem = f"{len(minus):,} crops carry person -1, Market-1501's mark for junk, and count as a person here"
        remedy = "give them the role junk in the manifest, or leave them out"
        findings.append(about("warning", "junk as a person", minus, problem, remedy))
    zero = [crop for crop in dataset.query if is_zero(crop.person)]
    crops = Counter(crop.person for crop in dataset.gallery if crop.person is not None)
    zeros = sum(number for person, number in crops.items() if is_zero(person))
    usual = median([number for person, number in crops.items() if not is_zero(person)] or [0])
    if zero and zeros > max(50, 5 * usual):
        problem = (
            f"{len(zero):,} queries carry person 0, and so do {zeros:,} gallery crops (a usual person has {usual:g}): "
            f"Market-1501 marks distractors so, here they count as one person: {listed(crop.id for crop in zero)}"
        )
        remedy = "take the queries of person 0 out, or give that person another number"
        findings.append(about("warning", "distractors as a person", zero, problem, remedy))
    return findings


def check_tracks(dataset: ReIDDataset) -> list[Finding]:
    """Tracklets that show two people; how many there are."""
    counts = []
    for split in SPLITS:
        crops = getattr(dataset, split)
        if not any(crop.track for crop in crops):
            continue
        try:
            counts.append(f"{split} {len(tracks_of(crops)):,}")
        except DataError as error:
            return [Finding("error", "tracklets", f"{split}: {error}")]
    return [Finding("info", "tracklets", f"tracklets: {', '.join(counts)}")] if counts else []


def check_protocol(dataset: ReIDDataset) -> list[Finding]:
    """What the data set's own protocol needs and does not find: cameras, outfits."""
    if not dataset.query or not dataset.gallery:
        return []
    try:
        protocol = find_protocol(dataset.protocol)
        for trial in trials(dataset, protocol)[:1]:
            trial.arguments()
    except DataError as error:
        return [Finding("error", "protocol", f"protocol {dataset.protocol} cannot be applied: {error}")]
    return []
