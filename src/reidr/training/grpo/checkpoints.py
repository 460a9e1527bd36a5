"""Finding the checkpoint from which an interrupted reinforcement goes on. TRL writes and reads it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from reidr.core.storage.whole import is_whole
from reidr.errors import RecipeError
from reidr.training.processes.kinds import is_sharded, uses_deepspeed

CHECKPOINTS = "checkpoints"  # the trainer's, in the run folder


def refuse_other_sharding(checkpoint: Path) -> None:
    """Raises RecipeError where a checkpoint was written with weights spread over processes in another way than now."""
    found = "nothing"
    for kind, files in (("DeepSpeed", "global_step*"), ("FSDP", "*_fsdp*")):
        if any(checkpoint.glob(files)):
            found = kind
    now = "DeepSpeed" if uses_deepspeed() else "FSDP" if is_sharded() else "nothing"
    if found != now:
        raise RecipeError(
            f"{checkpoint}: the weights of this training were sharded by {found}, and now by {now}; start it as "
            "before, or choose another run folder"
        )


def last_whole_checkpoint(folder: Path) -> tuple[Path | None, int]:
    """The trainer's last complete checkpoint in `folder` and its number of steps; None and 0 where there is none.

    `trainer_state.json` is the last file of a checkpoint that the trainer writes, and only then it removes an older
    one: a checkpoint whose state cannot be read was interrupted while it was written. One with a truncated file of
    weights is passed over too; the trainer keeps two.
    """
    whole: list[tuple[int, Path]] = []
    for path in folder.glob("checkpoint-*"):
        name = re.fullmatch(r"checkpoint-(\d+)", path.name)
        try:
            state = json.loads((path / "trainer_state.json").read_bytes())
        except (OSError, ValueError):
            continue
        steps_agree = name is not None and isinstance(state, dict) and state.get("global_step") == int(name[1])
        if name is not None and steps_agree and all(is_whole(each) for each in path.rglob("*") if each.is_file()):
            whole.append((int(name[1]), path))
    steps, last = max(whole, default=(0, None))
    return last, steps
