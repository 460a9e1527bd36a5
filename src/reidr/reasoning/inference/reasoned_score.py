"""The reasoned score: P(same person) read from a rationale, with the pictures taken away.

The model first writes what it compares; then the same weights answer from those words alone. What is said is then the
cause of the score by construction, not an ornament beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from reidr.reasoning.inference.prefix_cache import fill
from reidr.reasoning.inference.sampling import pair_prompts
from reidr.reasoning.models.vision_language_model import VisionLanguageModel
from reidr.reasoning.prompting.answers import answer_token_ids
from reidr.reasoning.prompting.prompt import PREFIXES

BLANK = Image.new("RGB", (64, 128), (128, 128, 128))
"""What stands in the place of both crops: the prompt keeps its form, since models know no prompt without pictures."""


def after_words(reasoning: str) -> str:
    """How the assistant's turn begins where the answer is to be read from `reasoning`."""
    return f"<think>{reasoning}</think>{PREFIXES['score']}"


@torch.no_grad()
def reasoned_logits(model: VisionLanguageModel, reasonings: Sequence[str], batch_size: int = 64) -> NDArray[np.float64]:
    """Logits of yes, no and insufficient after each reasoning with two grey pictures before it, (N, 3)."""
    if not reasonings:
        return np.empty((0, 3))
    tokenizer = model.processor.tokenizer
    words = list(answer_token_ids(tokenizer))
    (opening,) = pair_prompts(model, [(BLANK, BLANK)], "think")
    rows = [opening.followed_by(tokenizer.encode(after_words(each), add_special_tokens=False)) for each in reasonings]
    # Rows of similar length form a batch.
    order = sorted(range(len(rows)), key=lambda place: len(rows[place].ids))
    logits = np.empty((len(rows), 3))
    for start in range(0, len(order), batch_size):
        some = order[start : start + batch_size]
        filled = fill(model, [rows[place] for place in some], keep=False)
        logits[some] = filled.logits[:, words].double().cpu().numpy()
    return logits
