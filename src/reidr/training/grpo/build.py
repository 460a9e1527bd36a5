"""Puts the trainer together: pairs in order, their pictures, rewards, source of rollouts, log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reidr.core.progress import Advance
from reidr.core.run import prepare_folder
from reidr.errors import DataError
from reidr.reasoning.types import Pair
from reidr.training.common.log import TrainingLog
from reidr.training.common.lora import continued, new_lora
from reidr.training.common.trackers import Tracker
from reidr.training.grpo.arguments import arguments
from reidr.training.grpo.drawn_pairs import DrawnPair, draw_pairs
from reidr.training.grpo.scoring import RolloutScorer
from reidr.training.pairs.attributes import facts_finder
from reidr.training.recipes.grpo import ReinforcementRecipe

if TYPE_CHECKING:
    from reidr.training.grpo.judging.words_judge import WordsJudge
    from reidr.training.grpo.trainer import PairTrainer

LOG, COMPLETIONS = "log.jsonl", "completions.jsonl"


def build_trainer(
    recipe: ReinforcementRecipe,
    pairs: Sequence[Pair],
    model: Any,
    processor: Any,
    folder: Path,
    advance: Advance | None = None,
) -> PairTrainer:
    """The trainer of `reinforce`, ready to `train()`. Raises DataError as `reinforce`."""
    from datasets import Dataset
    from transformers import PrinterCallback

    from reidr.reasoning.models.architectures import find_architecture
    from reidr.reasoning.models.processor import with_crop_size
    from reidr.reasoning.models.transformers_model import unwrap
    from reidr.reasoning.prompting.prompt import crop_pixels
    from reidr.training.grpo.log_callback import StepLog
    from reidr.training.grpo.rollouts.vllm import RolloutServer
    from reidr.training.grpo.trainer import PairTrainer
    from reidr.training.grpo.watch.callbacks import watchers

    drawn = draw_pairs(pairs, recipe.steps * recipe.pairs, recipe.seed)
    if recipe.rewards.rank and not any(pair.others for pair in pairs):
        raise DataError(
            "the rank reward needs to know the queries' other candidates; mine the pairs anew (reidr pairs)"
        )
    prepare_folder(folder)
    processor = with_crop_size(processor)
    model = continued(model, recipe.lora_rank, recipe.lora_alpha)
    base = unwrap(model)
    for part in find_architecture(base.config.model_type).vision_parts(base):
        part.requires_grad_(False)
    address = recipe.rollout_server
    log = TrainingLog(folder / LOG, tracker=Tracker(recipe.report_to, folder, recipe.model_dump(mode="json")))
    trainer = PairTrainer(
        recipe,
        RolloutScorer(recipe.rewards, drawn, facts_finder(pairs), **judges(recipe, model, processor)),
        folder / COMPLETIONS,
        model=model,
        processor=processor,
        server=None if address is None else RolloutServer(address, base, processor),
        args=arguments(recipe, folder),
        train_dataset=Dataset.from_dict({"pair": list(range(len(drawn)))}).with_transform(
            row_opener(drawn, with_pictures=crop_pixels(processor) is not None)
        ),
        peft_config=new_lora(model, recipe.lora_rank, recipe.lora_alpha),
        callbacks=[StepLog(log, advance)],
    )
    trainer.remove_callback(PrinterCallback)
    for callback in watchers(recipe, pairs, (base, processor), log, trainer.whole):
        trainer.add_callback(callback)
    return trainer


def judges(recipe: ReinforcementRecipe, model: Any, processor: Any) -> dict[str, WordsJudge | None]:
    """Who reads words alone for the rewards `text_only` and `reasoned`, as `RolloutScorer` takes them."""
    from reidr.training.grpo.judging.words_judge import WordsJudge

    rewards, lora = recipe.rewards, bool(recipe.lora_rank)
    frozen = None
    if rewards.text_only or (rewards.reasoned and recipe.judge == "frozen"):
        frozen = WordsJudge(model, processor, "frozen", lora=lora)
    policy = WordsJudge(model, processor, "policy", lora=lora) if recipe.judge == "policy" else frozen
    return {"text_only": frozen if rewards.text_only else None, "judge": policy if rewards.reasoned else None}


def row_opener(
    drawn: Sequence[DrawnPair], *, with_pictures: bool
) -> Callable[[dict[str, list[int]]], dict[str, list[Any]]]:
    """A function that turns numbers of pairs into rows of the data set; each picture of a batch is opened once.

    `with_pictures`: for TRL's own forward pass. Ours prepares the pictures of a pair by the architecture's adapter;
    TRL's processors would cut a crop into many tiles where an architecture works with tiles of one size.
    """
    from reidr.reasoning.prompting.prompt import pair_messages

    def open_rows(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        rows: dict[str, list[Any]] = {
            "prompt": [pair_messages(None, "think") for _ in batch["pair"]],
            "pair": batch["pair"],
        }
        if not with_pictures:
            return rows
        images = {
            number: [drawn[number].shown.query.open(), drawn[number].shown.candidate.open()] for number in batch["pair"]
        }
        return {**rows, "images": [images[number] for number in batch["pair"]]}

    return open_rows
