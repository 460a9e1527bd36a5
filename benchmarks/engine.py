"""The engine beside the plain loop: the same pairs, the same weights, one run, and how far the answers lie apart.

    PYTHONPATH=src python benchmarks/engine.py                    # all cases; one JSON line each
    PYTHONPATH=src python benchmarks/engine.py nano-score         # some of them

A search: 6 queries with 10 candidates each out of 20 crops. `plain` is the loop that the field runs: one `generate` per
pair (and, for scores, per order) on the processor's own inputs. `reasoner` is `Reasoner` in batches of 32, `engine` is
`Engine`, made anew for every round and without a verdict cache, so that nothing is remembered. `nano` is the shipped
reasoner, `qwen3` a Qwen3-VL of about its size, where the engine shares the beginnings of prompts, which `nano`'s
comparison of pictures does not allow; its weights are random, drawn wide enough for answers to differ, and its thoughts
run to their end without being parsable. Rates are by processor time. `difference` is the greatest distance of a
probability from the plain loop's, `answers` whether every thought is the same text, `parsable` the share of thoughts
with a readable answer. One thread unless OMP_NUM_THREADS says otherwise.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from measure import main

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

QUERIES, K, CROPS, TOKENS = 6, 10, 20, 160
CASES = ("nano-score", "nano-think", "qwen3-score", "qwen3-think")


def search() -> list[Any]:
    """Each query with K candidates out of the same CROPS: noise pictures of common crop sizes."""
    from PIL import Image

    from reidr.data.types import Crop
    from reidr.reasoning.types import Pair

    random = np.random.default_rng(0)

    def crop(name: str) -> Crop:
        height, width = int(random.integers(100, 200)), int(random.integers(50, 90))
        return Crop(name, Image.fromarray(random.integers(0, 255, (height, width, 3), dtype=np.uint8)))

    queries, gallery = [crop(f"q{i}") for i in range(QUERIES)], [crop(f"g{i}") for i in range(CROPS)]
    return [Pair(query, gallery[place]) for query in queries for place in random.permutation(CROPS)[:K]]


def reasoner(name: str) -> Any:
    """The shipped `nano`, or a Qwen3-VL with random weights."""
    import torch

    from reidr.reasoning.backends.reference import Reasoner
    from reidr.reasoning.nano.build import NanoSize, build_nano

    if name == "nano":
        return Reasoner.load("nano", device="cpu")
    torch.manual_seed(0)
    size = NanoSize(hidden=192, layers=6, pixels=(18432, 20736))
    made = build_nano(["Upper clothing: red in A, blue in B: differ."] * 50, size)
    with torch.no_grad():
        for where, parameter in made[0].named_parameters():
            if parameter.ndim > 1 and "visual" not in where:
                parameter.normal_(0, 0.08)
    return Reasoner(*made, name=name)


def plain_scores(one: Any, pairs: list[Any]) -> Any:
    """P(same) of each pair: two calls of `generate`, one for each order, that write one token."""
    from reidr.reasoning.prompting.answers import yes_probability
    from reidr.reasoning.prompting.prompt import encode_pairs

    found = []
    for rows in (pairs, [pair.swapped() for pair in pairs]):
        side = []
        for pair in rows:
            inputs = encode_pairs(one.processor, [pair], "score", pixels=one.pixels)
            made = one.model.generate(
                **inputs, max_new_tokens=1, do_sample=False, return_dict_in_generate=True, output_logits=True
            )
            side.append(made.logits[0][0, list(one.answer_ids)].double().numpy())
        found.append(side)
    return yes_probability(np.array(found))


def run_case(name: str) -> dict[str, Any]:
    """One case in this process: all three ways in turn, the better of two rounds each."""
    from reidr.reasoning.backends.local import Engine
    from reidr.reasoning.inference.generation_settings import Thinking

    which, what = name.split("-")
    pairs, one = search(), reasoner(which)
    settings = Thinking(TOKENS)
    one.weights_hash  # noqa: B018 - worked out before the clock runs
    ways: dict[str, Callable[[], Any]]
    if what == "score":
        ways = {
            "plain": lambda: plain_scores(one, pairs),
            "reasoner": lambda: one.score(pairs),
            "engine": lambda: Engine(one).score(pairs),
        }
    else:
        ways = {
            "plain": lambda: [one.think([pair], settings)[0] for pair in pairs],
            "reasoner": lambda: one.think(pairs, settings),
            "engine": lambda: Engine(one).think(pairs, settings),
        }
    best: dict[str, float] = {}
    answers: dict[str, Any] = {}
    for _ in range(2):
        for way, work in ways.items():
            # Processor time: other work on the machine changes it less than wall time.
            began = time.process_time()
            answers[way] = work()
            best[way] = min(best.get(way, np.inf), time.process_time() - began)
    facts: dict[str, Any] = {f"{way}_pairs_per_s": round(len(pairs) / seconds, 2) for way, seconds in best.items()}
    facts["times_plain"] = round(best["plain"] / best["engine"], 2)
    facts["times_reasoner"] = round(best["reasoner"] / best["engine"], 2)
    if what == "think":
        plain, ours = answers["plain"], answers["engine"]
        facts["answers"] = [verdict.reasoning for verdict in plain] == [verdict.reasoning for verdict in ours]
        facts["parsable"] = float(np.mean([verdict.parsable for verdict in ours]))
        answers = {way: np.array([verdict.probability for verdict in made]) for way, made in answers.items()}
    facts["difference"] = float(np.abs(answers["plain"] - answers["engine"]).max())
    return facts


if __name__ == "__main__":
    main(__file__, CASES, run_case)
