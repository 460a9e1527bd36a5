"""Reading the answer words yes, no and insufficient from a model's logits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel

from reidr.errors import WeightsError
from reidr.reasoning.prompting.completions import ReadCompletion
from reidr.reasoning.prompting.grammar import ANSWER_WORDS
from reidr.reasoning.prompting.prompt import PREFIXES


def yes_probability(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(same) from (orders, N, 3) answer logits: softmax over yes and no only, averaged over the orders, (N,).

    "Insufficient" does not take part, so that a doubtful pair still has a place in the ranking (as in MUSE, which reads
    yes and no only); see `insufficient_probability` for the doubt itself.
    """
    margin = logits[..., 0] - logits[..., 1]
    probability: NDArray[np.float64] = 0.5 * (1.0 + np.tanh(0.5 * margin))
    return probability.mean(axis=0)


def insufficient_probability(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """P("insufficient") from (orders, N, 3) answer logits: softmax over the three words, averaged over orders, (N,)."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    share: NDArray[np.float64] = weights[..., 2] / weights.sum(axis=-1)
    return share.mean(axis=0)


def answer_token_ids(tokenizer: Any) -> tuple[int, int, int]:
    """Ids of the tokens by which yes, no and insufficient are told apart right after `<answer>`.

    Raises:
        WeightsError: `yes` or `no` is not one token there, or two of the words begin alike.
    """
    before = tokenizer.encode(PREFIXES["score"], add_special_tokens=False)
    ids = []
    for word in ANSWER_WORDS:
        whole = tokenizer.encode(f"<answer>{word}</answer>", add_special_tokens=False)
        alone = tokenizer.encode(f"<answer>{word}", add_special_tokens=False)
        single = len(alone) == len(before) + 1 and whole[: len(alone)] == alone
        if alone[: len(before)] != before or not (single or word == "insufficient"):
            raise WeightsError(
                f'the tokenizer does not keep "{word}" as one token of its own after <answer>, so P(yes) cannot be'
                " read; add the word as a token and train the model with it"
            )
        ids.append(alone[len(before)])
    if len(set(ids)) != len(ids):
        raise WeightsError("the tokenizer begins two of yes, no and insufficient with the same token after <answer>")
    return ids[0], ids[1], ids[2]


def answer_step(tokenizer: Any, ids: list[int]) -> int:
    """Index of the first token after `<answer>` in a completion that follows the taught form."""
    steps = (step for step in range(len(ids), 0, -1) if decode(tokenizer, ids[:step]).endswith("<answer>"))
    return next(steps)


def step_after(tokenizer: Any, ids: list[int], character: int) -> int | None:
    """Index of the token that begins at `character` of the completion's text, or after the blanks there.

    As `answer_step` for `ReadCompletion.opened`, whatever the form; None where no token begins there, because the
    answer shares one with what stands before it.
    """
    step = len(ids)
    while step > 0 and len(decode(tokenizer, ids[: step - 1])) >= character:
        step -= 1
    shared = decode(tokenizer, ids[:step])[character:]
    return None if shared.strip() or step == len(ids) else step


def answer_probability(
    tokenizer: Any, ids: list[int], steps: NDArray[np.float64], read: ReadCompletion
) -> tuple[float | None, str]:
    """P(same) where a completion gives its answer, or None and why.

    Args:
        ids: the completion without its end token. steps: (T, 3) the answer words' logits before each token.
        read: what the completion says.
    """
    step = None if read.opened is None else step_after(tokenizer, ids, read.opened)
    if step is None:
        return None, "the answer word shares a token with what stands before it"
    probability = float(yes_probability(steps[None, step][None])[0])
    if not np.isfinite(probability):
        return None, "the model's logits are not finite"
    # The logits are those of the words as they are taught. Another spelling of them has others, which may decide.
    said = {"yes": probability >= 0.5, "no": probability <= 0.5}
    if not read.taught and not said.get(str(read.answer), True):
        return None, "the answer is spelled otherwise than it was taught, and the taught words' logits contradict it"
    return probability, ""


def decode(tokenizer: Any, ids: list[int]) -> str:
    """The text of `ids`, control tokens and spacing as they are."""
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))


def end_token_ids(model: PreTrainedModel, tokenizer: Any) -> list[int]:
    """The tokens that end a completion, by the tokenizer and by the checkpoint's generation settings."""
    stored = model.generation_config.eos_token_id
    listed = [] if stored is None else [stored] if isinstance(stored, int) else list(stored)
    return sorted({tokenizer.eos_token_id, *listed})
