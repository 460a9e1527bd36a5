"""The engine answers as the plain reasoner does, whatever it shares, keeps or leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small_nano import build_small_nano

from reidr.data.types import Crop
from reidr.errors import ImageError, ReIDError, WeightsError
from reidr.reasoning.backends.loading import load_reasoner
from reidr.reasoning.backends.local import Engine
from reidr.reasoning.backends.reference import Reasoner
from reidr.reasoning.backends.verdict_cache import VerdictCache
from reidr.reasoning.inference.chunks import chunks
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.inference.prefix_cache import PairPrompts
from reidr.reasoning.inference.vision_cache import VisionCache, picture_digest
from reidr.reasoning.models.architectures import find_architecture
from reidr.reasoning.prompting.prompt import encode_pairs
from reidr.reasoning.types import Pair, Verdict


@pytest.fixture(scope="module")
def nano() -> Reasoner:
    return Reasoner(*build_small_nano(), name="small nano")


@pytest.fixture
def searches(pairs: list[Pair]) -> list[Pair]:
    """Three queries with four candidates each; two candidates are met by every query, the rest by one."""
    crops = [pair.query for pair in pairs] + [pair.candidate for pair in pairs]
    queries, common, rare = crops[:3], crops[3:5], crops[5:11]
    return [
        Pair(query, crop) for place, query in enumerate(queries) for crop in (*common, *rare[2 * place : 2 * place + 2])
    ]


@contextmanager
def counted(reasoner: Reasoner) -> Iterator[dict[str, int]]:
    """Tokens that pass the language model, its calls, and pictures that pass the vision encoder, padding included."""
    found = {"tokens": 0, "calls": 0, "pictures": 0}

    def language(module: Any, args: Any, kwargs: Any) -> None:
        found["tokens"] += kwargs["inputs_embeds"].shape[0] * kwargs["inputs_embeds"].shape[1]
        found["calls"] += 1

    def vision(module: Any, args: Any, kwargs: Any) -> None:
        found["pictures"] += len(kwargs["grid_thw"])

    body: Any = reasoner.model.model
    hooks = [
        body.language_model.register_forward_pre_hook(language, with_kwargs=True),
        body.visual.register_forward_pre_hook(vision, with_kwargs=True),
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def essence(verdicts: list[Verdict]) -> list[Any]:
    return [(v.answer, v.reasoning, v.cues, v.tokens, v.parsable, f"{v.evidence:.4f}") for v in verdicts]


def pair_by_pair(reasoner: Reasoner, pairs: list[Pair]) -> np.ndarray[Any, Any]:
    """(2, N, 3), each from a call of the whole model on one prompt without a cache."""
    found = []
    for rows in (pairs, [pair.swapped() for pair in pairs]):
        side = []
        for pair in rows:
            inputs = encode_pairs(reasoner.processor, [pair], "score", pixels=reasoner.pixels)
            with torch.no_grad():
                side.append(reasoner.model(**inputs).logits[0, -1, list(reasoner.answer_ids)].double().numpy())
        found.append(side)
    return np.array(found)


def test_logits_are_those_of_one_plain_call_per_pair(reasoner: Reasoner, nano: Reasoner, searches: list[Pair]) -> None:
    for one in (reasoner, nano):
        expected = pair_by_pair(one, searches)
        assert np.ptp(expected[..., 0] - expected[..., 1]) > 0.01
        for batch_size in (1, 3, 5, 32):
            np.testing.assert_allclose(Engine(one).answer_logits(searches, batch_size=batch_size), expected, atol=1e-4)
        np.testing.assert_allclose(
            Engine(one).answer_logits(searches[::-1], batch_size=5)[:, ::-1], expected, atol=1e-4
        )
        alone = Engine(one).answer_logits(searches, both_orders=False)
        assert alone.shape == (1, 12, 3)
        np.testing.assert_allclose(alone, expected[:1], atol=1e-4)
        np.testing.assert_allclose(Engine(one).score(searches), one.score(searches), atol=1e-5)


def test_positions_of_a_continued_prompt_are_those_of_the_whole_one(reasoner: Reasoner, searches: list[Pair]) -> None:
    pair = searches[0]
    inputs = encode_pairs(reasoner.processor, [pair], "think", pixels=reasoner.pixels)
    wanted, _ = reasoner.model.model.get_rope_index(**{n: v for n, v in inputs.items() if n != "pixel_values"})
    ids = reasoner.processor.tokenizer.encode(
        reasoner.processor.apply_chat_template(
            [{"role": "user", "content": [{"type": "image"}, {"type": "image"}]}], tokenize=False
        ),
        add_special_tokens=False,
    )
    grids: Any = [tuple(row) for row in inputs["image_grid_thw"].tolist()]
    with pytest.raises(ReIDError, match="2 image placeholders for 1 pictures"):
        reasoner.adapter.lay_out(ids, grids[:1])
    crops = VisionCache(reasoner.adapter, 10**9).encode({crop.id: crop.open for crop in (pair.query, pair.candidate)})
    row = PairPrompts(reasoner.adapter, "think").prompt(crops[pair.query.id], crops[pair.candidate.id])
    torch.testing.assert_close(row.positions, wanted[:, 0])
    assert row.ids.tolist() == inputs["input_ids"][0].tolist()
    # The split lies right before picture B: all of A's tokens in front, all of B's behind.
    image = reasoner.processor.image_token_id
    assert row.ids[row.split] == image != row.ids[row.split - 1]
    assert int((row.ids[: row.split] == image).sum()) == len(crops[pair.query.id].layers[0])


def test_each_picture_and_each_shared_beginning_is_computed_once(reasoner: Reasoner, pairs: list[Pair]) -> None:
    query, *others = [pair.query for pair in pairs[:6]]
    pairs = [Pair(query, other) for other in others]
    with counted(reasoner) as plain:
        reasoner.answer_logits(pairs, both_orders=False)
    engine = Engine(reasoner)
    with counted(reasoner) as shared:
        engine.answer_logits(pairs, both_orders=False)
    assert shared["pictures"] == 6
    crops = VisionCache(reasoner.adapter, 10**9).encode({crop.id: crop.open for crop in (query, *others)})
    prompts = PairPrompts(reasoner.adapter, "score")
    rows = [prompts.prompt(crops[query.id], crops[other.id]) for other in others]
    longest = max(len(row.ids) - row.split for row in rows)
    assert shared["tokens"] == rows[0].split + len(rows) * longest
    assert shared["tokens"] < plain["tokens"]
    with counted(reasoner) as again:
        engine.think(pairs, Thinking(1))
    assert again["pictures"] == 0


def test_prompts_that_begin_alike_go_together() -> None:
    shapes = dict.fromkeys("abcxyz", (100.0, 0.5))
    todo = [("a", "x", 0), ("b", "x", 0), ("a", "y", 0), ("c", "x", 0), ("a", "z", 0)]
    found = list(chunks(todo, shapes, 2, shareable=True))
    assert found == [
        ([("a", "x", 0), ("a", "y", 0)], True),
        ([("a", "z", 0)], True),
        ([("b", "x", 0), ("c", "x", 0)], False),
    ]
    assert [shared for _, shared in chunks(todo, shapes, 2, shareable=False)] == [False] * 3


def test_where_crops_are_compared_only_their_features_are_shared(nano: Reasoner, searches: list[Pair]) -> None:
    with counted(nano) as found:
        Engine(nano).answer_logits(searches)
    assert found == {"tokens": found["tokens"], "calls": 1, "pictures": 11}


def test_verdicts_are_those_of_the_plain_back_end(
    reasoner: Reasoner, nano: Reasoner, taught: Reasoner, searches: list[Pair], lessons: list[Pair]
) -> None:
    for one, pairs in ((reasoner, searches), (nano, searches), (taught, lessons)):
        expected = essence([one.think([pair], Thinking(10))[0] for pair in pairs])
        for batch_size in (5, 32):
            assert essence(Engine(one).think(pairs, Thinking(10), batch_size=batch_size)) == expected
        assert essence(Engine(one).think(pairs[::-1], Thinking(10), batch_size=5))[::-1] == expected
    assert {v.answer for v in Engine(taught).think(lessons)} == {"same", "different"}


def test_rows_that_have_ended_leave_the_batch(taught: Reasoner, lessons: list[Pair]) -> None:
    pairs = lessons
    lengths = [verdict.tokens for verdict in taught.think(pairs)]
    assert len(set(lengths)) > 1
    crops = VisionCache(taught.adapter, 10**9).encode({pair.query.id: pair.query.open for pair in pairs})
    # All pictures are of one size, so that no prompt is padded; every query is met twice.
    row = PairPrompts(taught.adapter, "think").prompt(crops["red"], crops["blue"])
    filling = 2 * row.split + 4 * (len(row.ids) - row.split)
    with counted(taught) as found:
        Engine(taught).think(pairs)
    # A row of n tokens takes n - 1 steps; two rows of four are far enough below 80 % to be taken out.
    assert found["tokens"] == filling + sum(length - 1 for length in lengths)


def test_sampling_follows_its_seed(reasoner: Reasoner, searches: list[Pair]) -> None:
    pairs = searches[:4] * 2
    engine = Engine(reasoner)
    first, again, other = (
        [v.reasoning for v in engine.think(pairs, Thinking(12, temperature=1.0, seed=seed))] for seed in (0, 0, 1)
    )
    assert first == again != other
    assert first[:4] != first[4:]  # the same pair twice is drawn twice


def test_features_are_kept_within_their_memory(reasoner: Reasoner, searches: list[Pair], pairs: list[Pair]) -> None:
    crops = [pair.query for pair in pairs[:6]]
    openers = {picture_digest(crop.open()): crop.open for crop in crops}
    sizes = [crop.bytes for crop in VisionCache(reasoner.adapter, 10**9).encode(openers).values()]
    small = VisionCache(reasoner.adapter, sum(sizes[3:]))
    for digest, opener in openers.items():
        small.encode({digest: opener})
    assert list(small._kept) == list(openers)[3:]
    assert small._bytes == sum(sizes[3:])
    # What is used again is the last to go.
    first, *_ = small._kept
    small.encode({first: openers[first]})
    small.encode(dict(list(openers.items())[:1]))
    assert first in small._kept
    # Too little for one picture: everything is still answered.
    np.testing.assert_allclose(
        Engine(reasoner, memory=1).answer_logits(searches, batch_size=3), reasoner.answer_logits(searches), atol=1e-4
    )


def test_what_is_known_is_not_computed(taught: Reasoner, tmp_path: Path, lessons: list[Pair]) -> None:
    pairs = lessons
    with VerdictCache(tmp_path / "kept.sqlite") as cache:
        first = Engine(taught, cache)
        logits, verdicts = first.answer_logits(pairs), first.think(pairs)
        with counted(taught) as found:
            # One direction is the other order of the other: both are known.
            second = Engine(Reasoner(taught.model, taught.processor, name="taught"), cache)
            np.testing.assert_array_equal(second.answer_logits(pairs), logits)
            np.testing.assert_array_equal(
                second.answer_logits([pair.swapped() for pair in pairs], both_orders=False), logits[1:]
            )
            assert second.think(pairs) == verdicts
        assert found == {"tokens": 0, "calls": 0, "pictures": 0}
        with counted(taught) as found:
            second.think(pairs[:1], Thinking(3))  # other settings: another question
            Engine(Reasoner(taught.model, taught.processor, pixels=(4000, 5000)), cache).score(pairs[:1])
        assert found["pictures"] == 2
        sampled = second.think(pairs[:1], Thinking(3, temperature=1.0))
        assert cache.verdicts([sampled[0].key]) == {}


def test_an_interrupted_run_goes_on_where_it_stopped(reasoner: Reasoner, tmp_path: Path, searches: list[Pair]) -> None:
    path = tmp_path / "kept.sqlite"

    def stop(done: int, total: int) -> None:
        if done >= 6:
            raise KeyboardInterrupt

    with VerdictCache(path) as cache, pytest.raises(KeyboardInterrupt):
        Engine(reasoner, cache).answer_logits(searches, batch_size=4, progress=stop)
    steps: list[tuple[int, int]] = []
    with VerdictCache(path) as cache, counted(reasoner) as rest:
        found = Engine(reasoner, cache).answer_logits(searches, batch_size=4, progress=lambda *n: steps.append(n))
    with counted(reasoner) as whole:
        np.testing.assert_allclose(Engine(reasoner).answer_logits(searches, batch_size=4), found, atol=1e-4)
    assert 0 < rest["tokens"] < whole["tokens"]
    assert steps[-1] == (12, 12)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)


def test_many_pairs_pass_window_by_window(
    reasoner: Reasoner, monkeypatch: pytest.MonkeyPatch, searches: list[Pair]
) -> None:
    monkeypatch.setattr("reidr.reasoning.backends.local.WINDOW", 2)
    np.testing.assert_allclose(
        Engine(reasoner).answer_logits(searches, batch_size=2), reasoner.answer_logits(searches), atol=1e-4
    )
    assert essence(Engine(reasoner).think(searches, Thinking(4), batch_size=2)) == essence(
        reasoner.think(searches, Thinking(4))
    )


def test_files_are_read_again_only_when_they_change(reasoner: Reasoner, tmp_path: Path) -> None:
    file, other = tmp_path / "a.png", tmp_path / "b.png"
    Image.new("RGB", (64, 128), "red").save(file)
    Image.new("RGB", (64, 128), "green").save(other)
    pair = Pair(Crop("a", file), Crop("b", other))
    engine = Engine(reasoner)
    before = engine.answer_logits([pair])
    Image.new("RGB", (64, 128), "blue").resize((32, 64)).save(file)
    after = engine.answer_logits([pair])
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_allclose(after, reasoner.answer_logits([pair]), atol=1e-4)
    file.unlink()
    with pytest.raises(ImageError, match=r"a\.png: no such file"):
        engine.answer_logits([pair])


def test_nothing_to_do_and_nonsense(reasoner: Reasoner, searches: list[Pair]) -> None:
    engine = Engine(reasoner)
    assert engine.answer_logits([]).shape == (2, 0, 3)
    assert engine.think([]) == []
    with pytest.raises(ReIDError, match="batch size"):
        engine.score(searches, batch_size=0)
    with pytest.raises(WeightsError, match="no such checkpoint"):
        load_reasoner("nowhere")
    with pytest.raises(WeightsError, match="no adapter for models of type 'llama'"):
        find_architecture("llama")


def test_vision_similarity_is_what_the_comparison_uses_and_runs_no_language_model(
    nano: Reasoner, searches: list[Pair]
) -> None:
    engine = Engine(nano)
    with counted(nano) as done:
        found = engine.vision_similarity(searches, batch_size=2)
    crops = {crop.id for pair in searches for crop in (pair.query, pair.candidate)}
    assert done == {"tokens": 0, "calls": 0, "pictures": len(crops)}
    assert found is not None
    assert found.shape == (len(searches), 3)
    # By hand, from the vision encoder itself: crop and mirrored crop averaged, whole body and both stripes as unit
    # vectors.
    visual: Any = nano.model.model.visual
    for pair, cosines in zip(searches, found, strict=True):
        sides = []
        for crop in (pair.query, pair.candidate):
            inputs = nano.processor.image_processor([crop.open()], return_tensors="pt")
            grid = tuple(inputs["image_grid_thw"][0, 1:].tolist())
            picture = visual.picture(inputs["pixel_values"], grid)[None]
            with torch.no_grad():
                looks = [visual.vision_encoder.branches(each)[1] for each in (picture, picture.flip(3))]
            sides.append([(one + other)[0] for one, other in zip(*looks, strict=True)])
        # Each embedding passes a layer norm before it becomes a unit vector: the cosine of what is left of its mean.
        wanted = [
            float(torch.cosine_similarity(one - one.mean(), other - other.mean(), dim=0))
            for one, other in zip(*sides, strict=True)
        ]
        assert cosines.tolist() == pytest.approx(wanted, abs=1e-4)


def test_features_of_a_vision_similarity_serve_the_scores(nano: Reasoner, searches: list[Pair]) -> None:
    engine = Engine(nano)
    engine.vision_similarity(searches)
    with counted(nano) as done:
        engine.score(searches)
    assert done["pictures"] == 0


def test_a_vision_encoder_without_embeddings_gives_no_similarity(reasoner: Reasoner, searches: list[Pair]) -> None:
    assert Engine(reasoner).vision_similarity(searches) is None


def test_answers_about_one_crop_are_those_of_the_reasoner(nano: Reasoner, searches: list[Pair]) -> None:
    crops = [searches[0].query, searches[0].candidate]
    assert Engine(nano).ask_about_crops(crops, "What colour are the shoes?", max_new_tokens=4) == nano.ask_about_crops(
        crops, "What colour are the shoes?", max_new_tokens=4
    )
