"""Tracklets as one embedding each: the mean of their crops' embeddings, of length 1 again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reidr.data.tracks import tracks_of
from reidr.retrieval.gallery import Gallery


def pool_tracks(gallery: Gallery) -> Gallery:
    """The gallery with one row per tracklet: the mean of its unit rows, divided by its length.

    The tracklet's middle crop stands for it wherever a picture or an id is shown. A crop without a track label is a
    tracklet of its own, and its row stays as it is. Raises DataError where a tracklet shows two people.
    """
    tracks = tracks_of(gallery.crops)
    row_of = {crop.id: row for row, crop in enumerate(gallery.crops)}
    rows = []
    for track in tracks:
        own = gallery.features[[row_of[crop.id] for crop in track.crops]]
        mean = own.mean(axis=0, dtype=np.float64)
        length = float(np.linalg.norm(mean))
        # Opposite rows cancel out: then any of them is as good a direction as another.
        rows.append(own[0] if len(own) == 1 or length < 1e-6 else (mean / length).astype(np.float32))
    return replace(gallery, crops=tuple(track.middle for track in tracks), features=np.stack(rows))
