"""The evaluator stands alone: a quick import without heavy packages, arrays and ids of every kind, `evaluate`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import reidr.evaluation.metrics as metrics
from reidr.data.protocols.trial import find_protocol, trials
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import ReIDError
from reidr.evaluation.metrics import RankedList, evaluate, evaluate_features, evaluate_ranking, roc_area
from reidr.retrieval.ranked_list import rank_features

HEAVY = ("torch", "transformers", "pandas", "matplotlib", "scipy", "numba", "PIL", "pydantic")
RANDOM = np.random.default_rng(4)


def test_importing_it_is_quick_and_loads_numpy_alone() -> None:
    code = (
        "import time, sys; started = time.perf_counter(); import reidr.evaluation.metrics; "
        f"print(time.perf_counter() - started, [name for name in {HEAVY} if name in sys.modules])"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    seconds, loaded = zip(*(done.stdout.strip().split(" ", 1) for done in runs), strict=True)
    assert set(loaded) == {"[]"}
    assert min(map(float, seconds)) <= 0.3


def test_measuring_lists_and_ids_never_imports_torch() -> None:
    code = (
        "import sys; from reidr.evaluation.metrics import evaluate_ranking; "
        "r = evaluate_ranking([[0.1, 0.2]], ['a'], ['b', 'a'], None, None); "
        "print(r.mean_average_precision, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0.5", "False"]


def test_every_public_name_resolves_once() -> None:
    assert len(set(metrics.__all__)) == len(metrics.__all__)
    assert all(hasattr(metrics, name) for name in metrics.__all__)


FORMS: dict[str, Callable[[np.ndarray], Any]] = {
    "list": lambda array: array.tolist(),
    "NumPy": lambda array: array,
    "torch": torch.from_numpy,
    "gradient": lambda array: torch.from_numpy(array).requires_grad_(),
    "bfloat16": lambda array: torch.from_numpy(array).bfloat16(),
    "bfloat16 with a gradient": lambda array: torch.from_numpy(array).bfloat16().requires_grad_(),
}
IDS: dict[str, Callable[[list[int]], Any]] = {
    "integers": list,
    "strings": lambda ids: [f"p{each}" for each in ids],
    "NumPy integers": lambda ids: np.array(ids, dtype=np.int32),
    "NumPy strings": lambda ids: np.array([f"p{each}" for each in ids]),
    "torch integers": torch.tensor,
}


@pytest.mark.parametrize("ids", IDS)
@pytest.mark.parametrize("form", FORMS)
def test_every_kind_of_array_and_id_gives_the_same(form: str, ids: str) -> None:
    distances = RANDOM.permutation(60).reshape(6, 10) / 128  # exact in bfloat16, without ties
    people, shown = [0, 1, 2, 0, 1, 2], [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    wanted = evaluate_ranking(distances, people, shown, [1] * 6, [2] * 10)
    given = FORMS[form](distances.astype(np.float32))
    found = evaluate_ranking(given, IDS[ids](people), IDS[ids](shown), IDS[ids]([1] * 6), IDS[ids]([2] * 10))
    np.testing.assert_array_equal(found.average_precision, wanted.average_precision)
    np.testing.assert_array_equal(found.cmc, wanted.cmc)


def crops(prefix: str, people: list[int | None], cameras: list[int]) -> tuple[Crop, ...]:
    return tuple(
        Crop(f"{prefix}{place}", None, person=None if who is None else str(who), camera=str(camera))  # type: ignore[arg-type]
        for place, (who, camera) in enumerate(zip(people, cameras, strict=True))
    )


@pytest.fixture
def case() -> tuple[ReIDDataset, np.ndarray, np.ndarray]:
    query = crops("q", [0, 1, 2, 3, 0], [0, 1, 0, 1, 1])
    gallery = crops("g", [*RANDOM.integers(0, 5, 38).tolist(), None, None], RANDOM.integers(0, 3, 40).tolist())
    features = RANDOM.normal(size=(45, 6))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return ReIDDataset("d", None, query=query, gallery=gallery), features[:5], features[5:]


def test_a_whole_list_measures_as_its_features_do(case: Any) -> None:
    dataset, query, gallery = case
    (trial,) = trials(dataset, find_protocol("standard"))
    ids = tuple(c.id for c in trial.query), tuple(c.id for c in trial.gallery)
    wanted = evaluate_features(query, gallery, **trial.arguments())
    for excluded in (None, trial.excluded):  # ignored crops count for nothing, listed or not
        ranked = rank_features(query.astype(np.float32), gallery.astype(np.float32), *ids, 40, excluded=excluded)
        for block in (1, 3, 256):
            found = evaluate(ranked, trial, block=block)
            np.testing.assert_allclose(found.average_precision, wanted.average_precision)
            np.testing.assert_allclose(found.cmc, wanted.cmc)
            np.testing.assert_allclose(found.inverse_negative_penalty, wanted.inverse_negative_penalty)


def test_a_cut_list_has_exact_first_ranks_and_the_least_precision(case: Any) -> None:
    dataset, query, gallery = case
    (trial,) = trials(dataset, find_protocol("standard"))
    ids = tuple(c.id for c in trial.query), tuple(c.id for c in trial.gallery)
    whole = rank_features(query.astype(np.float32), gallery.astype(np.float32), *ids, 40, excluded=trial.excluded)
    full, cut = evaluate(whole, trial), evaluate(whole.top(4), trial)
    np.testing.assert_array_equal(cut.hits[:, :4], full.hits[:, :4])
    assert (cut.average_precision <= full.average_precision + 1e-12).all()
    assert cut.mean_average_precision < full.mean_average_precision


def test_a_list_of_other_crops_is_refused(case: Any) -> None:
    dataset, query, gallery = case
    (trial,) = trials(dataset, find_protocol("standard"))
    ids = tuple(c.id for c in trial.query), tuple(c.id for c in trial.gallery)
    ranked = rank_features(query.astype(np.float32), gallery.astype(np.float32), *ids, 5)
    with pytest.raises(ReIDError, match="not of the same queries"):
        evaluate(replace(ranked, query_ids=tuple(reversed(ids[0]))), trial)
    with pytest.raises(ReIDError, match="not of the same gallery"):
        evaluate(replace(ranked, gallery_ids=tuple(reversed(ids[1]))), trial)
    with pytest.raises(ReIDError, match="must be a RankedList"):
        evaluate(None, trial)  # type: ignore[arg-type]
    assert isinstance(ranked, RankedList)


def test_weighted_cases_count_as_repeated_ones() -> None:
    scores, truth = RANDOM.integers(0, 5, 30).astype(float), RANDOM.random(30) < 0.4
    times = RANDOM.integers(0, 4, 30)
    assert roc_area(scores, truth, times) == pytest.approx(roc_area(np.repeat(scores, times), np.repeat(truth, times)))
    with pytest.raises(ReIDError, match="none may be negative"):
        roc_area(scores, truth, -times - 1)
