"""What a search hands to its re-ranker about crops that stand behind a match."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from reidr.data.types import Crop
from reidr.reasoning.types import Pair
from reidr.retrieval.gallery import Gallery
from reidr.retrieval.ranked_list import RankedList
from reidr.search.folding import Group
from reidr.search.order import Candidates


def test_a_folded_crop_has_the_similarity_of_its_match() -> None:
    """A fitted fusion refuses a place without similarities: a search with near-duplicates ended in an error."""
    crops = [Crop(f"{name}.png", Path(f"{name}.png")) for name in "abc"]
    listed = RankedList(("q",), ("a", "b", "c"), np.array([[0, 1, 2]]), np.array([[0.1, 0.2, 0.3]]))
    groups = [Group(0, 0, like=(1,)), Group(2, 2)]  # b is folded into a
    query = Crop("q.png", Path("q.png"))
    pairs = [Pair(query, crops[group.row]) for group in groups]
    seen = np.array([[0.9, 0.8, 0.7], [0.3, 0.2, 0.1]])
    model = SimpleNamespace(
        capabilities=SimpleNamespace(vision_similarity=True), vision_similarity=lambda asked: seen[: len(asked)]
    )
    features = np.eye(3, dtype=np.float32)
    gallery = Gallery(tuple(crops), features, (), "e")
    candidates = Candidates(listed, groups, pairs, gallery, features[:1], cast(Any, model))
    similarities = candidates.context().similarities(listed, 3)
    assert similarities is not None
    np.testing.assert_array_equal(similarities, seen[None, [0, 0, 1]])
