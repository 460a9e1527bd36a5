"""Questions about one crop, one attribute each, and how their answers read."""

from __future__ import annotations

from collections.abc import Mapping

from reidr.reasoning.rationales.regions import UNSEEN

QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "upper_color": ("What colour is the upper clothing?", "Which colour does the top have?"),
    "upper_pattern": ("Which pattern does the upper clothing have?", "Is the top plain or patterned?"),
    "sleeve": ("Are the sleeves long or short?", "How long are the sleeves?"),
    "jacket_color": ("Which colour is the jacket over the top?", "Is a jacket worn over the top, and of which colour?"),
    "lower_color": ("What colour is the lower clothing?", "Which colour is worn on the legs?"),
    "lower_kind": ("Trousers, shorts or a skirt?", "What is worn on the legs?"),
    "shoes_color": ("What colour are the shoes?", "Which colour do the shoes have?"),
    "hair_length": ("Is the hair long or short?", "How long is the hair?"),
    "hair_color": ("What colour is the hair?", "Which colour does the hair have?"),
    "hat": ("What is worn on the head?", "Is a hat worn?"),
    "bag": ("Which bag is carried?", "Is a bag carried, and of which kind?"),
    "bag_color": ("What colour is the bag?", "Which colour does the bag have?"),
}
CANNOT_BE_SEEN = "It cannot be seen."


def answer_of(value: str) -> str:
    """The answer to a question whose true value is `value`."""
    return CANNOT_BE_SEEN if value == UNSEEN else f"{value}.".capitalize()


def value_of(answer: str) -> str:
    """The value that an answer states, as in `answer_of`; any other text comes back in lower case without its dot."""
    return UNSEEN if answer == CANNOT_BE_SEEN else answer.removesuffix(".").lower()
