"""One line of log.jsonl per reinforcement step, and the end of a training that diverges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback

from reidr.core.notices import warn_once
from reidr.core.process.signals import note_step
from reidr.core.progress import Advance
from reidr.training.common.divergence import ExplosionCheck, check_finite
from reidr.training.common.log import TrainingLog
from reidr.training.grpo.statistics import low_leverage
from reidr.training.processes.team import processes

LOGGED = {
    "loss": "loss",
    "reward": "reward",
    "reward_std": "reward_deviation",
    "frac_reward_zero_std": "zero_variance_share",
    "leverage": "leverage",
    "accuracy_same": "accuracy_same",
    "accuracy_different": "accuracy_different",
    "said_yes": "said_yes",
    "said_insufficient": "said_insufficient",
    "parsable": "parsable",
    "distinct_texts": "distinct_texts",
    "entropy": "entropy",
    "kl": "kl",
    "answer_loss": "answer_loss",
    "judge_loss": "judge_loss",
    "sampling/sampling_logp_difference/mean": "server_difference",
    "completions/mean_length": "tokens",
    "completions/max_length": "tokens_most",
    "completions/clipped_ratio": "cut_off",
    "grad_norm": "gradient_norm",
    "learning_rate": "learning_rate",
    "step_time": "seconds",
}
"""TRL's names → the log's, in the order of a line of log.jsonl."""


class StepLog(TrainerCallback):
    """Writes what the trainer logs, moves the progress bar, and stops a training that diverges before it is saved.

    Of several processes the first does so.
    """

    def __init__(self, log: TrainingLog, advance: Advance | None) -> None:
        self.log, self.advance = log, advance
        self.explosion = ExplosionCheck()

    def on_train_begin(self, args: Any, state: Any, control: Any, **options: Any) -> None:
        """A resumed training is checked as an unbroken one."""
        self.explosion = ExplosionCheck(line["loss"] for line in self.log.read() if "loss" in line)

    def on_log(self, args: Any, state: Any, control: Any, **options: Any) -> None:
        """One line for every step's logs; the trainer's closing summary, which has no entropy, is left out.

        Raises RecipeError where the loss or the gradient is not finite, or the loss has exploded.
        """
        logs: dict[str, Any] = options["logs"]
        if "entropy" not in logs or not processes().is_first:
            return
        when = f"step {state.global_step}"
        self.explosion.check(float(logs["loss"]), when)
        check_finite({"gradient_norm": float(logs["grad_norm"])}, when)
        record: dict[str, Any] = {"step": state.global_step}
        record |= {ours: logs[theirs] for theirs, ours in LOGGED.items() if theirs in logs}
        record |= {name: logs[name] for name in logs if name.startswith("reward_") and name not in LOGGED}
        record |= throughput(record, rollouts_per_step(args))
        rounded = {name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in record.items()}
        self.log.append(rounded)

    def on_train_end(self, args: Any, state: Any, control: Any, **options: Any) -> None:
        """Whoever is told of the curves has them all; and a training whose words decided nothing says so."""
        if processes().is_first and (problem := low_leverage(self.log.read())):
            warn_once(problem)
        if self.log.tracker is not None:
            self.log.tracker.finish()

    def on_save(self, args: Any, state: Any, control: Any, **options: Any) -> None:
        """A checkpoint is complete."""
        note_step(self.log.path.parent, "step", state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **options: Any) -> None:
        """One step further."""
        if self.advance is not None:
            self.advance(1)


def rollouts_per_step(args: Any) -> int:
    """Completions that one update of the weights is computed from, over all processes."""
    return int(args.per_device_train_batch_size * args.gradient_accumulation_steps * args.world_size)


def throughput(record: Mapping[str, Any], rollouts: int) -> dict[str, float]:
    """Rollouts and their tokens per second of a whole step: written, scored and learned from."""
    seconds = record.get("seconds")
    if not seconds:
        return {}
    found = {"rollouts_per_second": rollouts / seconds}
    return found | ({"tokens_per_second": rollouts * record["tokens"] / seconds} if "tokens" in record else {})
