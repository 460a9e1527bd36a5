from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from plain_generation import generate_greedily

from reidr.data.types import Crop
from reidr.errors import ReIDError, WeightsError
from reidr.reasoning.backends.reference import Reasoner
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.prompting.answers import (
    answer_step,
    answer_token_ids,
    decode,
    insufficient_probability,
    yes_probability,
)
from reidr.reasoning.prompting.grammar import parse_completion
from reidr.reasoning.prompting.prompt import CROP_PIXELS, crop_pixels, encode_pairs
from reidr.reasoning.types import Pair


def score_by_hand(reasoner: Reasoner, pair: Pair, prefix: str = "<answer>", task: Any = "score") -> float:
    """Softmax over the yes and no logits of the last position, read from a plain call of the whole model."""
    inputs = encode_pairs(reasoner.processor, [pair], task, prefix)
    with torch.no_grad():
        last = reasoner.model(**inputs).logits[0, -1]
    yes, no = (reasoner.processor.tokenizer.convert_tokens_to_ids(word) for word in ("yes", "no"))
    return float(torch.softmax(torch.stack([last[yes], last[no]]).double(), 0)[0])


def test_score_is_the_mean_over_both_orders_of_the_logits_read_by_hand(reasoner: Reasoner, pairs: list[Pair]) -> None:
    forward = np.array([score_by_hand(reasoner, pair) for pair in pairs])
    backward = np.array([score_by_hand(reasoner, pair.swapped()) for pair in pairs])
    assert np.ptp(forward) > 0.01
    assert np.abs(forward - backward).max() > 0.005
    np.testing.assert_allclose(reasoner.score(pairs, both_orders=False), forward, atol=1e-5)
    np.testing.assert_allclose(reasoner.score(pairs), (forward + backward) / 2, atol=1e-5)


def test_a_batch_gives_what_single_pairs_give(reasoner: Reasoner, pairs: list[Pair]) -> None:
    together = reasoner.answer_logits(pairs)
    np.testing.assert_allclose(reasoner.answer_logits(pairs, batch_size=1), together, atol=1e-4)
    np.testing.assert_allclose(reasoner.answer_logits(pairs, batch_size=3), together, atol=1e-4)
    np.testing.assert_allclose(reasoner.answer_logits(pairs[::-1])[:, ::-1], together, atol=1e-4)


def test_both_orders_together_do_not_depend_on_the_order(reasoner: Reasoner, pairs: list[Pair]) -> None:
    swapped = [pair.swapped() for pair in pairs]
    np.testing.assert_allclose(reasoner.score(swapped), reasoner.score(pairs), atol=1e-5)
    np.testing.assert_allclose(reasoner.answer_logits(swapped)[::-1], reasoner.answer_logits(pairs), atol=1e-4)


def test_equal_pictures_are_encoded_once(reasoner: Reasoner, pairs: list[Pair]) -> None:
    seen: list[int] = []
    vision_encoder = reasoner.model.model.visual
    hook = vision_encoder.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(len(kwargs["grid_thw"])), with_kwargs=True
    )
    try:
        reasoner.score([Pair(pairs[0].query, pair.candidate) for pair in pairs])
    finally:
        hook.remove()
    assert seen == [1 + len(pairs)]


def test_saved_and_loaded_it_scores_the_same(reasoner: Reasoner, pairs: list[Pair], tmp_path: Any) -> None:
    reasoner.model.save_pretrained(tmp_path)
    reasoner.processor.save_pretrained(tmp_path)
    again = Reasoner.load(tmp_path, device="cpu")
    np.testing.assert_array_equal(again.score(pairs), reasoner.score(pairs))
    assert again.weights_hash == reasoner.weights_hash
    assert again.pixels == reasoner.pixels
    again.name = reasoner.name
    first, second = (r.think(pairs[:2], Thinking(5)) for r in (reasoner, again))
    assert [(v.reasoning, v.key, v.model) for v in first] == [(v.reasoning, v.key, v.model) for v in second]


def test_every_pair_gets_a_verdict_and_failures_can_be_counted(reasoner: Reasoner, pairs: list[Pair]) -> None:
    done: list[tuple[int, int]] = []
    verdicts = reasoner.think(pairs, Thinking(8), batch_size=3, progress=lambda *count: done.append(count))
    assert len(verdicts) == len(pairs)
    assert done == [(3, 7), (6, 7), (7, 7)]
    assert {(v.parsable, v.answer, v.probability) for v in verdicts} == {(False, "insufficient", None)}
    assert all(verdict.problem for verdict in verdicts)
    assert all(v.tokens == 8 and v.seconds > 0 and np.isnan(v.evidence) for v in verdicts)
    assert not any("<|image_pad|>" in v.reasoning or "<|vision" in v.reasoning for v in verdicts)
    assert reasoner.think([]) == []
    assert reasoner.score([]).shape == (0,)


def test_picture_tokens_are_never_written(reasoner: Reasoner, pairs: list[Pair]) -> None:
    token = reasoner.processor.image_token_id
    hook = reasoner.model.lm_head.register_forward_hook(
        lambda m, a, logits: logits.index_fill(-1, torch.tensor(token), 1e4)
    )
    try:
        verdicts = reasoner.think(pairs[:2], Thinking(4))
    finally:
        hook.remove()
    assert [v.tokens for v in verdicts] == [4, 4]
    assert not any("image_pad" in v.reasoning for v in verdicts)


def test_greedy_words_are_those_of_transformers_own_loop(reasoner: Reasoner, pairs: list[Pair]) -> None:
    expected = generate_greedily(reasoner, pairs, 12)
    verdicts = reasoner.think(pairs, Thinking(12))
    assert [verdict.tokens for verdict in verdicts] == [len(ids) for ids in expected]
    tokenizer = reasoner.processor.tokenizer  # type: ignore[attr-defined]
    assert [verdict.reasoning for verdict in verdicts] == [decode(tokenizer, ids) for ids in expected]


def test_progress_of_scoring(reasoner: Reasoner, pairs: list[Pair]) -> None:
    done: list[tuple[int, int]] = []
    reasoner.score(pairs, batch_size=4, progress=lambda *count: done.append(count))
    assert done == [(4, 7), (7, 7)]
    with pytest.raises(ReIDError, match="batch size"):
        reasoner.score(pairs, batch_size=0)


def test_what_was_taught_is_said(taught: Reasoner, lessons: list[Pair]) -> None:
    verdicts = taught.think(lessons)
    assert [v.answer for v in verdicts] == ["same", "different", "different", "same"]
    assert [v.reasoning for v in verdicts][:2] == [
        "Upper clothing: same in both.", "Upper clothing: red in A, blue in B: differ."
    ]  # fmt: skip
    assert [[(c.region, c.agreement) for c in v.cues] for v in verdicts[:2]] == [
        [("upper clothing", "agree")], [("upper clothing", "differ")]
    ]  # fmt: skip
    assert all(v.parsable for v in verdicts)
    np.testing.assert_array_equal(taught.score(lessons) > 0.5, [True, False, False, True])


def test_probability_is_read_where_the_completion_gives_its_answer(taught: Reasoner, lessons: list[Pair]) -> None:
    expected = [
        score_by_hand(taught, pair, f"<think>{verdict.reasoning}</think>{gap}<answer>", "think")
        for pair, verdict, gap in zip(lessons, taught.think(lessons), ["", "\n", "\n", ""], strict=True)
    ]
    np.testing.assert_allclose([v.probability for v in taught.think(lessons)], expected, atol=1e-5)
    np.testing.assert_allclose([v.probability for v in taught.think(lessons, batch_size=1)], expected, atol=1e-5)


def test_a_completion_cut_short_is_no_verdict(taught: Reasoner, lessons: list[Pair]) -> None:
    whole = taught.think(lessons[:1])[0]
    for length in range(1, whole.tokens - 1):
        cut = taught.think(lessons[:1], Thinking(max_new_tokens=length))[0]
        assert not cut.parsable
        assert cut.tokens == length
    # Only the end token is missing: the answer stands.
    assert taught.think(lessons[:1], Thinking(max_new_tokens=whole.tokens - 1))[0].answer == "same"


def test_greedy_thinking_repeats_itself(taught: Reasoner, reasoner: Reasoner, pairs: list[Pair]) -> None:
    for one in (taught, reasoner):
        first, second = (one.think(pairs, Thinking(12)) for _ in range(2))
        for before, after in zip(first, second, strict=True):
            assert (before.reasoning, before.probability, before.key) == (after.reasoning, after.probability, after.key)


def test_sampling_follows_its_seed_and_leaves_torchs_own_alone(reasoner: Reasoner, pairs: list[Pair]) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (
        [v.reasoning for v in reasoner.think(pairs, Thinking(12, temperature=1.0, seed=seed))] for seed in (0, 0, 1)
    )
    assert torch.equal(torch.rand(3), expected)
    assert first == again != other


def test_the_cache_key_changes_with_all_that_matters(taught: Reasoner, lessons: list[Pair]) -> None:
    pair = lessons[1]
    key = taught.key(pair)
    assert taught.think([pair])[0].key == key == taught.key((pair.query.open(), pair.candidate.open()))
    brighter = pair.query.open().copy()
    brighter.putpixel((3, 3), (255, 1, 0))
    others = [
        taught.key(pair.swapped()),
        taught.key(Pair(Crop("red", brighter), pair.candidate)),
        taught.key(pair, Thinking(max_new_tokens=7)),
        Reasoner(taught.model, taught.processor, pixels=(4000, 5000)).key(pair),
    ]
    parameter = next(taught.model.parameters())
    kept = parameter.detach().clone()
    try:
        parameter.data.view(-1)[0] += 1e-3
        others.append(Reasoner(taught.model, taught.processor).key(pair))
    finally:
        parameter.data.copy_(kept)
    assert len({key, *others}) == 6
    # The crop's id is no part of the question.
    assert taught.key(Pair(Crop("another name", pair.query.open()), pair.candidate)) == key


def test_probabilities_by_hand() -> None:
    # Order 0: yes - no = ln 3, so 3/4. Order 1: yes = no, so 1/2. Mean 5/8.
    # Insufficient: 3/(3+1+4) = 4/8 in order 0 with logits ln 3, 0, ln 4; 2/4 in order 1 with 0, 0, ln 2. Mean 1/2.
    logits = np.log(np.array([[[3.0, 1.0, 4.0]], [[1.0, 1.0, 2.0]]]))
    np.testing.assert_allclose(yes_probability(logits), [0.625])
    np.testing.assert_allclose(insufficient_probability(logits), [0.5])
    huge = np.array([[[1000.0, -1000.0, 0.0], [-1000.0, 1000.0, 0.0]]])
    np.testing.assert_array_equal(yes_probability(huge), [1.0, 0.0])


def plain_tokenizer(*words: str) -> Any:
    """Bytes and nothing else, but for the given whole words: tags are many tokens, as in Qwen2.5's vocabulary."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = {letter: i for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    bpe = Tokenizer(models.BPE(letters, []))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.add_tokens([AddedToken(word, single_word=True, normalized=False) for word in words])
    return PreTrainedTokenizerFast(tokenizer_object=bpe)


def test_yes_and_no_must_be_single_tokens() -> None:
    whole = plain_tokenizer("yes", "no")
    ids = answer_token_ids(whole)
    assert whole.convert_ids_to_tokens(list(ids)) == ["yes", "no", "i"]  # insufficient: its first token
    with pytest.raises(WeightsError, match='does not keep "no" as one token'):
        answer_token_ids(plain_tokenizer("yes"))
    with pytest.raises(WeightsError, match='does not keep "yes" as one token'):
        answer_token_ids(plain_tokenizer("yes</answer>", "no"))


def test_the_answer_is_found_where_tags_are_many_tokens() -> None:
    tokenizer = plain_tokenizer("yes", "no")
    text = "<think>weiß: no, yes, an answer</think>\n<answer>yes</answer>"
    parse_completion(text)
    ids = tokenizer.encode(text)
    step = answer_step(tokenizer, ids)
    assert tokenizer.decode(ids[step:]) == "yes</answer>"
    assert tokenizer.decode(ids[:step]).endswith("<answer>")


def test_a_budget_made_for_photographs_is_replaced(reasoner: Reasoner) -> None:
    from types import SimpleNamespace

    def budget(size: dict[str, int]) -> Any:
        return crop_pixels(SimpleNamespace(image_processor=SimpleNamespace(size=size)))  # type: ignore[arg-type]

    assert budget({"shortest_edge": 3136, "longest_edge": 12_845_056}) == CROP_PIXELS
    assert budget({"shortest_edge": 5000, "longest_edge": 9000}) == (5000, 9000)
    assert budget({"height": 64, "width": 64}) is None


def test_grey_and_tiny_crops_are_taken(reasoner: Reasoner) -> None:
    grey, tiny = Crop("grey", Image.new("L", (30, 70), 9)), Crop("tiny", Image.new("RGB", (4, 9)))
    assert np.isfinite(reasoner.score([Pair(grey, tiny)])).all()


def test_thinking_settings_are_checked() -> None:
    for wrong in ({"max_new_tokens": 0}, {"temperature": -1.0}):
        with pytest.raises(ReIDError):
            Thinking(**wrong)  # type: ignore[arg-type]
