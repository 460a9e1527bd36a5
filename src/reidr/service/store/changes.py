"""The five changes of a gallery, written once for all stores: each says how its rows are read and written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from reidr.core.text import shown
from reidr.errors import DataError
from reidr.service.store.records import CropFilter, Operation, StoredCrop
from reidr.service.store.rules import (
    CheckedCrop,
    Place,
    check_filter,
    check_label,
    checked,
    filter_in_words,
    merged,
    split_off,
)


@dataclass(frozen=True)
class Held:
    """What is known of a crop that is in the gallery, to compare one with that is to be added."""

    digest: str
    person: str | None


class Change(Protocol):
    """One change under way: nobody else changes the gallery meanwhile, and it is kept whole or not at all."""

    def known(self, key: str) -> Operation | None:
        """The operation of this key."""

    def record(self, kind: str, key: str | None, changed: int, details: dict[str, Any]) -> None:
        """Write the operation down, as the next one."""

    def dimensions(self) -> int | None:
        """Length of the vectors; None before the model is named."""

    def held(self, ids: Collection[str]) -> dict[str, Held]:
        """Those of the crops that are there."""

    def cameras(self, tracks: Collection[str], but: Collection[str]) -> dict[str, str]:
        """The camera of each of the tracks that has other crops than `but`."""

    def write(self, crops: Sequence[CheckedCrop], replaced: Collection[str]) -> None:
        """Write crops; those of the ids `replaced` are there already, and are written anew."""

    def remove(self, which: CropFilter) -> int:
        """Remove crops; returns how many."""

    def places(self, which: CropFilter) -> list[Place]:
        """Where and when the crops are, in the order of their ids."""

    def set_places(self, places: Sequence[Place]) -> None:
        """Give crops another track, start and end."""

    def label(self, which: CropFilter, person: str | None) -> int:
        """Write down whom crops show; returns how many said something else."""


class ChangingStore(ABC):
    """The changes of `GalleryStore`, for a store that says by `_changing` how one change is made whole."""

    @abstractmethod
    def _changing(self) -> AbstractContextManager[Change]:
        """One change: kept when the block ends, undone when it raises."""

    def _after_removal(self) -> None:  # noqa: B027 - a store without files of its own has nothing to do
        """Called when a removal is kept: see to it that no bytes of what was removed stay."""

    def add(self, crops: Sequence[StoredCrop], *, replace: bool = False, operation: str | None = None) -> int:
        """See `GalleryStore.add`."""

        def work(change: Change) -> tuple[int, dict[str, Any]]:
            given = checked(crops, change.dimensions())
            held = change.held([each.crop.id for each in given])
            other = [each for each in given if each.crop.id not in held or held[each.crop.id].digest != each.digest]
            again = [each.crop.id for each in other if each.crop.id in held]
            if again and not replace:
                raise DataError(
                    f"crop {shown(again[0])} is in the gallery with another content; replace it, or give another id"
                )
            _check_cameras(change, [each.crop for each in other])
            if other:
                change.write([_with_person(each, held) for each in other], again)
            said: dict[str, Any] = {"new": len(other) - len(again), "replaced": len(again)}
            said["cameras"] = sorted({each.crop.camera for each in other})
            return len(other), said

        return self._change("add", operation, work)

    def delete(self, which: CropFilter, *, operation: str | None = None) -> int:
        """See `GalleryStore.delete`."""
        check_filter(which)
        removed = self._change("delete", operation, lambda change: (change.remove(which), filter_in_words(which)))
        self._after_removal()
        return removed

    def merge(self, tracks: Sequence[str], into: str, *, operation: str | None = None) -> int:
        """See `GalleryStore.merge`."""
        check_label(into, "the track to merge into")

        def work(change: Change) -> tuple[int, dict[str, Any]]:
            if not tracks:
                raise DataError("no track is named that should be merged")
            wanted = CropFilter(tracks=frozenset([*tracks, into]))
            check_filter(wanted)
            fresh = merged(change.places(wanted), tracks, into)
            change.set_places(fresh)
            return len(fresh), {"tracks": len(set(tracks) | {into})}

        return self._change("merge", operation, work)

    def split(self, crops: Sequence[str], track: str, *, operation: str | None = None) -> int:
        """See `GalleryStore.split`."""
        check_label(track, "the new track")

        def work(change: Change) -> tuple[int, dict[str, Any]]:
            if not crops:
                raise DataError("no crop is named that should be split off")
            wanted = CropFilter(ids=frozenset(crops))
            check_filter(wanted)
            moved = change.places(wanted)
            missing = sorted(set(crops) - {place.id for place in moved})
            if missing:
                raise no_such_crop(missing[0])
            sources = sorted({place.track for place in moved})
            if len(sources) > 1:
                raise DataError(f"the crops are of the tracks {shown(sources[0])} and {shown(sources[1])}; name one's")
            if change.places(CropFilter(tracks=frozenset([track]))):
                raise DataError(f"track {shown(track)} is in the gallery already; give the new track another name")
            fresh = split_off(change.places(CropFilter(tracks=frozenset(sources))), crops, track)
            change.set_places(fresh)
            return len(fresh), {"crops": len(moved)}

        return self._change("split", operation, work)

    def assign(self, which: CropFilter, person: str | None, *, operation: str | None = None) -> int:
        """See `GalleryStore.assign`."""
        check_filter(which)
        check_label(person, "the person", empty=True)
        said = {**filter_in_words(which), "assigned": person is not None}
        return self._change("assign", operation, lambda change: (change.label(which, person), said))

    def _change(self, kind: str, key: str | None, work: Callable[[Change], tuple[int, dict[str, Any]]]) -> int:
        """Do a change once: kept whole, written to the history where it changed something or has a key."""
        check_label(key, "the key of the operation", empty=True)
        with self._changing() as change:
            before = None if key is None else change.known(key)
            if before is not None:
                if before.kind != kind:
                    raise DataError(f"the key {shown(before.key or '')} was used for another change ({before.kind})")
                return before.changed
            changed, details = work(change)
            if changed or key is not None:
                change.record(kind, key, changed, details)
        return changed


def no_such_crop(id: str) -> DataError:
    """The sentence about a crop that is not there."""
    return DataError(f"crop {shown(id)} is not in the gallery; it was removed, or never added")


def _check_cameras(change: Change, crops: Sequence[StoredCrop]) -> None:
    """Raises DataError where a track would hold crops of two cameras."""
    cameras = change.cameras({crop.track for crop in crops}, [crop.id for crop in crops])
    for crop in crops:
        camera = cameras.setdefault(crop.track, crop.camera)
        if camera != crop.camera:
            raise DataError(
                f"crop {shown(crop.id)} is of camera {shown(crop.camera)}, its track {shown(crop.track)} of "
                f"{shown(camera)}; a track belongs to one camera"
            )


def _with_person(each: CheckedCrop, held: dict[str, Held]) -> CheckedCrop:
    """A crop that replaces another keeps the person a human named, unless it names one itself."""
    from dataclasses import replace

    before = held.get(each.crop.id)
    if before is None or each.crop.person is not None:
        return each
    return CheckedCrop(replace(each.crop, person=before.person), each.digest)
