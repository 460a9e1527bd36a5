"""What each part of the teaching gives: train the variants, judge them alike, write docs/ablations.json.

python scripts/ablations.py --base runs/base --pairs runs/pairs/pairs.parquet --runs runs/ablations --seeds 0 1 2
python scripts/ablations.py … --seeds 1 --no-table      another process may do other seeds at the same time
python scripts/ablations.py … --seeds 0 1 2 --table     only put together what is there

Every variant starts from the same base. Warm-up and reinforcement take the seed; the pairs are sampled once, by the
warm-up of the first seed. The direct score is fused with the shipped retriever's distance by a weight chosen on
held-out training identities; the numbers are of test identities. What is finished is not done again. `make results`
puts the table into docs/results.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from judging import Search, direct, thinking

REPOSITORY = Path(__file__).parent.parent
OUT = REPOSITORY / "docs" / "ablations.json"
ALONE = {"calibration": 0.0, "cues": 0.0, "rank": 0.0, "text_only": 0.0}
# Name: (stage it starts from, sampling rule, share of the pairs, changes to `rl.rewards`); None: warm-up alone.
VARIANTS: dict[str, tuple[str, str, float | None, dict[str, Any]] | None] = {
    "warm-up": None,
    "warm-up + RL": ("warmup", "non-trivial", None, {}),
    "warm-up + RL, as many pairs at random": ("warmup", "random", None, {}),
    "warm-up + RL, all pairs": ("warmup", "all", None, {}),
    "RL without warm-up": ("base", "random", None, {}),
    "warm-up + RL, 5 % of the pairs": ("warmup", "non-trivial", 0.05, {}),
    "warm-up + RL, 10 % of the pairs": ("warmup", "non-trivial", 0.10, {}),
    "warm-up + RL, 50 % of the pairs": ("warmup", "non-trivial", 0.50, {}),
    "warm-up + RL, identity and format rewards alone": ("warmup", "non-trivial", None, ALONE),
    "warm-up + RL, no calibration reward": ("warmup", "non-trivial", None, {"calibration": 0.0}),
    "warm-up + RL, no cues reward": ("warmup", "non-trivial", None, {"cues": 0.0}),
    "warm-up + RL, rank reward too": ("warmup", "non-trivial", None, {"rank": 0.5}),
    "warm-up + RL, text-only reward too": ("warmup", "non-trivial", None, {"text_only": 0.3}),
}


def folder_of(name: str, seed: int) -> str:
    """The run folder of a variant; the warm-ups have their own, since others start from them."""
    if VARIANTS[name] is None:
        return f"warmup-{seed}"
    return f"{name.replace(' ', '-').replace(',', '').replace('%', 'percent')}-{seed}"


def trained(arguments: argparse.Namespace, name: str, seed: int) -> Path:
    """The model folder of a variant, trained where it is not there yet."""
    from reidr.training.reasoning_stages import rl_stage, warmup_stage

    runs, base = arguments.runs, str(arguments.base / "model")
    variant = VARIANTS[name]
    changes: dict[str, Any] = {"model": base, "pairs": arguments.pairs, "seed": seed}
    if variant is None or variant[0] == "warmup":
        start = warmup_stage(arguments.recipe, runs / f"warmup-{seed}", changes)
        if variant is None:
            return start
    stage, rule, share, rewards = variant
    changes = {
        "model": base if stage == "base" else str(start),
        "sampled": sampled_pairs(arguments, rule, share),
        "seed": seed,
    }
    return rl_stage(arguments.recipe, runs / folder_of(name, seed), changes | ({"rewards": rewards} if rewards else {}))


def sampled_pairs(arguments: argparse.Namespace, rule: str, share: float | None) -> Path:
    """Pairs sampled by a rule, the recipe's share where it is None; all share the rollouts of the first warm-up."""
    from reidr.training.reasoning_stages import sample_stage, warmup_stage

    runs = arguments.runs
    first = warmup_stage(
        arguments.recipe,
        runs / "warmup-0",
        {"model": str(arguments.base / "model"), "pairs": arguments.pairs, "seed": 0},
    )
    changes = {"model": str(first), "pairs": arguments.pairs}
    known = sample_stage(arguments.recipe, runs / "sample-non-trivial", {**changes, "rule": "non-trivial"})
    if rule == "non-trivial" and share is None:
        return known
    folder = runs / (f"sample-{rule}" if share is None else f"sample-{rule}-{share}")
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "rollouts.jsonl").is_file():
        shutil.copyfile(known.parent / "rollouts.jsonl", folder / "rollouts.jsonl")
    return sample_stage(
        arguments.recipe, folder, {**changes, "rule": rule} | ({} if share is None else {"budget_share": share})
    )


class Judge:
    """Scores models on the same pairs; the crops are looked at once, since all variants share their tower."""

    def __init__(self, data: Path, recipe_name: str, think_every: int) -> None:
        from reidr.data.join import join_training
        from reidr.data.load import load_dataset
        from reidr.retrieval.retriever import Retriever
        from reidr.training.decide import as_search
        from reidr.training.identities import hold_out_identities
        from reidr.training.recipes import RetrieverRecipe
        from reidr.training.stages import stage_values

        retriever = Retriever.load()
        self.test = Search(load_dataset(data), retriever, 0)
        recipe = RetrieverRecipe.from_values(*stage_values(recipe_name, "retriever", {}))
        _, unseen = hold_out_identities(
            join_training([load_dataset(path) for path in recipe.data]), recipe.held_out_share, recipe.seed
        )
        self.held = Search(as_search("held-out", unseen, 400, 0), retriever, len(self.test.crops))
        self.seen: Any = None
        self.think_every = think_every

    def scores(self, folder: Path) -> dict[str, np.ndarray]:
        """P(same) of all pairs: direct on both searches, and after thinking on every n-th query of the test."""
        kept = folder.parent / "judged.npz"
        if kept.is_file():
            return dict(np.load(kept))
        from reidr.reasoning.crop_features import CropFeatures
        from reidr.reasoning.reasoner import Reasoner

        reasoner = Reasoner.load(folder)
        if self.seen is None:
            crops = [crop.open for crop in (*self.test.crops, *self.held.crops)]
            self.seen = CropFeatures(reasoner.model, reasoner.processor, crops, learning="connector")
        self.seen.serve(reasoner.model)
        found = {
            name: search.table(direct(self.seen, reasoner.model, search.pairs))
            for name, search in (("test", self.test), ("held", self.held))
        }
        if self.think_every:
            chosen = np.flatnonzero(self.test.rows % self.think_every == 0)
            values = np.full(len(self.test.pairs), np.nan)
            values[chosen], health = thinking(self.seen, [self.test.pairs[place] for place in chosen])
            found["thinking"] = self.test.table(values)
            found |= {f"health_{name}": np.array(value) for name, value in health.items()}
        np.savez(kept, **found)
        return found


def table(judge: Judge, found: dict[str, list[dict[str, np.ndarray]]]) -> dict[str, Any]:
    """Means over seeds, their range, and paired intervals against the retriever and against warm-up alone."""
    from reidr.evaluation.judging import _rank, roc_area
    from reidr.evaluation.statistics import bootstrap_interval
    from reidr.reasoning.fusion import choose_weight, fused_distances

    test, kept = judge.test, np.flatnonzero(judge.test.matches > 0)
    truth, matches = test.truth[kept], test.matches[kept]

    def ranks(distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _rank(distances[kept], truth, matches)

    listed = np.isfinite(test.ranked.distances)[kept]
    base = ranks(test.ranked.distances)
    headroom = truth.any(axis=1).mean() - base[0].mean()
    rows: dict[str, Any] = {
        "retriever": {
            "rank1": float(base[0].mean()),
            "mAP": float(base[1].mean()),
            "area": roc_area(-test.ranked.distances[kept][listed], truth[listed]),
        }
    }
    means: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name, seeds in found.items():
        areas, alone, thought, firsts, precisions, weights = [], [], [], [], [], []
        for scores in seeds:
            weight = choose_weight(judge.held.ranked, scores["held"], judge.held.truth).weight
            fused = fused_distances(test.ranked, scores["test"], weight)
            first, precision = ranks(fused)
            areas.append(roc_area(-fused[kept][listed], truth[listed]))
            alone.append(roc_area(scores["test"][kept][listed], truth[listed]))
            if "thinking" in scores:
                known = np.isfinite(scores["thinking"][kept])
                thought.append(
                    (
                        roc_area(scores["thinking"][kept][known], truth[known]),
                        roc_area(scores["test"][kept][known], truth[known]),
                    )
                )
            firsts.append(first)
            precisions.append(precision)
            weights.append(weight)
        means[name] = np.mean(firsts, axis=0), np.mean(precisions, axis=0)
        row: dict[str, Any] = {
            "seeds": len(seeds),
            "weights": weights,
            "area": areas,
            "alone": alone,
            "rank1": [float(each.mean()) for each in firsts],
            "mAP": [float(each.mean()) for each in precisions],
            "captured": [float((each.mean() - base[0].mean()) / headroom) for each in firsts],
        }
        if thought:
            row["thinking_alone"], row["direct_alone_on_those"] = (list(each) for each in zip(*thought, strict=True))
            row["parsable"] = [float(scores["health_parsable"]) for scores in seeds if "health_parsable" in scores]
        for other, values in (("retriever", base), ("warm-up", means.get("warm-up", base))):
            if other != name:
                row[f"gain_over_{other}"] = {
                    metric: bootstrap_interval(own - its)
                    for metric, own, its in zip(("rank1", "mAP"), means[name], values, strict=True)
                }
        rows[name] = row
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data" / "market1501-dev")
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--recipe", default="nano")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--think-every", type=int, default=0, help="also think about every n-th query's pairs")
    parser.add_argument("--table", action="store_true", help="train nothing; put together what was judged")
    parser.add_argument("--no-table", action="store_true", help="train and judge only")
    arguments = parser.parse_args()
    from reidr.frame.memory import keep_freed_memory
    from reidr.frame.run import environment

    keep_freed_memory()
    judge = Judge(arguments.data, arguments.recipe, arguments.think_every)
    found: dict[str, list[dict[str, np.ndarray]]] = {}
    if "warm-up" in arguments.variants:
        found["base"] = [judge.scores(arguments.base / "model")]
    for name in arguments.variants:
        for seed in arguments.seeds:
            if arguments.table:
                folder = arguments.runs / folder_of(name, seed) / "model"
                if not (folder.parent / "judged.npz").is_file():
                    continue
            else:
                folder = trained(arguments, name, seed)
            print(name, "seed", seed, flush=True)
            found.setdefault(name, []).append(judge.scores(folder))
    if arguments.no_table:
        return
    rows = table(judge, found) | {"made": {key: environment().get(key) for key in ("commit", "platform")}}
    OUT.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {OUT}")


if __name__ == "__main__":
    main()
