"""Equal rows are found whatever their order, and get equal distances whatever a matrix product makes of them."""

from __future__ import annotations

import numpy as np
import pytest

from reidr.retrieval.duplicate_rows import find_copies
from reidr.retrieval.ranked_list import rank_features


def copies_by_a_dictionary(features: np.ndarray) -> list[tuple[int, int]]:
    seen: dict[tuple[float, ...], int] = {}
    found = []
    for place, row in enumerate(features.tolist()):
        first = seen.setdefault(tuple(row), place)  # -0.0 == 0.0 here too
        if first != place:
            found.append((place, first))
    return found


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("columns", [1, 7, 64])
@pytest.mark.parametrize("different", [1, 30, 3000])
def test_copies_equal_those_that_a_dictionary_finds(kind: type, columns: int, different: int) -> None:
    random = np.random.default_rng(columns)
    features = random.standard_normal((different, columns)).astype(kind)
    features = features[random.integers(0, different, 1300)]
    copies = find_copies(features)
    assert sorted(zip(copies.later.tolist(), copies.first.tolist(), strict=True)) == copies_by_a_dictionary(features)


def test_zero_and_minus_zero_are_equal_and_nothing_has_no_copies() -> None:
    copies = find_copies(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, -0.0]], dtype=np.float32))
    assert (copies.later.tolist(), copies.first.tolist()) == ([2], [0])
    assert not len(find_copies(np.zeros((0, 4), dtype=np.float32)).later)


def test_copies_in_a_ranked_list_keep_the_order_of_the_gallery() -> None:
    # A product gives equal columns other last bits at the edge of a kernel's block: 1,003 copies have some there.
    random = np.random.default_rng(0)
    rows = random.standard_normal((8, 384)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    gallery = np.concatenate([rows[:2], rows[2:3].repeat(1003, axis=0)])
    names = tuple(map(str, range(len(gallery))))
    found = rank_features(rows[3:], gallery, tuple("abcde"), names, len(gallery))
    for row in found.indices.tolist():
        copies = [index for index in row if index >= 2]
        assert copies == sorted(copies)
