"""What can stand in as a retriever: anything that turns pixels into unit vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reidr.data.pictures.images import bounded
from reidr.data.types import Crop
from reidr.errors import ImageError
from reidr.retrieval.embedders.preprocess import load

Advance = Callable[[int], None]


class Embedder(Protocol):
    """The interface shared by the trained retriever, ONNX models and the colour-histogram baseline.

    It may also have the attributes of `EmbedderFacts`. With `input_size`, its callers shrink pictures while they read
    them, which gives the same embeddings in far less memory.
    """

    @property
    def name(self) -> str:
        """What tables and reports call it."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides its output (weights, preprocessing): the key of cached embeddings."""
        ...

    def embed_pictures(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        """(N, D) float32, every row of length 1, for N RGB pictures of any size."""
        ...


@dataclass(frozen=True)
class EmbedderFacts:
    """What an embedder may say of itself, by attributes of these names that the protocol does not demand.

    Attributes:
        trained_on: names of its training data sets.
        thresholds: by wanted false-positive rate (`"0.1"`) the distance beyond which a person is "not in the gallery".
        threshold_crops: how many crops a search was compared with, on average, where these were chosen; None: unknown.
        held_out: (share, seed) by which training identities were set aside; None: unknown.
        input_size: (height, width) to which it resizes every picture by `preprocess.resize`; None: unknown.
    """

    trained_on: tuple[str, ...] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    threshold_crops: float | None = None
    held_out: tuple[float, int] | None = None
    input_size: tuple[int, int] | None = None


def facts_of(embedder: Embedder) -> EmbedderFacts:
    """What `embedder` says of itself; defaults for what it does not say."""
    said = {each.name: getattr(embedder, each.name, None) for each in fields(EmbedderFacts)}
    return EmbedderFacts(**{name: value for name, value in said.items() if value is not None})


def embed_crops(
    embedder: Embedder, crops: Sequence[Crop], *, batch: int = 128, advance: Advance | None = None
) -> NDArray[np.float32]:
    """Embeddings of all `crops`, (N, D) float32 unit rows. Raises ImageError for the first unusable file."""
    features, _, problems = embed_usable_crops(embedder, crops, batch=batch, advance=advance)
    if problems:
        raise ImageError(problems[0])
    return features


def embed_usable_crops(
    embedder: Embedder, crops: Sequence[Crop], *, batch: int = 128, advance: Advance | None = None
) -> tuple[NDArray[np.float32], list[int], list[str]]:
    """Embed what can be read: features (M, D), the positions in `crops` they belong to, one sentence per unusable file.

    `advance(n)` is called after every batch with the number of crops done. Memory is bounded whatever the pictures'
    sizes: they are shrunk as they are read where the embedder states its `input_size`, else embedded in parts of
    `HELD_PIXELS`.
    """
    size = facts_of(embedder).input_size
    parts: list[NDArray[np.float32]] = []
    kept: list[int] = []
    problems: list[str] = []

    def usable(positions: Iterable[int]) -> Iterator[Image.Image]:
        for position in positions:
            try:
                picture = load(crops[position], *size) if size else crops[position].open()
            except ImageError as error:
                problems.append(str(error))
            else:
                kept.append(position)
                yield picture
                del picture  # or it would be held while the next one is decoded

    for start in range(0, len(crops), batch):
        positions = range(start, min(start + batch, len(crops)))
        parts += [embedder.embed_pictures(pictures) for pictures in bounded(usable(positions), batch)]
        if advance is not None:
            advance(len(positions))
    features = np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)
    return features, kept, problems
