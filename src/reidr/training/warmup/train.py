"""Discriminative warm-up without chain-of-thought labels: identity labels are all that teaches.

Variant `answer`: cross-entropy on the answer word alone, asked directly in both orders, and after a rationale that the
model wrote itself. No token of a rationale is a target, but where `imitate_weight` asks for it: then the model's own
words are, if they bear the label out (STaR, arXiv 2203.14465). Variant `feature`: a contrastive loss on what the
language model makes of the two pictures; it teaches no word. (Variant `rl` is `reinforce_stage` with two rewards.)
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from reidr.core.process.signals import note_step
from reidr.core.run import prepare_folder
from reidr.core.storage.files import torch_save
from reidr.core.storage.json_lines import append_json_lines, read_json_lines
from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.inference.sampling import unwrap
from reidr.reasoning.prompting.answers import answer_token_ids
from reidr.reasoning.prompting.prompt import render
from reidr.reasoning.types import Pair
from reidr.training.grpo.stage import LANGUAGE_HALF, keep_steps
from reidr.training.recipes.pairs_warmup_sampling import WarmupRecipe
from reidr.training.retriever.train import learning_rate_at
from reidr.training.warmup.curriculum import Curriculum, Drawn, choose_measured, hard_share
from reidr.training.warmup.rationales import (
    Rationale,
    choose_rationale,
    health,
    read_rationale,
    rounded,
    write_rationales,
)

Advance = Callable[[float], None]
Target = tuple[int, int, float]
"""(index of a token that follows the prompt, what it should have been, weight of its loss)."""


@dataclass(frozen=True)
class WarmupExample:
    """One sequence of a training pass: `ids` follow the prompt `text` about `crops`; the loss is at `targets`.

    `supported`: whether the words before the answer bear the label out, and may be imitated.
    """

    text: str
    crops: tuple[int, int]
    ids: tuple[int, ...]
    targets: tuple[Target, ...]
    label: bool
    supported: bool = False


def warm_up(
    recipe: WarmupRecipe,
    pairs: Sequence[Pair],
    held_out: Sequence[Pair],
    model: Any,
    processor: Any,
    folder: Path,
    advance: Advance | None = None,
    look: Advance | None = None,
) -> tuple[Any, list[dict[str, Any]]]:
    """Warm `model` up on labelled `pairs` by the variant `answer` or `feature`; resumes from `folder/checkpoint.pt`.

    A resumed run takes the steps that the whole run would have taken, bit for bit. `log.jsonl` gets a line per step;
    with it go measurements on `held_out` pairs, from which nothing is learnt, every `measure_every` steps.

    Args:
        advance: called with the number of steps done. look: with the number of crops looked at.

    Returns:
        The taught model, LoRA merged into it (else `model` itself), and the lines of the log.

    Raises:
        DataError: as `Curriculum`. ReIDError: as `CropFeatures`.
    """
    prepare_folder(folder)
    trainer = WarmupTrainer(recipe, pairs, held_out, model, processor, folder, look)
    first = trainer.load()
    note_step(folder, "step", first)
    log = folder / "log.jsonl"
    keep_steps(log, first)
    if advance is not None:
        advance(first)
    for step in range(first, recipe.steps):
        record = trainer.step(step)
        last = step + 1 == recipe.steps
        if (step + 1) % recipe.save_every == 0 or last:
            trainer.save(step + 1)
        if last:
            trainer.apply_ema()
        if (step + 1) % recipe.measure_every == 0 or last:
            record |= trainer.measure()
        append_json_lines(log, [rounded(record)])
        if advance is not None:
            advance(1)
    if first == recipe.steps:
        trainer.apply_ema()
    taught = trainer.model.merge_and_unload() if recipe.lora_rank else model
    taught.requires_grad_(True)
    return taught.eval(), read_json_lines(log)


class WarmupTrainer:
    """The state of a warm-up: model, optimiser, and the rationales of the current round."""

    def __init__(
        self,
        recipe: WarmupRecipe,
        pairs: Sequence[Pair],
        held_out: Sequence[Pair],
        model: Any,
        processor: Any,
        folder: Path,
        look: Advance | None,
    ) -> None:
        self.recipe, self.path = recipe, folder / "checkpoint.pt"
        self.curriculum = Curriculum(recipe, pairs)
        crops = list(self.curriculum.crops)
        self.held_out = choose_measured(held_out, recipe.measure_pairs, recipe.seed)
        places = {crop.id: place for place, crop in enumerate(crops)}
        for pair in self.held_out:
            for crop in (pair.query, pair.candidate):
                if crop.id not in places:
                    places[crop.id] = len(crops)
                    crops.append(crop)
        self.held_out_places = [(places[pair.query.id], places[pair.candidate.id]) for pair in self.held_out]
        self.model = prepare(recipe, model)
        # Evaluation mode all through: batch norms fitted on whole training sets stay, and nothing is dropped out.
        self.base = unwrap(self.model).eval()
        self.seen = CropFeatures(
            self.base, processor, [crop.open for crop in crops], learning=recipe.learn_vision, advance=look
        )
        self.texts = {task: render(processor, task) for task in ("score", "think")}
        self.words = answer_token_ids(processor.tokenizer)
        self.learning = {name: each for name, each in self.model.named_parameters() if each.requires_grad}
        self.optimiser = torch.optim.AdamW(
            self.learning.values(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, betas=(0.9, 0.98)
        )
        self.average = {name: each.detach().clone() for name, each in self.learning.items() if recipe.ema_decay}
        self.rationales: dict[str, Rationale] = {}
        self.first: tuple[Any, CropFeatures] | None = None
        if recipe.kl_weight:
            # The starting model, looking at the same crops through its own connector.
            model_before, seen_before = copy.deepcopy(self.base).requires_grad_(False), copy.copy(self.seen)
            seen_before.model, seen_before.visual = model_before, model_before.model.visual
            self.first = model_before, seen_before
        self.started = time.perf_counter()

    def step(self, step: int) -> dict[str, Any]:
        """Take one step; returns its line of the log."""
        recipe = self.recipe
        record: dict[str, Any] = {"step": step + 1, "hard_share": hard_share(recipe, step)}
        if recipe.variant == "answer" and recipe.rationales and step % recipe.regenerate == 0:
            record |= self._write(step)
        drawn = self.curriculum.draw(step)
        direct = [self._direct(pair, turned) for pair in drawn for turned in (False, True)]
        after = [
            self._after(pair, self.rationales[key])
            for number, pair in enumerate(drawn)
            if (key := f"{step} {number}") in self.rationales
        ]
        for group in self.optimiser.param_groups:
            group["lr"] = recipe.learning_rate * learning_rate_at(step, recipe.steps, recipe.warmup_steps)
        self.optimiser.zero_grad(set_to_none=True)
        if recipe.variant == "feature":
            record |= self._learn_features(direct)
        else:
            kinds = [("direct", direct), ("after_rationale", after)]
            given = [(name, examples) for name, examples in kinds if examples]
            for name, examples in given:
                record |= self._learn_answers(name, examples, 1 / len(given))
            record["loss"] = sum(record[f"{name}_loss"] for name, _ in given) / len(given)
            if after and (self.first is not None or recipe.imitate_weight):
                record |= self._learn_words(after)
        torch.nn.utils.clip_grad_norm_(self.learning.values(), 1.0)
        self.optimiser.step()
        with torch.no_grad():
            # The first steps are the worst: as in `torch.optim.swa_utils`' users, the average starts short.
            decay = min(recipe.ema_decay, (step + 1) / (step + 10))
            for name, each in self.average.items():
                each.lerp_(self.learning[name], 1 - decay)
        return record | {"seconds": time.perf_counter() - self.started}

    def _write(self, step: int) -> dict[str, float]:
        """Have the model write the rationales of this round: for each step's first pairs, as they will be shown."""
        recipe = self.recipe
        number = round(recipe.rationales * recipe.batch)
        last = min(step + recipe.regenerate, recipe.steps)
        # Neighbours of both labels: the curriculum lets labels take turns.
        asked = {
            f"{each} {place}": self.curriculum.draw(each)[place]
            for each in range(step, last)
            for place in range(number)
        }
        completions = write_rationales(
            self.seen,
            [pair.places() for pair in asked.values()],
            each=recipe.choices,
            temperature=recipe.temperature,
            max_new_tokens=recipe.max_new_tokens,
            seed=recipe.seed * 1_000_003 + step,
        )
        self.rationales = {}
        for number, (key, pair) in enumerate(asked.items()):
            own = completions[number * recipe.choices : (number + 1) * recipe.choices]
            chosen = choose_rationale([read_rationale(self.seen, each) for each in own], pair.label)
            if chosen is not None:
                self.rationales[key] = chosen
        labels = [pair.label for pair in asked.values() for _ in range(recipe.choices)]
        supported = sum(each.supports(asked[key].label) for key, each in self.rationales.items())
        return health(completions, labels) | {"supported": supported / max(1, len(asked))}

    def _direct(self, pair: Drawn, turned: bool) -> WarmupExample:
        return WarmupExample(
            self.texts["score"], pair.places(turned), (), ((0, self._word(pair.label), 1.0),), pair.label
        )

    def _after(self, pair: Drawn, rationale: Rationale) -> WarmupExample:
        targets = [(rationale.answer, self._word(pair.label), 1.0)]
        weight = self.recipe.format_weight
        if weight:
            targets += [(place, rationale.ids[place], weight / len(rationale.tags)) for place in rationale.tags]
        # Without a loss on the tags or on the words nothing after the answer word matters.
        whole = weight or self.recipe.kl_weight or self.recipe.imitate_weight
        ids = rationale.ids if whole else rationale.ids[: rationale.answer]
        supported = rationale.supports(pair.label)
        return WarmupExample(self.texts["think"], pair.places(), ids, tuple(targets), pair.label, supported)

    def _word(self, label: bool) -> int:
        return self.words[0 if label else 1]

    def _hidden(self, examples: Sequence[WarmupExample]) -> Tensor:
        """(N, length, size) last hidden states."""
        inputs = self.seen.teach([(each.text, each.crops, each.ids) for each in examples])
        hidden: Tensor = self.base.model(**inputs)[0]
        return hidden

    def _logits(self, examples: Sequence[WarmupExample]) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (targets, vocabulary) at every target of every lesson, the targets, and their weights."""
        hidden = self._hidden(examples)
        rows, places, wanted, weights = [], [], [], []
        for row, example in enumerate(examples):
            start = len(self.seen.prompt(example.text, example.crops)[0])
            for index, token, weight in example.targets:
                rows.append(row)
                places.append(start + index - 1)
                wanted.append(token)
                weights.append(weight)
        device = hidden.device
        logits = self.base.lm_head(hidden[rows, places]).float()
        return logits, torch.tensor(wanted, device=device), torch.tensor(weights, device=device)

    def _learn_answers(self, name: str, examples: Sequence[WarmupExample], share: float) -> dict[str, float]:
        """Add the gradients of the mean answer loss of `examples`, times `share`."""
        total = correct = yes = gap = 0.0
        for start in range(0, len(examples), self.recipe.rows):
            part = examples[start : start + self.recipe.rows]
            logits, wanted, weights = self._logits(part)
            each = functional.cross_entropy(logits, wanted, reduction="none")
            loss = (each * weights).sum() / len(examples)
            total += float(loss.detach())
            if name == "direct":
                # A pair's two orders are neighbours: the same two crops, so the same answer.
                margins = logits[:, self.words[0]] - logits[:, self.words[1]]
                between = margins[0::2] - margins[1::2]
                gap += float(between.detach().abs().sum()) / (len(examples) / 2)
                loss = loss + self.recipe.order_weight * between.square().sum() / (len(examples) / 2)
            (loss * share).backward()
            # A lesson's first target is its answer word.
            firsts = np.cumsum([0, *(len(example.targets) for example in part)])[:-1].tolist()
            said = logits.detach()[firsts][:, self.words].argmax(dim=1)
            labels = torch.tensor([0 if example.label else 1 for example in part], device=said.device)
            correct += float((said == labels).sum())
            yes += float((said == 0).sum())
        number = len(examples)
        found = {f"{name}_loss": total, f"{name}_accuracy": correct / number, f"{name}_said_yes": yes / number}
        return found | ({"order_gap": gap} if name == "direct" else {})

    def _learn_words(self, examples: Sequence[WarmupExample]) -> dict[str, float]:
        """Add the gradients of what is asked of the words themselves, means over the lessons' tokens, answers left out.

        KL(starting model || model) keeps them; cross-entropy teaches those that bear the label out.
        """
        recipe, apart, taught = self.recipe, 0.0, 0.0
        count = sum(len(example.ids) - 1 for example in examples)
        for start in range(0, len(examples), recipe.rows):
            part = examples[start : start + recipe.rows]
            rows, places, tokens, supported = [], [], [], []
            for row, example in enumerate(part):
                opening = len(self.seen.prompt(example.text, example.crops)[0])
                own = [place for place in range(len(example.ids)) if place != example.targets[0][0]]
                rows += [row] * len(own)
                places += [opening + place - 1 for place in own]
                tokens += [example.ids[place] for place in own]
                supported += [example.supported] * len(own)
            now = self.base.lm_head(self._hidden(part)[rows, places]).float()
            loss = torch.zeros((), device=now.device)
            if self.first is not None:
                before, seen_before = self.first
                texts = [(each.text, each.crops, each.ids) for each in part]
                with torch.no_grad():
                    wanted = before.lm_head(before.model(**seen_before.teach(texts))[0][rows, places]).float()
                kept = functional.kl_div(
                    now.log_softmax(dim=-1), wanted.log_softmax(dim=-1), reduction="sum", log_target=True
                )
                apart += float(kept.detach()) / count
                loss = loss + recipe.kl_weight * kept
            if recipe.imitate_weight and any(supported):
                chosen = torch.tensor(supported, device=now.device)
                said = functional.cross_entropy(
                    now[chosen], torch.tensor(tokens, device=now.device)[chosen], reduction="sum"
                )
                taught += float(said.detach()) / count
                loss = loss + recipe.imitate_weight * said
            if loss.requires_grad:
                (loss / count).backward()
        found = {} if self.first is None else {"kept_divergence": apart}
        return found | ({"imitated_loss": taught} if recipe.imitate_weight else {})

    def _learn_features(self, examples: Sequence[WarmupExample]) -> dict[str, float]:
        """Contrastive loss (Hadsell et al. 2006, on cosines): 1 - cos for one person, max(0, cos - margin) for two."""
        total, cosines = 0.0, []
        for start in range(0, len(examples), self.recipe.rows):
            part = examples[start : start + self.recipe.rows]
            hidden = self._hidden(part)
            found = []
            for row, example in enumerate(part):
                ids = torch.tensor(self.seen.prompt(example.text, example.crops)[0])
                pictures = (ids == self.seen.processor.image_token_id).nonzero()[:, 0]
                length = self.seen.visual_tokens(example.crops[0])
                sides = (pictures[:length], pictures[length:])
                first, second = (hidden[row, side.to(hidden.device)].float().mean(dim=0) for side in sides)
                found.append(functional.cosine_similarity(first, second, dim=0))
            cosine = torch.stack(found)
            labels = torch.tensor([example.label for example in part], device=cosine.device)
            loss = torch.where(labels, 1 - cosine, (cosine - self.recipe.margin).clamp(min=0)).sum() / len(examples)
            loss.backward()
            total += float(loss.detach())
            cosines += cosine.detach().tolist()
        same = [cosine for cosine, example in zip(cosines, examples, strict=True) if example.label]
        different = [cosine for cosine, example in zip(cosines, examples, strict=True) if not example.label]
        return {"loss": total, "cosine_same": float(np.mean(same)), "cosine_different": float(np.mean(different))}

    @torch.no_grad()
    def measure(self) -> dict[str, Any]:
        """Direct scores in both orders and one rationale each for the held-out pairs; empty without any."""
        if not self.held_out:
            return {}
        labels = np.array([bool(pair.label) for pair in self.held_out])
        orders = []
        for turned in (False, True):
            examples = [
                WarmupExample(self.texts["score"], places[::-1] if turned else places, (), ((0, 0, 1.0),), bool(label))
                for places, label in zip(self.held_out_places, labels, strict=True)
            ]
            parts = [
                self._logits(examples[start : start + self.recipe.rows])[0][:, self.words[:2]]
                for start in range(0, len(examples), self.recipe.rows)
            ]
            orders.append(torch.cat(parts).softmax(dim=1)[:, 0].cpu().numpy())
        yes = np.mean(orders, axis=0)
        completions = write_rationales(
            self.seen,
            self.held_out_places,
            temperature=self.recipe.temperature,
            max_new_tokens=self.recipe.max_new_tokens,
            seed=self.recipe.seed,
        )
        found = health(completions, labels.tolist())
        above = (yes[labels][:, None] > yes[~labels]) + 0.5 * (yes[labels][:, None] == yes[~labels])
        found |= {
            "direct_accuracy": float(((yes > 0.5) == labels).mean()),
            "direct_area": float(above.mean()),
            "direct_said_yes": float((yes > 0.5).mean()),
            "order_flips": float(((orders[0] > 0.5) != (orders[1] > 0.5)).mean()),
        }
        return {f"held_out_{name}": value for name, value in found.items()}

    @torch.no_grad()
    def apply_ema(self) -> None:
        """Take the averaged weights, where the recipe asks for them: what the finished model is."""
        for name, each in self.average.items():
            self.learning[name].copy_(each)

    def save(self, step: int) -> None:
        """Write what a resumed run needs, replacing the last checkpoint at once."""
        state = {
            "weights": {name: each.detach() for name, each in self.learning.items()},
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "rationales": json.dumps({key: asdict(each) for key, each in self.rationales.items()}),
            "step": step,
        }
        torch_save(state, self.path)
        note_step(self.path.parent, "step", step)

    def load(self) -> int:
        """Restore the checkpoint where there is one; returns the number of steps taken."""
        if not self.path.is_file():
            return 0
        state = torch.load(self.path, map_location=self.base.device, weights_only=True)
        with torch.no_grad():
            for name, each in self.learning.items():
                each.copy_(state["weights"][name])
            for name, each in self.average.items():
                each.copy_(state["average"][name])
        self.optimiser.load_state_dict(state["optimiser"])
        self.rationales = {
            key: Rationale(tuple(each["ids"]), each["answer"], tuple(each["tags"]), each["reasoning"])
            for key, each in json.loads(state["rationales"]).items()
        }
        return int(state["step"])


def prepare(recipe: WarmupRecipe, model: Any) -> Any:
    """`model` with gradients where it is to learn, LoRA around it where the recipe asks for it."""
    base = unwrap(model)
    base.requires_grad_(True)
    if recipe.learn_vision != "all":
        base.model.visual.requires_grad_(False)
        if recipe.learn_vision == "connector":
            for part in base.model.visual.connecting:
                part.requires_grad_(True)
    if not recipe.lora_rank:
        return model
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(recipe.seed)
    settings = LoraConfig(
        r=recipe.lora_rank, lora_alpha=recipe.lora_alpha, target_modules=LANGUAGE_HALF, task_type="CAUSAL_LM"
    )
    return get_peft_model(model, settings)
