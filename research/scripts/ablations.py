"""What each part of the teaching gives: train the variants, judge them alike, write research/ablations/ablations.json.

python research/scripts/ablations.py --base runs/base --pairs runs/pairs/pairs.parquet --runs runs/ablations --seeds 0 1 2
python research/scripts/ablations.py … --seeds 1 --no-table      another process may do other seeds at the same time, once the
                                                        pairs are sampled (seed 0's warm-up and "warm-up + RL")
python research/scripts/ablations.py … --seeds 0 1 2 --table     only put together what is there
python research/scripts/ablations.py … --words                   also count what each says (scripts/rationales.py)

Every variant starts from the same base. Warm-up and reinforcement take the seed; the pairs are sampled once, by the
warm-up of the first seed. Scores are calibrated on held-out training identities (Platt), and fused with the shipped
retriever's distance by one weight for all of them, the one that is best for their mean on those identities. A weight
chosen for each by itself differs by chance from 0.3 to 0.75, and raw scores differ in how sharp they are: both moved
the fused ranking more than these variants do (research/lab.md, 2026-11-26). The base, whose score says next to nothing, has
its own weight. The numbers are of test identities. What is finished is not done again.
`make results` puts the table into research/measurements/results.md.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from judging import Search, thinking
from rationales import SCENES, Words, spoken
from shipped_people import MARKET, unseen_people

from reidr.reasoning.inference.direct_score import score_seen_pairs

REPOSITORY = Path(__file__).resolve().parents[2]
OUT = REPOSITORY / "research" / "ablations" / "ablations.json"
SHARES = (0.05, 0.10, 0.50)
SHARE = 0.209  # the paper's
STEPS_ONCE = 208  # of 12 pairs: a fifth of 12,000, each once
SCALED = "retriever, CSLS"
KINDS = ("direct", "thinking", "direct, alone", "thinking, alone")


@dataclass(frozen=True)
class Variant:
    """What a model is taught with, where it differs from the recipe.

    Attributes:
        warmup: whether it is warmed up first. scene: the data sets whose pairs the warm-up sees, None for all.
        rule: how the pairs of the reinforcement are sampled, None for no reinforcement. share: of the pairs.
        start: the variant whose warm-up it has, or starts from. teaching: changes to `warmup`.
        rewards: changes to `rl.rewards`. longer: so many times the recipe's steps of `rl`.
        again: whether a second round of reinforcement follows, at twice the rate.
        once: whether a fifth of all mined pairs is learned from, drawn by lot without rollouts and each seen once, and
            not what was kept of the thousand that were rolled out.
    """

    warmup: bool = True
    start: str = "warm-up"
    teaching: dict[str, Any] = field(default_factory=dict)
    scene: tuple[str, ...] | None = None
    rule: str | None = "non-trivial"
    share: float | None = None
    rewards: dict[str, float] = field(default_factory=dict)
    longer: int = 1
    again: bool = False
    once: bool = False


CHOSEN = "warm-up on chosen words"
ALONE = {"calibration": 0.0, "cues": 0.0, "rank": 0.0, "text_only": 0.0, "truth": 0.0}
VARIANTS = {
    "warm-up": Variant(rule=None),
    "warm-up + RL": Variant(),
    "warm-up + RL twice": Variant(again=True),
    "a fifth of all pairs, each once": Variant(once=True),
    CHOSEN: Variant(
        rule=None,
        start=CHOSEN,
        teaching={"objectives": {"answer": 1.0, "order_consistency": 0.05, "kl": 40.0, "imitation": 4.0}},
    ),
    f"{CHOSEN} + RL": Variant(start=CHOSEN),
    "RL without warm-up": Variant(warmup=False, rule="random"),
    "as many pairs at random": Variant(rule="random"),
    "all pairs": Variant(rule="all"),
    "all pairs, three times the steps": Variant(rule="all", longer=3),
    **{f"{share:.0%} of the pairs".replace("%", " %"): Variant(share=share) for share in SHARES},
    "identity and format rewards alone": Variant(rewards=ALONE),
    "no format reward": Variant(rewards={"format": 0.0}),
    "no identity reward": Variant(rewards={"identity": 0.0}),
    "calibration reward too": Variant(rewards={"calibration": 0.5}),
    "truth reward too": Variant(rewards={"truth": 0.5}),
    "rank reward too": Variant(rewards={"rank": 0.5}),
    "text-only reward too": Variant(rewards={"text_only": 0.3}),
    "truth and text-only rewards too": Variant(rewards={"truth": 0.5, "text_only": 0.3}),
    "warm-up, pairs of photos": Variant(rule=None, scene=("market1501", "cuhk03-np-train")),
    "warm-up, pairs of Market-1501": Variant(rule=None, scene=("market1501",)),
    "warm-up, pairs of CUHK03": Variant(rule=None, scene=("cuhk03-np-train",)),
    "warm-up, pairs of the street": Variant(rule=None, scene=("street1001", "street1002")),
}


def folder_of(name: str, seed: int) -> str:
    """The run folder of a variant."""
    return f"{re.sub('[^a-z0-9]+', '-', name.lower())}-{seed}"


def trained(arguments: argparse.Namespace, name: str, seed: int) -> Path:
    """The model folder of a variant, trained where it is not there yet."""
    from reidr.training.grpo.stage import rl_stage
    from reidr.training.recipes.find import stage_values

    runs, variant = arguments.runs, VARIANTS[name]
    start = arguments.base / "model"
    if variant.warmup:
        start = warmed_up(arguments, variant.start if variant.scene is None else name, seed)
    if variant.rule is None:
        return start
    changes: dict[str, Any] = {"model": str(start), "sampled": sampled_pairs(arguments, variant), "seed": seed}
    if variant.once:
        changes["steps"] = STEPS_ONCE
    if variant.again:
        # Another seed, or the second round would see the pairs in the order of the first.
        changes |= {"model": str(trained(arguments, "warm-up + RL", seed)), "seed": seed + 1, "learning_rate": 1e-4}
    recipe, _ = stage_values(arguments.recipe, "rl", {})
    if variant.longer > 1:
        changes["steps"] = variant.longer * recipe["steps"]
    if variant.rewards:
        # A stage's changes replace whole values: the recipe's other weights have to be consistent.
        changes["rewards"] = recipe.get("rewards", {}) | variant.rewards
    return rl_stage(arguments.recipe, runs / folder_of(name, seed), changes)


def warmed_up(arguments: argparse.Namespace, name: str, seed: int) -> Path:
    """The warm-up that a variant has or starts from."""
    from reidr.training.warmup.stage import warmup_stage

    pairs, scene = arguments.pairs, VARIANTS[name].scene
    folder = arguments.runs / folder_of(name, seed)
    if scene is not None:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(arguments.pairs)
        folder.mkdir(parents=True, exist_ok=True)
        pairs = folder / "pairs.parquet"
        pyarrow.parquet.write_table(table.filter(pyarrow.compute.is_in(table["dataset"], pyarrow.array(scene))), pairs)
    return warmup_stage(
        arguments.recipe,
        folder,
        {"model": str(arguments.base / "model"), "pairs": pairs, "seed": seed} | VARIANTS[name].teaching,
    )


def sampled_pairs(arguments: argparse.Namespace, variant: Variant) -> Path:
    """Pairs sampled by a variant's rule; all share the rollouts of the first warm-up."""
    from reidr.training.sampling.stage import sample_stage

    runs = arguments.runs
    if variant.once:
        return drawn_by_lot(arguments.pairs, runs / "random-fifth.parquet")
    changes = {"model": str(warmed_up(arguments, "warm-up", 0)), "pairs": arguments.pairs}
    known = sample_stage(arguments.recipe, runs / "sample-non-trivial", {**changes, "rule": "non-trivial"})
    if variant.rule == "non-trivial" and variant.share is None:
        return known
    folder = runs / "-".join(["sample", str(variant.rule), *([] if variant.share is None else [str(variant.share)])])
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "rollouts.jsonl").is_file():
        shutil.copyfile(known.parent / "rollouts.jsonl", folder / "rollouts.jsonl")
    if variant.share is not None:
        changes["budget_share"] = variant.share
    return sample_stage(arguments.recipe, folder, {**changes, "rule": variant.rule})


def drawn_by_lot(pairs: Path, out: Path) -> Path:
    """A fifth of the training pairs, as many of each label, in random order."""
    import pyarrow
    import pyarrow.parquet

    if not out.is_file():
        table = pyarrow.parquet.read_table(pairs)
        labels = np.array(table["label"].to_pylist())
        places = np.flatnonzero(np.array(table["part"].to_pylist()) == "train")
        random = np.random.default_rng(0)
        each = int(len(places) * SHARE) // 2
        own = [random.permutation(places[labels[places] == label])[:each] for label in (True, False)]
        pyarrow.parquet.write_table(table.take(pyarrow.array(random.permutation(np.concatenate(own)))), out)
    return out


class Judge:
    """Scores models on the same pairs; the crops are looked at once, since all variants share their vision encoder."""

    def __init__(self, data: Path, think_every: int) -> None:
        from reidr.core.run import content_hash
        from reidr.data.load import load_dataset
        from reidr.retrieval.embedders.retriever import Retriever
        from reidr.training.tuning.searches import as_search

        retriever = Retriever.load()
        self.test = Search(load_dataset(data), retriever, 0)
        _, unseen = unseen_people(retriever, data.resolve().parent)
        self.held = Search(as_search("held-out", unseen, 400, 0), retriever, len(self.test.crops))
        self.seen: Any = None
        self.think_every = think_every
        self.asked = content_hash([*self.test.names(), *self.held.names()])

    def scenes(self) -> dict[str, np.ndarray]:
        """Queries with a match of the held-out training identities, by data set."""
        names = np.array([str(crop.image) for crop in self.held.trial.query])
        kept = self.held.matches > 0
        return {
            title: np.flatnonzero(kept & np.array([folder in name for name in names]))
            for title, folder in (("Market-1501 held out", "market1501"), ("CUHK03 held out", "cuhk03"))
        }

    def scores(self, folder: Path) -> dict[str, np.ndarray]:
        """P(same) of all pairs: direct on both searches, and after thinking on every n-th query of the test.

        Kept beside the model; judged again where other pairs were asked about, or other queries thought about.
        """
        kept = folder.parent / "judged.npz"
        if kept.is_file():
            found = dict(np.load(kept))
            asked, every = str(found.pop("asked", "")), int(found.pop("every", 0))
            if asked == self.asked and self.think_every in (0, every):
                return found
        from reidr.reasoning.backends.reference import Reasoner
        from reidr.reasoning.inference.crop_features import CropFeatures

        reasoner = Reasoner.load(folder)
        if self.seen is None:
            crops = [crop.open for crop in (*self.test.crops, *self.held.crops)]
            self.seen = CropFeatures(reasoner.model, reasoner.processor, crops, learning="connector")
        self.seen.serve(reasoner.model)
        found = {
            name: search.table(score_seen_pairs(self.seen, reasoner.model, search.pairs))
            for name, search in (("test", self.test), ("held", self.held))
        }
        if self.think_every:
            chosen = np.flatnonzero(self.test.rows % self.think_every == 0)
            values = np.full(len(self.test.pairs), np.nan)
            values[chosen], health = thinking(self.seen, [self.test.pairs[place] for place in chosen])
            found["thinking"] = self.test.table(values)
            found |= {f"health_{name}": np.array(value) for name, value in health.items()}
        np.savez(kept, asked=np.array(self.asked), every=np.array(self.think_every), **found)
        return found


# Which variant is held against which, and by what question of the method.
QUESTIONS = {
    "Does each stage help?": (
        ("warm-up", SCALED),
        ("warm-up", "base"),
        ("warm-up + RL", "warm-up"),
        ("a fifth of all pairs, each once", "warm-up"),
        ("warm-up + RL twice", "warm-up"),
        ("warm-up + RL twice", "warm-up + RL"),
        ("all pairs, three times the steps", "warm-up"),
        ("all pairs, three times the steps", "all pairs"),
        ("RL without warm-up", "base"),
        ("warm-up + RL", "RL without warm-up"),
    ),
    "Does it help to imitate own words that bear the label out?": (
        (CHOSEN, "warm-up"),
        (f"{CHOSEN} + RL", "warm-up + RL"),
    ),
    "Do drawn people help beside photographed ones?": (("warm-up, pairs of photos", "warm-up"),),
    "Whose pairs warm up?": (
        ("warm-up, pairs of Market-1501", "base"),
        ("warm-up, pairs of CUHK03", "base"),
        ("warm-up, pairs of the street", "base"),
        ("warm-up, pairs of CUHK03", "warm-up, pairs of Market-1501"),
        ("warm-up, pairs of the street", "warm-up, pairs of Market-1501"),
    ),
    "Does non-trivial sampling help?": (
        ("warm-up + RL", "as many pairs at random"),
        ("warm-up + RL", "all pairs"),
        ("a fifth of all pairs, each once", "warm-up + RL"),
        *((f"{share:.0%} of the pairs".replace("%", " %"), "warm-up + RL") for share in SHARES),
    ),
    "Which rewards matter?": (
        ("identity and format rewards alone", "warm-up"),
        *((name, "warm-up + RL") for name, variant in VARIANTS.items() if variant.rewards),
    ),
}


@dataclass(frozen=True)
class Measured:
    """One trained model's first ten of the test.

    Attributes:
        ranks: per query with a match, whether the first of the fused list is right, and its average precision: of the
            `direct` score, and of the score after `thinking`, NaN for queries that were not thought about; "alone":
            in the order of the score by itself, without the distance.
        weight: the fusion's. facts: single numbers.
    """

    ranks: dict[str, tuple[np.ndarray, np.ndarray]]
    weight: float
    facts: dict[str, float]

    @property
    def first(self) -> np.ndarray:
        """By the direct score."""
        return self.ranks["direct"][0]


def calibrated(judge: Judge, scores: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """P(same) of all tables by Platt's map, fitted to the direct score of held-out training identities."""
    from reidr.fusion.calibration import fit_calibration, margin_of

    listed = np.isfinite(scores["held"])
    fitted = fit_calibration("platt", margin_of(scores["held"][listed]), judge.held.truth[listed])
    tables = {
        name: fitted.apply(margin_of(values)) if name in ("test", "held", "thinking") else values
        for name, values in scores.items()
    }
    # A slope of 0 would leave no order in the calibrated score: what a score ranks by itself is told from the raw one.
    raw = {f"raw {name}": scores[name] for name in ("test", "thinking") if name in scores}
    return tables | raw | {"slope": np.array(fitted.slope)}


def common_weight(judge: Judge, scores: Sequence[dict[str, np.ndarray]]) -> float:
    """The fusion weight of the best mAP on held-out training identities, mean over models; of equals the smallest."""
    from reidr.fusion.weighted import WEIGHTS, choose_weight

    if not scores:
        raise SystemExit("nothing of these variants and seeds has been judged yet")
    grids = [choose_weight(judge.held.ranked, each["held"], judge.held.truth).grid for each in scores]
    means = np.mean([[precision for _, precision, _ in grid] for grid in grids], axis=0)
    return WEIGHTS[int(np.argmax(means.round(9)))]


def measured(judge: Judge, scores: dict[str, np.ndarray], weight: float) -> Measured:
    """Ranks and areas of one model's scores, fused by `weight`."""
    from reidr.evaluation.metrics.pair_verification import rank_first
    from reidr.evaluation.metrics.roc_area import roc_area
    from reidr.fusion.weighted import fused_distances

    test, kept = judge.test, np.flatnonzero(judge.test.matches > 0)
    fused = fused_distances(test.ranked, scores["test"], weight)[kept]
    truth = test.truth[kept]
    listed = np.isfinite(test.ranked.distances[kept])
    ranks = {
        "direct": rank_first(fused, truth, test.matches[kept]),
        "direct, alone": rank_first(
            fused_distances(test.ranked, scores["raw test"], 1.0)[kept], truth, test.matches[kept]
        ),
    }
    facts = {
        "area": roc_area(-fused[listed], truth[listed]),
        "alone": roc_area(scores["test"][kept][listed], truth[listed]),
        "slope": float(scores["slope"]),
    }
    for name, rows in judge.scenes().items():
        known = np.isfinite(judge.held.ranked.distances[rows])
        facts[f"alone, {name}"] = roc_area(scores["held"][rows][known], judge.held.truth[rows][known])
    if "thinking" in scores:
        # The queries that were thought about, all of their pairs readable: both scores, fused by the same weight.
        whole = np.isfinite(scores["thinking"][kept]) | ~listed
        thought = whole.all(axis=1) & np.isfinite(scores["thinking"][kept]).any(axis=1)
        rows = kept[thought]
        place = listed[thought]
        for name, values in (("thinking", scores["thinking"]), ("direct", scores["test"])):
            some = fused_distances(test.ranked, np.where(np.isnan(values), 0.5, values), weight)[rows]
            found = rank_first(some, test.truth[rows], test.matches[rows])
            raw = scores[f"raw {'test' if name == 'direct' else name}"]
            own = fused_distances(test.ranked, np.where(np.isnan(raw), 0.5, raw), 1.0)[rows]
            by_itself = rank_first(own, test.truth[rows], test.matches[rows])
            facts[f"{name} alone"] = roc_area(values[rows][place], test.truth[rows][place])
            facts[f"{name} fused"] = roc_area(-some[place], test.truth[rows][place])
            facts[f"{name} rank1"], facts[f"{name} mAP"] = (float(each.mean()) for each in found)
            if name == "thinking":
                for title, ranked in ((name, found), (f"{name}, alone", by_itself)):
                    whole_length = np.full((2, len(kept)), np.nan)
                    whole_length[:, thought] = ranked
                    ranks[title] = whole_length[0], whole_length[1]
        facts["thought queries"] = float(len(rows))
        facts["parsable"] = float(scores["health_parsable"])
    return Measured(ranks, float(weight), facts)


def table(judge: Judge, found: dict[str, dict[int, Measured]]) -> dict[str, Any]:
    """Levels of every variant by seed, and the paired differences the questions ask for, over the seeds both have."""
    from reidr.evaluation.metrics.pair_verification import rank_first
    from reidr.evaluation.metrics.roc_area import roc_area
    from reidr.evaluation.metrics.statistics import paired_bootstrap

    test, kept = judge.test, np.flatnonzero(judge.test.matches > 0)
    people = np.array([str(query.person) for query in test.trial.query])[kept]
    truth, listed = test.truth[kept], np.isfinite(test.ranked.distances[kept])
    distances = test.ranked.distances[kept]
    own = rank_first(distances, truth, test.matches[kept])
    retriever = Measured(dict.fromkeys(KINDS, own), 0.0, {"area": roc_area(-distances[listed], truth[listed])})
    for name, rows in judge.scenes().items():
        known = np.isfinite(judge.held.ranked.distances[rows])
        area = roc_area(-judge.held.ranked.distances[rows][known], judge.held.truth[rows][known])
        retriever.facts[f"alone, {name}"] = area
    assert test.ranked.local is not None
    local = test.ranked.local[kept]
    scaled = Measured({"direct": rank_first(local, truth, test.matches[kept])}, 0.0, {})
    scaled.facts["area"] = roc_area(-local[listed], truth[listed])
    # What the gallery alone gives must not be counted as the reasoner's.
    found = {SCALED: {0: scaled}, **found}
    room = truth.any(axis=1).mean() - retriever.first.mean()

    def level(seeds: dict[int, Measured]) -> dict[str, Any]:
        rank1 = [float(each.first.mean()) for each in seeds.values()]
        levels: dict[str, Any] = {
            "seeds": list(seeds),
            "weights": [each.weight for each in seeds.values()],
            "rank1": rank1,
            "mAP": [float(each.ranks["direct"][1].mean()) for each in seeds.values()],
            "captured": [(each - float(retriever.first.mean())) / room for each in rank1],
        }
        if all("direct, alone" in each.ranks for each in seeds.values()):
            for place, title in enumerate(("own rank1", "own mAP")):
                levels[title] = [float(each.ranks["direct, alone"][place].mean()) for each in seeds.values()]
        for name in dict.fromkeys(name for each in seeds.values() for name in each.facts):
            levels[name] = [each.facts[name] for each in seeds.values() if name in each.facts]
        return levels

    def difference(
        ours: dict[int, Measured], theirs: dict[int, Measured], kind: str = "direct", any_seed: bool = False
    ) -> dict[str, Any]:
        # What no seed was ever drawn for stands beside each of the others'; a variant beside its own seeds alone.
        seeds = [seed for seed in ours if seed in theirs or any_seed]
        other = [theirs.get(seed, next(iter(theirs.values()))) for seed in seeds]
        facts: dict[str, Any] = {"seeds": seeds, "score": kind}
        for place, metric in enumerate(("first", "precision")):
            mine = np.mean([ours[seed].ranks[kind][place] for seed in seeds], axis=0)
            its = np.mean([each.ranks[kind][place] for each in other], axis=0)
            both = np.isfinite(mine) & np.isfinite(its)
            facts["queries"] = int(both.sum())
            facts[metric] = [
                float((mine - its)[both].mean()),
                *paired_bootstrap(mine[both], its[both], groups=people[both]),
            ]
        return facts

    def answers(pairs: tuple[tuple[str, str], ...]) -> list[dict[str, Any]]:
        """By the direct score, and by the score after thinking where both have one; fused, and each alone."""
        return [
            {"ours": ours, "theirs": theirs, **difference(found[ours], found[theirs], kind, theirs in ("base", SCALED))}
            for ours, theirs in pairs
            if ours in found and theirs in found
            for kind in KINDS
            if all(kind in each.ranks for name in (ours, theirs) for each in found[name].values())
        ]

    one = {0: retriever}
    return {
        "retriever": level(one),
        "levels": {
            name: level(seeds) | {"gain": difference(seeds, one, any_seed=True)} for name, seeds in found.items()
        },
        "questions": {question: answers(pairs) for question, pairs in QUESTIONS.items()},
    }


ROLLOUTS = (
    "accuracy_same", "accuracy_different", "said_yes", "parsable", "entropy", "tokens", "reward_cues", "reward_truth"
)  # fmt: skip
SOME_STEPS = 10


def rollouts_of(folder: Path) -> dict[str, list[float]] | None:
    """What rollouts were like in the first and in the last ten steps of a reinforcement; None for what was none."""
    log = folder / "log.jsonl"
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    steps = [line for line in lines if "accuracy_same" in line]
    if not steps:
        return None

    def over(some: list[dict[str, Any]], name: str) -> float:
        known = [line[name] for line in some if line.get(name) is not None]
        return float(np.mean(known)) if known else float("nan")

    return {name: [over(steps[:SOME_STEPS], name), over(steps[-SOME_STEPS:], name)] for name in ROLLOUTS}


def settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the recipe may have changed since, of the base and of the reinforcement that others are held against."""
    told: dict[str, Any] = {}
    folders = (arguments.base, *(arguments.runs / folder_of("warm-up + RL", seed) for seed in arguments.seeds))
    for folder in folders:
        path = folder / "manifest.json"
        if path.is_file():
            own = json.loads(path.read_text(encoding="utf-8"))["settings"]
            told |= {key: own[key] for key in ("street_twins", "rewards") if key in own}
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=MARKET, help="whose queries are the test")
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--recipe", default="nano")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--think-every", type=int, default=0, help="also think about every n-th query's pairs")
    parser.add_argument("--words", action="store_true", help="also count what each says of 400 held-out pairs")
    parser.add_argument("--out", type=Path, default=OUT, help="where the table's numbers are written")
    parser.add_argument("--table", action="store_true", help="train nothing; put together what was judged")
    parser.add_argument("--no-table", action="store_true", help="train and judge only")
    arguments = parser.parse_args()
    from reidr.core.process.memory import keep_freed_memory
    from reidr.core.run import environment

    keep_freed_memory()
    judge = Judge(arguments.data, arguments.think_every)
    base = judge.scores(arguments.base / "model") if "warm-up" in arguments.variants else None
    words = Words(arguments.pairs) if arguments.words else None
    said: dict[str, dict[str, dict[int, dict[str, np.ndarray]]]] = {scene: {} for scene in SCENES}
    scored: dict[str, dict[int, dict[str, np.ndarray]]] = {}
    for name in arguments.variants:
        for seed in arguments.seeds:
            if arguments.table:
                folder = arguments.runs / folder_of(name, seed) / "model"
                if not (folder.parent / "judged.npz").is_file():
                    continue
            else:
                folder = trained(arguments, name, seed)
            print(name, "seed", seed, flush=True)
            scored.setdefault(name, {})[seed] = calibrated(judge, judge.scores(folder))
            if words is not None and (not arguments.table or (folder.parent / "words.npz").is_file()):
                for scene, counts in words.of(folder).items():
                    said[scene].setdefault(name, {})[seed] = counts
    if arguments.no_table:
        return
    weight = common_weight(judge, [each for seeds in scored.values() for each in seeds.values()])
    found = {
        name: {seed: measured(judge, each, weight) for seed, each in seeds.items()} for name, seeds in scored.items()
    }
    if base is not None:
        base = calibrated(judge, base)
        found = {"base": {0: measured(judge, base, common_weight(judge, [base]))}, **found}
    made = (
        {key: environment().get(key) for key in ("commit", "platform")}
        | settings(arguments)
        | {"weight": weight, "weighed": list(scored), "drawn_over": "persons", "test": judge.test.trial_name}
    )
    rows = table(judge, found) | {"made": made}
    earned = {
        name: [each for seed in seeds if (each := rollouts_of(arguments.runs / folder_of(name, seed))) is not None]
        for name, seeds in scored.items()
    }
    rows["rollouts"] = {name: each for name, each in earned.items() if each}
    if words is not None:
        rows["words"] = {scene: spoken(own, words.people(scene)) for scene, own in said.items()}
    arguments.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
