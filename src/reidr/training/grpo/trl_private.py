"""Everything of TRL that the trainer uses although TRL does not promise it: used in this file and nowhere else.

TRL's public parts are `GRPOConfig` and `GRPOTrainer` with its documented arguments; `PRIVATE` lists the rest and why it
is needed. pyproject.toml pins TRL's minor version because of it, and a test looks each name up in the installed TRL.
"""

from __future__ import annotations

import os
from typing import Any

from torch import Tensor

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # for `rollout_func`
from trl import GRPOTrainer
from trl.trainer.utils import (
    add_fused_lm_head,
    split_pixel_values_by_grid,
    split_tensor_dict,
    unsplit_pixel_values_by_grid,
)

PRIVATE = {
    "rollout_func": "experimental argument: completions of one prompt share its prefill; TRL encodes it for each",
    "_generate_and_score_completions": "a batch's groups are needed before its rollouts, its advantages for the log",
    "_prepare_inputs": "TRL shuffles the rows of a batch before it cuts them into passes: groups would be torn apart",
    "_step": "whether a batch is used up",
    "_buffered_inputs": "the passes of a batch",
    "split_pixel_values_by_grid": "how TRL cuts a batch into passes",
    "split_tensor_dict": "the same",
    "unsplit_pixel_values_by_grid": "the same",
    "_metrics": "numbers for the log from within the loss",
    "_compute_loss": "a batch's groups are needed by the forward pass",
    "_get_per_token_logps_and_entropies": "the prompt of a group is run once; TRL runs it for each row",
    "beta": "TRL loads the reference model by path and class when `GRPOConfig.beta` is set; ours may have neither",
    "ref_model": "the reference model, for the same reason",
    "add_fused_lm_head": "what TRL does to its own reference model",
    "use_vllm": "turns on TRL's correction for rollouts that another engine wrote",
    "vllm_mode": "read beside `use_vllm`",
    "vllm_generation": "its `sync_weights` is called before a batch of rollouts: the server gets the adapter then",
    "_last_loaded_step": "at which step the weights were handed over last",
}
"""Name → why it is needed."""
KEYS = {
    "advantages": "written beside each completion",
    "completion_mask": "which log-probabilities are compared",
    "old_per_token_logps": "compared with the rollout server's",
    "sampling_per_token_logps": "the rollout server's",
}
"""Undocumented keys of what `_generate_and_score_completions` returns → why they are read."""


def _roll_out(prompts: list[Any], trainer: Any) -> dict[str, Any]:
    output: dict[str, Any] = trainer.roll_out(prompts)
    return output


def restore_forward(model: Any) -> None:
    """Take TRL's own forward, which `add_fused_lm_head` puts around the model's, away from a trained model."""
    model.__dict__.pop("forward", None)


class WeightSync:
    """What TRL takes for its own connection to vLLM; of it only `sync_weights` is used with a `rollout_func`."""

    def __init__(self, trainer: PrivateTrainer) -> None:
        self.trainer = trainer

    def sync_weights(self) -> None:
        """Called before each batch of rollouts with new weights."""
        self.trainer.hand_over_weights()


class PrivateTrainer(GRPOTrainer):
    """`GRPOTrainer` with public methods in the places where private ones have to be replaced or called."""

    def __init__(self, **options: Any) -> None:
        """`options` are GRPOTrainer's; rollouts come from `roll_out`."""
        super().__init__(rollout_func=_roll_out, **options)

    def roll_out(self, prompts: list[Any]) -> dict[str, Any]:
        """One completion for each of `prompts`: `prompt_ids`, `completion_ids`, and `logprobs` where another engine
        wrote them (else None)."""
        raise NotImplementedError

    def use_other_engine(self) -> None:
        """Rollouts come from another engine: call `hand_over_weights` before each batch, and correct for the
        difference between its log-probabilities and the model's (truncated importance sampling)."""
        self.use_vllm, self.vllm_mode, self._last_loaded_step = True, "server", -1
        self.vllm_generation: Any = WeightSync(self)

    def use_reference(self, model: Any | None, weight: float, temperature: float) -> None:
        """Add the KL divergence from a frozen `model` (None: the model without its LoRA adapters) to the loss."""
        self.beta = weight
        if model is not None:
            self.ref_model = model.requires_grad_(False)
            add_fused_lm_head(self.ref_model, temperature=temperature)

    def hand_over_weights(self) -> None:
        """Give the other engine the weights as they are now."""
        raise NotImplementedError

    def score_rollouts(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Write and score the rollouts of `rows`: a dictionary with `advantages`, token ids, masks and more."""
        scored: dict[str, Any] = super()._generate_and_score_completions(rows)
        return scored

    def loss_of(self, model: Any, batch: dict[str, Any]) -> Tensor:
        """The loss of one part of what `score_rollouts` gave."""
        loss: Tensor = super()._compute_loss(model, batch)
        return loss

    def log_probabilities(
        self, model: Any, ids: Tensor, mask: Tensor, length: int, batch_size: int | None, **inputs: Any
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Log-probabilities and entropies, (R, `length`) each, of the last `length` tokens of the rows `ids`; None."""
        found: tuple[Tensor, Tensor | None, Tensor | None] = super()._get_per_token_logps_and_entropies(
            model, ids, mask, length, batch_size=batch_size, **inputs
        )
        return found

    def note(self, name: str, value: float) -> None:
        """Log a number; TRL takes the mean over the passes of a step."""
        self._metrics["train"][name].append(value)

    def _prepare_inputs(self, generation_batch: Any) -> dict[str, Any]:
        """As TRL, but the rows stay in order: the rollouts of a pair are in one pass, and its prompt is run once.

        There is one update per batch of rollouts, to which the order of its rows makes no difference.
        """
        trainer: Any = self  # TRL's types say None of what is there as soon as a training has begun
        if not trainer.model.training:
            evaluated: dict[str, Any] = super()._prepare_inputs(generation_batch)
            return evaluated
        passes = trainer.args.steps_per_generation
        if trainer._step % (passes * trainer.num_iterations) == 0 or trainer._buffered_inputs is None:
            scored: Any = split_pixel_values_by_grid(self._generate_and_score_completions(generation_batch))
            parts: Any = split_tensor_dict(scored, passes)
            trainer._buffered_inputs = [unsplit_pixel_values_by_grid(part) for part in parts]
        inputs: dict[str, Any] = trainer._buffered_inputs[trainer._step % passes]
        return inputs

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        return self.score_rollouts(inputs)

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        return self.loss_of(model, inputs)

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        **inputs: Any,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        return self.log_probabilities(model, input_ids, attention_mask, logits_to_keep, batch_size, **inputs)
