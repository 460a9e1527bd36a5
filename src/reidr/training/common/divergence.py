"""A training that diverges is stopped before it saves the weights: they are of no use."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from statistics import median

from reidr.errors import RecipeError

WINDOW = 20  # losses that the usual size is the median of
FACTOR = 100.0  # how many times the usual size is no longer an outlier


def diverged(what: str) -> RecipeError:
    """The error of a training that diverged; `what`: how it shows, "the loss is nan in step 3"."""
    return RecipeError(
        f"the training diverged: {what}, and nothing of it is saved; take a smaller learning_rate, "
        "in another run folder"
    )


def check_finite(losses: Mapping[str, float], when: str) -> None:
    """Raise RecipeError naming the first loss that is NaN or infinite. `when`: "epoch 3", for the sentence."""
    for name, value in losses.items():
        if not math.isfinite(value):
            raise diverged(f"{name.replace('_', ' ')} is {value} in {when}")


class ExplosionCheck:
    """Refuses a loss that is far larger than the losses of the steps before it.

    The limit is `FACTOR` times the median size of the last `WINDOW` losses, or times 1 where that is smaller: losses of
    reinforcement learning lie around 0, where a ratio is not meaningful.
    """

    def __init__(self, losses: Iterable[float] = ()) -> None:
        """`losses`: those of the steps taken so far, so that a resumed run is judged as the unbroken one."""
        self.sizes = deque((abs(loss) for loss in losses), maxlen=WINDOW)

    def check(self, loss: float, when: str) -> None:
        """Take the loss of one more step in. Raises RecipeError where it is not finite or exploded."""
        check_finite({"loss": loss}, when)
        usual = max(1.0, median(self.sizes)) if self.sizes else max(1.0, abs(loss))
        if abs(loss) > FACTOR * usual:
            raise diverged(
                f"the loss is {loss:.4g} in {when}, more than {FACTOR:.0f} times its usual size ({usual:.4g})"
            )
        self.sizes.append(abs(loss))
