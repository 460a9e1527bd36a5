"""Measure how well reasoners judge the shipped retriever's first ten, and write research/pair-verification/judging.json for `make results`.

python research/scripts/judging.py --model base=runs/base/model --model warm-up=runs/warmup/model [--think]
python research/scripts/judging.py --fit runs/base/model --pairs runs/pairs/pairs.parquet --seeds 3

With --fit the base gets a short answer-only fit for each seed (no rationales, no reinforcement): a check that it
carries identity at all. Fusion weights are chosen on held-out training identities, the numbers are of test identities.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from shipped_people import MARKET, unseen_people

from reidr.reasoning.inference.direct_score import score_seen_pairs

REPOSITORY = Path(__file__).resolve().parents[2]
OUT = REPOSITORY / "research" / "pair-verification" / "judging.json"
K = 10


class Search:
    """A search's ranked first ten, with places of its crops among all crops."""

    def __init__(self, dataset: Any, retriever: Any, first: int) -> None:
        from reidr.core.progress import progress
        from reidr.data.protocols.trial import find_protocol, trials
        from reidr.evaluation.experiment.experiment import embed_trial
        from reidr.retrieval.rerankers.csls import LAST, with_csls

        self.trial_name = dataset.name
        (trial,) = trials(dataset, find_protocol("standard"), 0)
        queries, gallery, self.trial = embed_trial(trial, retriever, None, progress)
        ranked = gallery.search(queries, LAST, excluded=self.trial.excluded)
        self.ranked = with_csls(ranked, gallery.features, junk=self.trial.junk).top(K)
        self.truth = self.trial.shows_person(self.ranked.indices)
        self.matches = self.trial.matches().sum(axis=1)
        self.rows, self.columns = rows, columns = np.nonzero(self.ranked.indices >= 0)
        listed, places = np.unique(self.ranked.indices[rows, columns], return_inverse=True)
        self.crops = [*self.trial.query, *(self.trial.gallery[item] for item in listed)]
        gallery_places = places + len(self.trial.query)
        self.pairs = [(first + int(a), first + int(b)) for a, b in zip(rows, gallery_places, strict=True)]

    def names(self) -> list[str]:
        """Which pairs are asked about."""
        items = self.ranked.indices[self.rows, self.columns]
        queries, gallery = self.trial.query, self.trial.gallery
        return [f"{queries[row].id} {gallery[item].id}" for row, item in zip(self.rows, items, strict=True)]

    def table(self, values: np.ndarray) -> np.ndarray:
        filled = np.full(self.ranked.indices.shape, np.nan)
        filled[self.rows, self.columns] = values
        return filled


def thinking(seen: Any, pairs: list[tuple[int, int]]) -> tuple[np.ndarray, dict[str, float]]:
    """P(same) after a greedy rationale, NaN where the answer is not parsable; and how healthy the rationales are."""
    from reidr.reasoning.prompting.grammar import try_parse
    from reidr.training.warmup.rationales import write_rationales

    completions = write_rationales(seen, pairs, temperature=0.0, max_new_tokens=110, seed=0)
    parsed = [try_parse(each.text) for each in completions]
    values = [each.probability if good else np.nan for each, good in zip(completions, parsed, strict=True)]
    health = {
        "parsable": float(np.mean([each is not None for each in parsed])),
        "distinct": len({each.reasoning for each in parsed if each}) / len(parsed),
        "tokens": float(np.mean([len(each.ids) for each in completions])),
        "said_yes": float(np.mean([each is not None and each.answer == "yes" for each in parsed])),
    }
    return np.array([np.nan if value is None else value for value in values], dtype=float), health


def judge(model: Any, processor: Any, test: Search, held: Search, think: bool) -> dict[str, Any]:
    """Numbers of one model: direct, and with `think` after a rationale too."""
    from reidr.evaluation.metrics.pair_verification import measure_pair_verification
    from reidr.fusion.weighted import choose_weight
    from reidr.reasoning.inference.crop_features import CropFeatures

    started = time.perf_counter()
    seen = CropFeatures(model.eval(), processor, [crop.open for crop in (*test.crops, *held.crops)])
    found: dict[str, Any] = {"looking_seconds": round(time.perf_counter() - started, 1)}
    for kind in ("direct", "thinking") if think else ("direct",):
        started = time.perf_counter()
        tables: list[Any] = []
        health: dict[str, Any] = {}
        for search in (held, test):
            if kind == "direct":
                values = score_seen_pairs(seen, model, search.pairs)
            else:
                values, health = thinking(seen, search.pairs)
            tables.append(search.table(values))
        weight = choose_weight(held.ranked, tables[0], held.truth).weight
        people = np.array([str(query.person) for query in test.trial.query])
        result = measure_pair_verification(test.ranked, tables[1], test.truth, test.matches, weight, people=people)
        found[kind] = {**asdict(result), **health, "seconds": round(time.perf_counter() - started, 1)}
        print(kind, json.dumps(found[kind]), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=MARKET, help="whose queries are the test")
    parser.add_argument("--model", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--think", action="store_true")
    parser.add_argument("--fit", metavar="FOLDER")
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--learning-rate", type=float, default=6e-4)
    arguments = parser.parse_args()
    from reidr.core.run import environment
    from reidr.data.load import load_dataset
    from reidr.reasoning.backends.reference import Reasoner
    from reidr.retrieval.embedders.retriever import Retriever
    from reidr.training.pairs.table import read_pairs
    from reidr.training.recipes.warmup import WarmupRecipe
    from reidr.training.tuning.searches import as_search
    from reidr.training.warmup.train import warm_up

    retriever = Retriever.load()
    test = Search(load_dataset(arguments.data), retriever, 0)
    _, unseen = unseen_people(retriever, arguments.data.resolve().parent)
    held = Search(as_search("held-out training identities", unseen, 400, 0), retriever, len(test.crops))
    known = json.loads(OUT.read_text(encoding="utf-8")) if OUT.is_file() else {}
    for text in arguments.model:
        name, _, folder = text.partition("=")
        reasoner = Reasoner.load(folder)
        print(name, flush=True)
        known[name] = judge(reasoner.model, reasoner.processor, test, held, arguments.think)
    if arguments.fit:
        pairs, others = read_pairs(arguments.pairs), read_pairs(arguments.pairs, "held_out")
        for seed in range(arguments.seeds):
            reasoner = Reasoner.load(arguments.fit)
            fitting = WarmupRecipe(
                rationales=0, learn_vision="connector", steps=arguments.steps, batch=24, seed=seed, ramp=0.5,
                learning_rate=arguments.learning_rate, measure_every=arguments.steps, save_every=arguments.steps,
            )  # fmt: skip
            with tempfile.TemporaryDirectory() as folder:
                taught, _ = warm_up(fitting, pairs, others, (reasoner.model, reasoner.processor), Path(folder))
            print("seed", seed, flush=True)
            known[f"answer-only fit, seed {seed}"] = judge(taught, reasoner.processor, test, held, False)
    made = {"drawn_over": "persons", "test": test.trial_name, "pairs": len(test.pairs)}
    known["made"] = {key: environment().get(key) for key in ("commit", "platform")} | made
    OUT.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {OUT}")


if __name__ == "__main__":
    main()
