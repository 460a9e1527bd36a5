"""`reidr pairs`, `reidr train warmup`, `reidr sample`: read settings, load, work, save. A finished one does nothing."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reidr.core.progress import progress
from reidr.core.run import MANIFEST, Run, content_hash, in_own_folder, prepare_folder, write_json
from reidr.data.join import join_training
from reidr.data.load import load_dataset
from reidr.data.protocols.dataset_overlap import overlapping_people
from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.reasoning.types import Pair
from reidr.training.common.identities import STREET, family_of, hold_out_identities, known_people
from reidr.training.common.left_out import say_left_out
from reidr.training.pairs.mine import Ranker, balance_pairs, dataset_of, mine_pairs, rank_out_of_fold
from reidr.training.pairs.table import MinedPair, read_mined, read_pairs, recipe_of, write_pairs
from reidr.training.pretraining.stage import PEOPLE, split_people, street_people
from reidr.training.recipes.embedder_and_base import PretrainingRecipe
from reidr.training.recipes.find import named_by, stage_values
from reidr.training.recipes.grpo import ReinforcementRecipe, ReinforcementStageRecipe
from reidr.training.recipes.pairs_warmup_sampling import PairsRecipe, SampleRecipe, WarmupRecipe

if TYPE_CHECKING:
    from reidr.retrieval.embedders.embedder import Embedder
    from reidr.retrieval.embedders.retriever import Retriever

SAID_BY_BOTH = ("seed", "lora_rank", "lora_alpha", "max_new_tokens", "temperature")
NOTICE = "Taught verdicts on identity labels; no fusion weight was chosen for it yet, so its verdicts move nothing."


@in_own_folder
def pairs_stage(recipe_name: str, folder: Path, changes: dict[str, Any]) -> Path:
    """Mine the candidate pairs of a recipe; returns the Parquet file. A finished run does nothing."""
    values, source = stage_values(recipe_name, "pairs", changes)
    recipe = PairsRecipe.from_values(values, source)
    with named_by(source):
        crops, forbidden = training_crops(recipe)
    drawn = recipe.source == "base" and (recipe.street or not crops)
    streets = street_parts(recipe, folder) if drawn else {}
    crops = (*crops, *(crop for part in streets.values() for crop in part))
    data = {"crops": content_hash([crop.id for crop in crops])}
    run = Run(folder, "pairs", recipe.model_dump(mode="json"), data, defaults=recipe.defaults())
    path = folder / "pairs.parquet"
    if run.finished("pairs"):
        return path
    started = time.perf_counter()
    found: list[MinedPair] = []
    rankers = rankers_of(recipe, crops, folder, streets)
    for ranker in rankers:
        own = sum(crop.person in ranker.unseen for crop in crops)
        with progress(f"mining pairs, fold {ranker.fold} ({ranker.part})", own) as advance:
            found += mine_pairs(recipe, crops, ranker, forbidden, advance)
    found = once(found)
    kept = [
        pair
        for part, most in (("train", recipe.pairs), ("held_out", recipe.held_out_pairs))
        for pair in balance_pairs([pair for pair in found if pair.part == part], most, recipe.seed)
    ]
    if not any(pair.part == "train" for pair in kept):
        raise DataError("no pairs of both labels were found across cameras; the recipe's data sets are too small")
    write_pairs(path, kept, recipe.model_dump(mode="json"))
    counts = Counter(f"{pair.part} {pair.dataset} {'same' if pair.label else 'different'}" for pair in kept)
    run.finish("pairs", started, pairs=len(kept), found=len(found), counts=dict(sorted(counts.items())))
    return path


def training_crops(recipe: PairsRecipe) -> tuple[tuple[Crop, ...], frozenset[str]]:
    """The joined training crops, and the test people of the same data sets, whom no pair may show."""
    paths = pretraining_recipe(recipe.base).data if recipe.source == "base" else recipe.data
    if not paths and recipe.source != "base":
        raise DataError("mining pairs needs photo sets: the recipe names none (data)")
    datasets = [load_dataset(path) for path in paths]
    say_left_out(datasets)
    training = join_training(datasets) if datasets else ()
    tested = {f"{each.name}:{c.person}" for each in datasets for c in (*each.query, *each.gallery) if c.person}
    for dataset in datasets:
        # A test person of one data set may be a training person of another: a subset, a copy, a manifest of its files.
        tests = [replace(each, train=()) for each in datasets if each.query or each.gallery]
        learnt = replace(dataset, query=(), gallery=())
        tested |= {f"{dataset.name}:{person}" for each in tests for person in overlapping_people(learnt, each)}
    # Of a person who is on both sides nothing may be learnt.
    return tuple(crop for crop in training if crop.person not in tested), frozenset(tested)


def street_parts(recipe: PairsRecipe, folder: Path) -> dict[str, tuple[Crop, ...]]:
    """Drawn people whom the base's vision encoder never saw: those of the language model to learn from, and others to judge."""
    base = pretraining_recipe(recipe.base)
    return {
        "train": street_people(recipe.base / "street", base.street_people, base.street_seed + 1),
        "held_out": street_people(folder / "street", recipe.held_out_street_people, base.street_seed + 2),
    }


def rankers_of(
    recipe: PairsRecipe, crops: Sequence[Crop], folder: Path, streets: Mapping[str, Sequence[Crop]]
) -> list[Ranker]:
    """Who ranks whom: see `PairsRecipe.source`. `streets` are drawn people whom the vision encoder of a base never saw."""
    if recipe.source == "base":
        people = split_people(pretraining_recipe(recipe.base))
        embedder = vision_encoder_of(recipe.base)
        return [
            Ranker(embedder, names_of((*part, *streets.get(name, ()))), 0, name)
            for name, part in (("train", people.reasoning), ("held_out", people.held_out))
        ]
    if recipe.source == "retriever":
        from reidr.retrieval.embedders.retriever import Retriever

        retriever = Retriever.load(recipe.retriever)
        if retriever.held_out is None:
            raise DataError(f"retriever {retriever.name} does not say whom it held out; mine with `source: folds`")
        unseen: list[Crop] = []
        for name in sorted({dataset_of(crop) for crop in crops}):
            own = [crop for crop in crops if dataset_of(crop) == name]
            known = known_people(name, own, retriever.trained_on, retriever.held_out)
            if not known.names:
                raise DataError(f"retriever {retriever.name} was not trained on {name}; mine with `source: folds`")
            unseen += (crop for crop in own if crop.person not in known.people)
        train, judge = hold_out_identities(unseen, recipe.held_out_share, recipe.seed + 1)
        return [
            Ranker(retriever, names_of(part), 0, name) for name, part in (("train", train), ("held_out", judge)) if part
        ]
    kept, judge = hold_out_identities(crops, recipe.held_out_share, recipe.seed)
    rankers = rank_out_of_fold(
        kept, names_of(kept), recipe.folds, recipe.seed, lambda seen, fold: fold_retriever(recipe, seen, fold, folder)
    )
    if judge:
        # No fold saw them, so the first fold's retriever will do.
        rankers.append(Ranker(rankers[0].embedder, names_of(judge), 0, "held_out"))
    return rankers


def fold_retriever(recipe: PairsRecipe, seen: Sequence[Crop], fold: int, folder: Path) -> Retriever:
    """Train a fold's retriever, or load it where an earlier start of this run has finished it."""
    from reidr.retrieval.embedders.retriever import SETTINGS_FILE, Retriever, save_retriever
    from reidr.training.retriever.train import train_retriever

    run = folder / f"fold-{fold}"
    prepare_folder(run)
    if not (run / "model" / SETTINGS_FILE).is_file():
        with progress(f"training the retriever of fold {fold}", recipe.training.epochs) as advance:
            network = train_retriever(recipe.training, seen, run, advance)
        save_retriever(network, run / "model", {"images": len(seen), "identities": len(names_of(seen))})
    return Retriever.load(run / "model")


def pretraining_recipe(run: Path) -> PretrainingRecipe:
    """The recipe that a run of `train base` was made with. Raises DataError where there is no such run."""
    path = run / MANIFEST
    if not path.is_file():
        raise DataError(f"{run}: no run of `reidr train base`; give its folder as `base`")
    return PretrainingRecipe.from_values(json.loads(path.read_text(encoding="utf-8"))["settings"], str(path))


def vision_encoder_of(run: Path) -> Embedder:
    """The vision encoder of a base run as an embedder. Raises DataError where it is not there."""
    import torch

    from reidr.retrieval.embedders.network import build_network
    from reidr.retrieval.embedders.retriever import Retriever

    path = run / "vision_encoder" / "weights.pt"
    if not path.is_file():
        raise DataError(f"{path}: missing; the base run has not taught its vision encoder yet")
    network = build_network(pretraining_recipe(run).vision_encoder[-1].network)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return Retriever(network, "vision encoder of the base", hashlib.sha256(path.read_bytes()).hexdigest())


def names_of(crops: Sequence[Crop]) -> frozenset[str]:
    """The people on `crops`."""
    return frozenset(str(crop.person) for crop in crops if crop.person is not None)


def once(pairs: Sequence[MinedPair]) -> list[MinedPair]:
    """The pairs without repetitions in either order."""
    found: dict[frozenset[str], MinedPair] = {}
    for pair in pairs:
        found.setdefault(frozenset((pair.query.id, pair.candidate.id)), pair)
    return list(found.values())


@in_own_folder
def warmup_stage(recipe_name: str, folder: Path, changes: dict[str, Any]) -> Path:
    """Warm a base up; returns the folder of the finished checkpoint. A finished run does nothing."""
    values, source = stage_values(recipe_name, "warmup", changes)
    recipe = WarmupRecipe.from_values(values, source)
    pairs, held_out = read_pairs(recipe.pairs), read_pairs(recipe.pairs, "held_out")
    if recipe.variant == "rl":
        return _reinforced(recipe, pairs, folder)
    settings = recipe.model_dump(mode="json", exclude={"reinforcement": {"rollout_server"}})
    run = Run(folder, "train warmup", settings, {"pairs": pairs_hash(pairs)}, defaults=recipe.defaults())
    where = folder / "model"
    if run.finished("warmup"):
        return where
    from reidr.reasoning.models.checkpoint import save_taught
    from reidr.training.common.device import load_to_teach
    from reidr.training.warmup.figures import draw_warmup
    from reidr.training.warmup.train import warm_up

    started = time.perf_counter()
    model, processor = load_to_teach(recipe.model, half=bool(recipe.lora_rank))
    with progress("warming the reasoner up", recipe.steps) as advance:
        taught, log = warm_up(recipe, pairs, held_out, model, processor, folder, advance)
    save_taught(taught, processor, recipe.model, where)
    carry_over(recipe.model, where, pairs, split_of(recipe.pairs))
    draw_warmup(log, folder / "warmup.png")
    last = {name: value for name, value in log[-1].items() if name.startswith("held_out_") or name.endswith("loss")}
    run.finish("warmup", started, model="model", pairs=len(pairs), **last)
    return where


@in_own_folder
def rl_stage(recipe_name: str, folder: Path, changes: dict[str, Any]) -> Path:
    """Reinforce a warmed-up reasoner on sampled pairs; returns the folder of the finished checkpoint."""
    from reidr.training.grpo.stage import reinforce_stage

    values, source = stage_values(recipe_name, "rl", changes)
    recipe = ReinforcementStageRecipe.from_values(values, source)
    pairs = read_pairs(recipe.sampled)
    where = reinforce_stage(recipe, pairs, recipe.model, folder)
    carry_over_once(recipe.model, where, pairs)
    return where


def _reinforced(recipe: WarmupRecipe, pairs: Sequence[Any], folder: Path) -> Path:
    """The variant `rl`: reinforcement with the format and identity rewards alone.

    What both recipes can say (LoRA, seed, length of a rationale) is the warm-up's, unless `reinforcement` says it.
    """
    from reidr.training.grpo.rewards import RewardWeights
    from reidr.training.grpo.stage import reinforce_stage

    alone = RewardWeights(calibration=0, cues=0, rank=0, text_only=0, truth=0)
    own = recipe.reinforcement
    shared = {name: getattr(recipe, name) for name in SAID_BY_BOTH if name not in own.model_fields_set}
    taught = ReinforcementRecipe.from_values(own.model_dump() | shared | {"rewards": alone.model_dump()}, "warmup")
    where = reinforce_stage(taught, pairs, recipe.model, folder)
    carry_over_once(recipe.model, where, pairs)
    return where


@in_own_folder
def sample_stage(recipe_name: str, folder: Path, changes: dict[str, Any]) -> Path:
    """Choose the pairs worth reinforcing; returns the Parquet file of all pairs with numbers and reasons.

    `read_pairs` of that file gives the kept ones. A finished run does nothing; a stopped one goes on.
    """
    values, source = stage_values(recipe_name, "sample", changes)
    recipe = SampleRecipe.from_values(values, source)
    mined = [pair for pair in read_mined(recipe.pairs) if pair.part == "train"]
    if len(mined) > recipe.most_pairs:
        mined = balance_pairs(mined, recipe.most_pairs, recipe.seed)
    settings = recipe.model_dump(mode="json", exclude={"rollout_server"})  # who writes the rollouts may change
    data = {"pairs": pairs_hash([pair.pair() for pair in mined])}
    run = Run(folder, "sample", settings, data, defaults=recipe.defaults())
    path = folder / "sampled.parquet"
    if run.finished("sample"):
        return path
    from reidr.training.common.device import load_to_teach
    from reidr.training.sampling.select import roll_out, sampled_columns, sampler, select_non_trivial
    from reidr.training.warmup.figures import draw_pass_rates

    started = time.perf_counter()
    model, processor = load_to_teach(recipe.model, half=recipe.half_precision)
    with progress("rolling the pairs out", len(mined)) as advance:
        rollouts = roll_out(recipe, mined, sampler(recipe, mined, model, processor), folder / "rollouts.jsonl", advance)
    rates = [each.pass_rate(recipe.pass_above) for each in rollouts]
    labels = [pair.label for pair in mined]
    reasons = select_non_trivial(rates, labels, [p.rank for p in mined], [p.gap for p in mined], recipe)
    write_pairs(path, mined, settings, sampled_columns(rollouts, reasons, recipe))
    draw_pass_rates(rates, labels, reasons, recipe, folder / "pass_rates.png")
    counts = dict(Counter(reasons).most_common())
    write_json(folder / "reasons.json", counts)
    if "kept" not in counts:
        raise DataError(
            f"{path}: no pair was kept ({counts}); widen the band, rank_most or gap_most, or warm up longer"
        )
    run.finish("sample", started, pairs=len(mined), reasons=counts, mean_pass_rate=sum(rates) / len(rates))
    return path


def carry_over_once(source: str, where: Path, pairs: Sequence[Pair]) -> None:
    """`carry_over`, unless an earlier start of the run has done it: what was decided since for `where` is kept."""
    from reidr.fusion.profile import FILE

    if not (where / FILE).is_file():
        carry_over(source, where, pairs)


def split_of(pairs: Path) -> dict[str, Any]:
    """Whom retrievers of folds, and so everybody, held out when a file of pairs was mined; empty for other files."""
    mined = recipe_of(pairs)
    if mined.get("source") != "folds":
        return {}
    return {"held_out_share": mined["held_out_share"], "split_seed": mined["seed"]}


def carry_over(source: str, where: Path, pairs: Sequence[Pair], mined: Mapping[str, Any] | None = None) -> None:
    """Put beside a taught checkpoint whose photos it has seen, and that its scores are not yet to be acted on.

    Seen are those of the checkpoint `source` (folder, preset or hub id; a hub's says nothing) and of `pairs`. `mined`
    says whom the mining of pairs held out, for a source that does not.
    """
    from reidr.fusion.profile import InferenceProfile, store_profile, training_data
    from reidr.reasoning.models.checkpoint import find_checkpoint

    path, local = find_checkpoint(source)
    seen = list(training_data(path)) if local else []
    known = Path(path) / PEOPLE
    split = json.loads(known.read_text(encoding="utf-8")) if local and known.is_file() else {}
    crops = (crop for pair in pairs for crop in (pair.query, pair.candidate))
    sets = {dataset_of(crop) for crop in crops if crop.person is not None}
    named = {Path(each).name for each in seen}
    seen += sorted(name for name in sets - named if family_of(name) != STREET)
    write_json(where / PEOPLE, {**(mined or {}), **split, "data": seen})
    store_profile(InferenceProfile(0.0, "nothing yet", NOTICE, None), where)


def pairs_hash(pairs: Sequence[Any]) -> str:
    """A hash of who is compared with whom, and of the labels."""
    return content_hash([f"{pair.query.id} {pair.candidate.id} {pair.label}" for pair in pairs])
