"""Questions about one crop, one attribute each, and how their answers read."""

from __future__ import annotations

from collections.abc import Mapping

from reidr.reasoning.rationales.regions import PROBABLY, UNSEEN, certain

QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "upper colors": ("What colour is the upper clothing?", "Which colours does the top have?"),
    "pattern": ("Which pattern does the upper clothing have?", "Is the top plain or patterned?"),
    "upper garment": ("Which garment is worn on the upper body?", "A shirt, a sweater or a jacket?"),
    "sleeves": ("Are the sleeves long or short?", "How long are the sleeves?"),
    "jacket colors": (
        "Which colour is the jacket over the top?",
        "Is a jacket worn over the top, and of which colour?",
    ),
    "lower colors": ("What colour is the lower clothing?", "Which colour is worn on the legs?"),
    "lower garment": ("Trousers, jeans, shorts or a skirt?", "What is worn on the legs?"),
    "shoe colors": ("What colour are the shoes?", "Which colour do the shoes have?"),
    "shoes": ("Which kind of shoes is worn?", "Sneakers, boots, sandals or other shoes?"),
    "hair length": ("Is the hair long or short?", "How long is the hair?"),
    "hair color": ("What colour is the hair?", "Which colour does the hair have?"),
    "headwear": ("What is worn on the head?", "Is a hat worn?"),
    "carried": ("What is carried?", "Is a bag carried, and of which kind?"),
    "bag colors": ("What colour is the bag?", "Which colour does the bag have?"),
}
CANNOT_BE_SEEN = "It cannot be seen."


def answer_of(value: str) -> str:
    """The answer to a question whose true value is `value`."""
    return CANNOT_BE_SEEN if value == UNSEEN else f"{value}.".capitalize()


def value_of(answer: str) -> str:
    """The value that an answer states, sure of it or not; any other text comes back in lower case without its dot."""
    return UNSEEN if answer == CANNOT_BE_SEEN else certain(answer.removesuffix(".").lower())


def is_unsure(answer: str) -> bool:
    """Whether an answer says "probably"."""
    return answer.lower().startswith(PROBABLY)
