"""The direct score of crops that were looked at once is that of `Reasoner.score`, whatever sizes the crops have."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.inference.direct_score import score_seen_pairs, seen_answer_logits
from reidr.reasoning.prompting.prompt import render
from reidr.reasoning.types import Pair

SCRIPTS = Path(__file__).parents[2] / "research" / "scripts"


@pytest.fixture
def seen(reasoner: Any, pairs: list[Pair]) -> tuple[CropFeatures, list[tuple[int, int]]]:
    crops = [crop for pair in pairs for crop in (pair.query, pair.candidate)]
    features = CropFeatures(reasoner.model, reasoner.processor, [crop.open for crop in crops], dtype=torch.float32)
    return features, [(2 * place, 2 * place + 1) for place in range(len(pairs))]


@pytest.mark.parametrize("batch", [1, 3, 256])
def test_crops_of_mixed_sizes_score_as_their_pixels_do(
    reasoner: Any, pairs: list[Pair], seen: tuple[CropFeatures, list[tuple[int, int]]], batch: int
) -> None:
    features, places = seen
    text = render(reasoner.processor, "score")
    lengths = {len(features.prompt(text, each)[0]) for each in places}
    assert len(lengths) > 1  # else nothing would be padded, and nothing be shown by this test
    wanted = reasoner.answer_logits(pairs)
    found = seen_answer_logits(features, reasoner.model, places, batch)
    np.testing.assert_allclose(found, wanted, atol=2e-4, rtol=1e-4)
    np.testing.assert_allclose(
        score_seen_pairs(features, reasoner.model, places, batch), reasoner.score(pairs), atol=1e-4
    )


def test_the_last_column_of_a_batch_is_not_the_answer_position(
    reasoner: Any, seen: tuple[CropFeatures, list[tuple[int, int]]]
) -> None:
    """What the scripts read before 2026-11-30: right for the longest prompts of a batch alone."""
    features, places = seen
    text = render(reasoner.processor, "score")
    with torch.no_grad():
        last = reasoner.model(**features.training_inputs([(text, each, ()) for each in places])).logits[
            :, -1, reasoner.answer_ids
        ]
    found = seen_answer_logits(features, reasoner.model, places)[0]
    lengths = np.array([len(features.prompt(text, each)[0]) for each in places])
    longest = lengths == lengths.max()
    np.testing.assert_allclose(last.double().numpy()[longest], found[longest], atol=2e-4, rtol=1e-4)
    assert np.abs(last.double().numpy()[~longest] - found[~longest]).max() > 1e-2


def test_both_scripts_score_by_that_one_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(SCRIPTS), *sys.path])
    for name in ("judging", "ablations"):
        assert importlib.import_module(name).score_seen_pairs is score_seen_pairs
        assert "logits[:, -1" not in (SCRIPTS / f"{name}.py").read_text(encoding="utf-8")
