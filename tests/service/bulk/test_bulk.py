"""Bulk work: the same results however many processes do it, nothing done twice, nothing lost by a kill."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from site_of_tests import build, crop_of

from reidr.cli.main import reidr
from reidr.data.types import Crop
from reidr.errors import ReIDError
from reidr.reasoning.backends.loading import load_reasoner
from reidr.reasoning.backends.verdict_cache import VerdictCache, default_path
from reidr.reasoning.types import Pair
from reidr.retrieval.content_key import content_key
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.retrieval.embedding_cache import EmbeddingCache, cache_folder
from reidr.service.bulk import embedding, running
from reidr.service.bulk.embedding import EmbedCrops, embed_crops
from reidr.service.bulk.pairs import nearest_names
from reidr.service.bulk.running import run_tasks
from reidr.service.bulk.scoring import compare_pairs
from reidr.service.bulk.tasks import Task, tasks_of


def folder_of(place: Path, number: int) -> list[Path]:
    """Pictures of noise, 32x16."""
    place.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(number):
        noise = np.random.default_rng(index).integers(0, 255, (32, 16, 3), dtype=np.uint8)
        paths.append(place / f"{index:04}.png")
        Image.fromarray(noise).save(paths[-1])
    return paths


def cached() -> dict[str, Any]:
    return EmbeddingCache(cache_folder(), HistogramEmbedder().fingerprint).rows


def wanted(paths: list[Path]) -> dict[str, Any]:
    rows = HistogramEmbedder().embed_pictures([Image.open(path).convert("RGB") for path in paths])
    return {content_key(Crop("a", path)): row for path, row in zip(paths, rows, strict=True)}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.allclose(row, other[key]) for key, row in one.items())


def tasks(paths: list[Path], chunk: int = 4) -> list[Task]:
    return list(tasks_of(map(str, paths), "embed", chunk=chunk))


def test_every_crop_is_embedded_as_by_hand_and_a_second_run_does_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    paths = folder_of(tmp_path / "crops", 10)
    done = embed_crops("histogram", tasks(paths), workers=0)
    assert (done.tasks, done.skipped, done.results) == (3, 0, 10)
    assert same(cached(), wanted(paths))
    monkeypatch.setattr(embedding, "EmbedCrops", lambda *_: pytest.fail("was done again"))
    done = embed_crops("histogram", tasks(paths), workers=0)
    assert (done.tasks, done.skipped, done.results) == (3, 3, 0)


def test_changed_and_unreadable_files_are_seen(tmp_path: Path) -> None:
    paths = folder_of(tmp_path / "crops", 8)
    paths[1].write_bytes(b"no picture")
    done = embed_crops("histogram", tasks(paths), workers=0)
    assert done.results == 7
    assert "0001.png" in done.problems[0]
    Image.new("RGB", (16, 32), "red").save(paths[1])
    done = embed_crops("histogram", tasks(paths), workers=0)
    assert (done.skipped, done.results) == (1, 4)


def test_the_crops_of_a_gallery_are_embedded_by_their_ids(tmp_path: Path) -> None:
    store, records, crops = build(tmp_path, 9)
    store.close()
    records.close()
    result = CliRunner().invoke(reidr, ["bulk", str(tmp_path / "gallery"), "--retriever", "histogram"])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1].startswith("9 crops embedded")
    picture: Any = crops[4].picture
    assert content_key(Crop("a", picture)) in cached()
    with pytest.raises(ReIDError):
        EmbedCrops("histogram")(Task("t", str(tmp_path / "gallery"), (crop_of(77).id,)))


def test_a_killed_job_keeps_what_it_noted_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "AT_ONCE", 4)
    paths = folder_of(tmp_path / "crops", 20)
    child = os.fork()
    if child == 0:
        made, left = EmbedCrops("histogram"), iter(range(3))

        def dying(task: Task) -> bytes:
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return made(task)

        embedding.EmbedCrops = lambda *_: dying  # type: ignore[assignment,misc]
        embed_crops("histogram", tasks(paths), workers=0)
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    before = len(cached())
    assert before == 12
    done = embed_crops("histogram", tasks(paths), workers=0)
    assert (done.skipped, done.results) == (3, 8)
    assert same(cached(), wanted(paths))


def test_pairs_are_the_nearest_of_another_camera(tmp_path: Path) -> None:
    paths = folder_of(tmp_path / "crops", 12)
    crops = [Crop(path.name, path, camera="ab"[place % 2]) for place, path in enumerate(paths)]
    embed_crops("histogram", tasks(paths), workers=0)
    names = list(nearest_names(crops[:3], crops, "histogram", 4))
    rows = np.stack([cached()[content_key(crop)] for crop in crops])
    expected = []
    for place in range(3):
        others = [index for index in range(12) if crops[index].camera != crops[place].camera]
        nearest = sorted(others, key=lambda index: (-float(rows[place] @ rows[index]), index))[:4]
        expected += [name for index in nearest for name in (str(paths[place]), str(paths[index]))]
    assert names == expected


@pytest.mark.whole
def test_pairs_are_compared_once_and_later_searches_need_not_ask(tmp_path: Path) -> None:
    paths = folder_of(tmp_path / "crops", 6)
    names = [str(path) for pair in zip(paths[:3], paths[3:], strict=True) for path in pair]
    work = list(tasks_of(names, "compare", chunk=4))
    assert compare_pairs("nano", work, reasons=False, workers=0).results == 3
    assert compare_pairs("nano", work, reasons=False, workers=0).skipped == 2
    with VerdictCache(default_path()) as cache:
        before = cache.count()
        assert before[0] == 6  # both orders
        asked = load_reasoner("nano", cache=cache)
        pairs = [Pair(Crop("a", one), Crop("b", other)) for one, other in zip(paths[:3], paths[3:], strict=True)]
        scores = asked.score(pairs)
        assert cache.count() == before
        assert np.allclose(scores, load_reasoner("nano").score(pairs), atol=1e-4)


@pytest.mark.whole
@pytest.mark.timeout(600)  # Ray starts several processes, which take long where others are busy
def test_workers_of_ray_give_what_one_process_gives(tmp_path: Path) -> None:
    pytest.importorskip("ray.data", reason="needs the extra 'cluster'")
    paths = folder_of(tmp_path / "crops", 24)
    done = embed_crops("histogram", tasks(paths), workers=2)
    assert (done.tasks, done.skipped, done.results) == (6, 0, 24)
    assert same(cached(), wanted(paths))
    assert embed_crops("histogram", tasks(paths), workers=2).skipped == 6


def test_a_cluster_that_is_not_there_is_said_in_one_sentence() -> None:
    pytest.importorskip("ray.data", reason="needs the extra 'cluster'")
    for address in ("127.0.0.1:1", "ray://127.0.0.1:1"):
        with pytest.raises(ReIDError, match="Ray cannot be used at"):
            list(running.run_tasks([Task("a", "", ())], list, workers=1, cluster=address))  # type: ignore[arg-type]


@pytest.mark.whole
@pytest.mark.timeout(600)
def test_an_error_of_a_worker_is_one_sentence() -> None:
    pytest.importorskip("ray.data", reason="needs the extra 'cluster'")
    with pytest.raises(ReIDError, match=r"a worker failed .*no-such-model"):
        list(run_tasks([Task("a", "", ())], partial(EmbedCrops, "no-such-model"), workers=1))
