"""What the tests of `find` share: people drawn by number, and an embedder and a reasoner that tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reidr.fusion.profile import InferenceProfile
from reidr.reasoning.backends.backend import Capabilities
from reidr.reasoning.backends.card import Card
from reidr.reasoning.rationales.cues import extract_cues
from reidr.reasoning.types import Pair, RequestCounts, Verdict


def drawn(number: int, frame: int = 0, size: tuple[int, int] = (24, 48)) -> Image.Image:
    """Person `number`: six bands of colour; frames differ by a grey level here and there."""
    bands = np.random.default_rng(number).integers(20, 235, (6, 1, 3))
    pixels = np.repeat(np.repeat(bands, size[1] // 6, axis=0), size[0], axis=1).astype(np.uint8)
    pixels[:4, :4] += np.uint8(frame)
    return Image.fromarray(pixels)


class Bands:
    """Sees the colours of six bands. `near`: the distance that one search in a hundred for absent people beats.

    `crops`: among how many crops that was measured; None: unknown.
    """

    name = fingerprint = "bands"

    def __init__(self, near: float | None = None, far: float = 0.9, crops: float | None = None) -> None:
        self.thresholds = {} if near is None else {"0.01": near, "0.1": far}
        self.threshold_crops = crops

    def embed_pictures(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        rows = [np.asarray(each.resize((1, 6), Image.Resampling.BOX), np.float64).ravel() - 127.5 for each in pictures]
        made = np.stack(rows)
        return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


class Scores:
    """A back end with a score for each candidate's id; what it has none for has no score."""

    capabilities = Capabilities()

    @property
    def card(self) -> Card:
        return Card(self.profile)

    name = "scores"

    def __init__(self, scores: dict[str, float], profile: InferenceProfile | None = None, **counts: int) -> None:
        self.scores, self.profile = scores, profile or InferenceProfile(0.5, "this test")
        self.counts, self.added = RequestCounts(), RequestCounts(**counts)
        self.thought: list[str] = []

    def score(self, pairs: Sequence[Pair], **_: Any) -> NDArray[np.float64]:
        self.counts += self.added
        return np.array([self.scores.get(pair.candidate.id, np.nan) for pair in pairs])

    def think(self, pairs: Sequence[Pair], *_: Any, **__: Any) -> list[Verdict]:
        self.thought += [pair.candidate.id for pair in pairs]
        text = "Both have red shoes."
        return [Verdict("same", 0.9, text, extract_cues(text), 5, 0.1, "m", "p", "k") for _ in pairs]
