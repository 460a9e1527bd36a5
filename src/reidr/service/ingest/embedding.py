"""From crops to what a gallery store keeps: embedded, attributes recognised, of each track the best ones chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reidr.data.pictures.images import read_picture
from reidr.errors import WeightsError
from reidr.retrieval.embedders.embedder import Embedder, facts_of
from reidr.service.ingest.sources.frame import Recording
from reidr.service.ingest.tracking.choosing import choose_crops
from reidr.service.ingest.tracking.following import TrackPart
from reidr.service.store.records import StoredCrop
from reidr.service.store.store import GalleryStore

if TYPE_CHECKING:
    from reidr.retrieval.embedders.attribute_recognition import AttributeRecogniser

BATCH = 128  # pictures at a time

Vectors = NDArray[np.float32]
Attributes = NDArray[np.float16]


@dataclass
class CropEmbedder:
    """A retriever and, where its network has that branch, what it recognises of a person's clothes."""

    embedder: Embedder
    recogniser: AttributeRecogniser | None

    @classmethod
    def of(cls, embedder: Embedder) -> CropEmbedder:
        """With attributes where the embedder recognises them."""
        from reidr.search.description import recogniser_of

        try:
            return cls(embedder, recogniser_of(embedder))
        except WeightsError:
            return cls(embedder, None)

    def embed(self, pictures: Sequence[Image.Image]) -> tuple[Vectors, list[Attributes | None]]:
        """(N, D) unit rows, and of each picture (values,) probabilities in the order of `vocabulary.VALUES`.

        NaN where the network does not recognise a value; None without a network that recognises any.
        """
        parts = [self._embed(pictures[start : start + BATCH]) for start in range(0, len(pictures), BATCH)]
        if not parts:
            return np.empty((0, 0), np.float32), []
        return np.concatenate([rows for rows, _ in parts]), [each for _, read in parts for each in read]

    def _embed(self, pictures: Sequence[Image.Image]) -> tuple[Vectors, list[Attributes | None]]:
        if self.recogniser is None:
            return self.embedder.embed_pictures(pictures), [None] * len(pictures)
        vectors, rows = self.recogniser.embed_too(pictures)
        return vectors, list(self.recogniser.table(rows).expected().astype(np.float16))

    def introduce(self, store: GalleryStore) -> None:
        """Tell the store whose vectors come. Raises DataError where it holds those of another model."""
        vectors = self.embedder.embed_pictures([Image.new("RGB", (64, 128))])
        attribute_model = None if self.recogniser is None else self.recogniser.fingerprint
        store.set_model(self.embedder.fingerprint, self.embedder.name, vectors.shape[1], attribute_model)

    @property
    def input_size(self) -> tuple[int, int] | None:
        """(height, width) of the retriever's input; None where it does not say."""
        return facts_of(self.embedder).input_size


@dataclass
class TrackEmbedder:
    """Collects parts of tracks and gives back the crops that are to be kept of them."""

    crops: CropEmbedder
    crops_per_track: int

    def keep(self, parts: Sequence[TrackPart], recording: Recording) -> list[StoredCrop]:
        """The best and most different crops of each part, embedded. Vectors are those of the stored pictures."""
        candidates = [candidate for part in parts for candidate in part.candidates]
        vectors, attributes = self.crops.embed([read_picture(each.picture, "a crop") for each in candidates])
        kept, first = [], 0
        for part in parts:
            own = slice(first, first + len(part.candidates))
            first = own.stop
            quality = np.array([candidate.quality for candidate in part.candidates])
            for place in choose_crops(vectors[own], quality, self.crops_per_track):
                kept.append(stored_crop(part, place, recording, vectors[own][place], attributes[own][place]))
        return kept


def stored_crop(
    part: TrackPart, place: int, recording: Recording, vector: Vectors, attributes: Attributes | None
) -> StoredCrop:
    """One candidate of a part as the gallery keeps it."""
    candidate = part.candidates[place]
    box = "-".join(str(round(side)) for side in candidate.box)
    return StoredCrop(
        id=f"{recording.key[:12]}-{candidate.place.number:07d}-{box}",
        camera=recording.camera,
        track=part.label,
        picture=candidate.picture,
        vector=vector,
        recording=recording.label,
        time=recording.time_at(candidate.place.seconds),
        start=recording.time_at(part.start),
        end=recording.time_at(part.end),
        frame=candidate.place.number,
        box=candidate.box,
        quality=candidate.quality,
        attributes=attributes,
    )
