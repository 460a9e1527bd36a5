"""From one gallery store to another, or to another model: every crop is copied once, however often it is begun anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from reidr.core.progress import Advance
from reidr.core.text import shown
from reidr.errors import DataError
from reidr.service.store.records import CropFilter, StoredCrop
from reidr.service.store.store import GalleryStore

PAGE = 256  # crops that are copied together

Embed = Callable[[Sequence[StoredCrop]], tuple[list[StoredCrop], list[str]]]
"""Crops with vectors of another model, and one sentence for each whose picture cannot be used."""


@dataclass(frozen=True)
class Migration:
    """What was done.

    Attributes:
        copied: crops that were written. there: those that were in the target already, the same. left_out: one sentence
            for each whose picture cannot be used. others: crops of the target that the source does not have.
    """

    copied: int
    there: int
    left_out: tuple[str, ...]
    others: int


def check_places(source: GalleryStore, target: GalleryStore) -> None:
    """Raises DataError where there is nothing to copy, or both are the same gallery."""
    here, there = source.facts(), target.facts()
    if here.model is None:
        raise DataError(f"{shown(here.address)}: an empty gallery; there is nothing to copy")
    if (here.kind, here.address) == (there.kind, there.address):
        raise DataError(f"{shown(here.address)}: is named twice; copy to another gallery, and then use that one")


def keep_model(source: GalleryStore, target: GalleryStore) -> None:
    """Tell the target of which model the source's vectors are. Raises DataError where it holds those of another one."""
    facts = source.facts()
    if facts.model is not None and facts.model_name is not None and facts.dimensions is not None:
        target.set_model(facts.model, facts.model_name, facts.dimensions, facts.attribute_model)


def migrate(
    source: GalleryStore, target: GalleryStore, *, embed: Embed | None = None, advance: Advance | None = None
) -> Migration:
    """Copy all crops in the order of their ids; what is in the target already, the same, is passed over.

    Each page is one change of the target, so after a kill the same call goes on. What was merged, split or assigned in
    the source since an earlier call is brought up to date.

    Args:
        embed: makes vectors and attributes of another model (the target must know it); None: as they are.
    """
    copied = there = 0
    left_out: list[str] = []
    after: str | None = None
    while page := source.crops(after=after, limit=PAGE):
        wanted = CropFilter(ids=frozenset(crop.id for crop in page))
        held = {crop.id: crop for crop in target.crops(wanted, limit=PAGE)}
        fresh = [crop for crop in page if crop.id not in held or not same(crop, held[crop.id], embed is None)]
        there += len(page) - len(fresh)
        if embed is not None:
            fresh, problems = embed(fresh)
            left_out += problems
        target.add(fresh, replace=True)
        # Adding keeps a person that was named before: one whose name was taken back in the source has none here either.
        unnamed = {crop.id for crop in fresh if crop.person is None and (old := held.get(crop.id)) and old.person}
        if unnamed:
            target.assign(CropFilter(ids=frozenset(unnamed)), None)
        copied += len(fresh)
        if advance is not None:
            advance(len(page))
        after = page[-1].id
    return Migration(copied, there, tuple(left_out), target.count() - copied - there)


def same(crop: StoredCrop, other: StoredCrop, with_vectors: bool) -> bool:
    """Whether two stores say the same of a crop, its vector and attributes included or not."""
    if with_vectors and numbers_of(crop) != numbers_of(other):
        return False
    fields = ("camera", "track", "picture", "recording", "time", "start", "end", "frame", "box", "quality", "person")
    return all(getattr(crop, field) == getattr(other, field) for field in fields)


def numbers_of(crop: StoredCrop) -> tuple[bytes, bytes | None]:
    """Vector and attributes, to compare them bit by bit."""
    return crop.vector.tobytes(), None if crop.attributes is None else crop.attributes.tobytes()


def embedding_with(model: str, target: GalleryStore) -> Embed:
    """An `Embed` with a retriever by name or folder, which is told to the target.

    Raises WeightsError where there is no such retriever, DataError where the target holds vectors of another model.
    """
    from reidr.data.pictures.images import read_picture
    from reidr.errors import ImageError
    from reidr.retrieval.embedders.registry import load_embedder
    from reidr.service.ingest.embedding import CropEmbedder

    embedder = CropEmbedder.of(load_embedder(model))
    embedder.introduce(target)

    def embed(crops: Sequence[StoredCrop]) -> tuple[list[StoredCrop], list[str]]:
        pictures, kept, problems = [], [], []
        for crop in crops:
            try:
                pictures.append(read_picture(crop.picture, f"crop {crop.id}"))
                kept.append(crop)
            except ImageError as error:
                problems.append(str(error))
        vectors, attributes = embedder.embed(pictures)
        made = zip(kept, vectors, attributes, strict=True)
        return [replace(crop, vector=vector, attributes=row) for crop, vector, row in made], problems

    return embed
