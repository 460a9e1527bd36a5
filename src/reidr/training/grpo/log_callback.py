"""One line of log.jsonl per reinforcement step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from reidr.core.process.signals import note_step
from reidr.core.storage.json_lines import append_json_lines


class StepLog(TrainerCallback):
    """Writes what the trainer logs under our names, and moves the progress bar."""

    def __init__(self, path: Path, names: Mapping[str, str], advance: Callable[[float], None] | None) -> None:
        self.path, self.names, self.advance = path, names, advance

    def on_log(self, args: Any, state: Any, control: Any, **options: Any) -> None:
        """One line for every step's logs; the trainer's closing summary has no entropy and is left out."""
        logs: dict[str, Any] = options["logs"]
        if "entropy" not in logs:
            return
        record: dict[str, Any] = {"step": state.global_step}
        record |= {ours: logs[theirs] for theirs, ours in self.names.items() if theirs in logs}
        record |= {name: logs[name] for name in logs if name.startswith("reward_") and name not in self.names}
        rounded = {name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in record.items()}
        append_json_lines(self.path, [rounded])

    def on_save(self, args: Any, state: Any, control: Any, **options: Any) -> None:
        """A checkpoint is whole."""
        note_step(self.path.parent, "step", state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **options: Any) -> None:
        """One step further."""
        if self.advance is not None:
            self.advance(1)
