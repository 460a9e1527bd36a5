"""Reading is measured rightly: who knows all scores 1, who guesses scores chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.evaluation.explanations.attribute_recognition import (
    LEAST,
    MOST,
    balanced_accuracy,
    interval_of,
    measure_reading,
    usable,
)
from reidr.reasoning.prompting.questions import QUESTIONS, answer_of
from reidr.reasoning.rationales.regions import UNSEEN

ASKED = {text: name for name, texts in QUESTIONS.items() for text in texts}
COLORS = ("black", "blue", "green", "red")


@contextmanager
def progress(_: str, __: float) -> Iterator[Callable[[float], None]]:
    yield lambda _: None


def crops(number: int, seed: int) -> list[Crop]:
    """Pictures that show their hat and upper colour in one pixel each; black is commonest."""
    random = np.random.default_rng(seed)
    made = []
    for place in range(number):
        color, hat = int(random.choice(4, p=(0.55, 0.15, 0.15, 0.15))), int(random.random() < 0.2)
        image = Image.new("RGB", (4, 8), (60 * color, 200 * hat, 0))
        attributes = {
            "upper colors": COLORS[color],
            "headwear": ("none", "hat")[hat],
            "sleeves": "long",
            "shoe colors": UNSEEN,
        }
        made.append(Crop(f"{seed}/{place}", image, str(place), attributes=attributes))
    return made


class Eye:
    """A retriever whose features are the colours of the first pixel; with `noise` it sees nothing else."""

    name = fingerprint = "eye"

    def embed_pictures(self, pictures: Sequence[Image.Image]) -> Any:
        seen = np.array([picture.getpixel((0, 0)) for picture in pictures], dtype=np.float32) / 255
        # One-hot in the red channel, so that a linear reader can tell the four.
        hot = np.eye(4)[np.rint(seen[:, 0] * 255 / 60).astype(int)]
        return np.concatenate([hot, seen[:, 1:2]], axis=1).astype(np.float32)


class Scripted:
    """A reasoner that answers as it is told to."""

    def __init__(self, answer: Callable[[str, Crop], str]) -> None:
        self.answer = answer
        self.questions: list[str] = []

    def ask_about_crops(self, asked: Sequence[Crop], text: str, *, max_new_tokens: int, progress: Any) -> list[str]:
        self.questions.append(text)
        progress(len(asked), len(asked))
        return [answer_of(self.answer(ASKED[text], crop)) for crop in asked]


def measure(answer: Callable[[str, Crop], str]) -> dict[str, Any]:
    reasoner: Any = Scripted(answer)
    readings = measure_reading(reasoner, Eye(), crops(200, 1), crops(300, 2), progress)
    assert len(reasoner.questions) == len(readings)
    return {each.attribute: each for each in readings}


def test_one_who_knows_all_scores_one_and_is_as_good_as_the_probe() -> None:
    found = measure(lambda name, crop: crop.attributes[name])
    assert set(found) == {"upper colors", "headwear"}  # sleeves are all long and shoes never in view
    for each in found.values():
        assert each.answered == each.probe == 1.0
        assert not each.gains.any()
        assert each.crops == 300
    assert (found["upper colors"].values, found["upper colors"].majority) == (4, 0.25)
    assert (found["headwear"].values, found["headwear"].majority) == (2, 0.5)


def test_one_who_always_says_the_commonest_scores_one_over_the_values() -> None:
    found = measure(lambda name, _: {"upper colors": "black", "headwear": "none"}[name])
    for each in found.values():
        assert (each.answered, each.unsaid) == (each.majority, 0.0)
        low, high = interval_of([each.gains])
        assert low <= each.answered - each.probe <= high < 0


def test_one_who_guesses_is_about_as_good_as_chance_and_one_who_sees_nothing_has_none_right() -> None:
    random = np.random.default_rng(3)
    found = measure(lambda name, _: str(random.choice({"upper colors": COLORS, "headwear": ("none", "hat")}[name])))
    # Of 45 crops of a rare value a quarter is read by luck, give or take 0.06; the mean of four is within 0.1.
    assert found["upper colors"].answered == pytest.approx(0.25, abs=0.1)
    assert found["headwear"].answered == pytest.approx(0.5, abs=0.12)
    assert all((each.answered, each.unsaid) == (0.0, 1.0) for each in measure(lambda *_: UNSEEN).values())


def test_balanced_accuracy_by_hand() -> None:
    truth = np.array(["a", "a", "a", "a", "b", "c"])
    said = np.array(["a", "a", "a", "b", "b", "a"])
    # 3 of 4, 1 of 1, 0 of 1
    assert balanced_accuracy(truth, said) == pytest.approx((0.75 + 1 + 0) / 3)


def test_balanced_accuracy_where_several_values_are_true_or_one_of_several() -> None:
    truth = np.array(["black and white", "black and white", "black and white", "black", "black"])
    said = np.array(["white", "white and black", "red", "black and white", "black"])
    # Any of what is true is right, and no more than that: 2 of 3 and 1 of 2.
    assert balanced_accuracy(truth, said) == pytest.approx((2 / 3 + 1 / 2) / 2)
    truth = np.array(["trousers / jeans"] * 4 + ["skirt"] * 2)
    said = np.array(["jeans", "trousers", "trousers / jeans", "skirt", "skirt", "jeans"])
    assert balanced_accuracy(truth, said) == pytest.approx((3 / 4 + 1 / 2) / 2)
    # Nothing is never right, and neither is what cannot be seen.
    assert balanced_accuracy(np.array(["none", "none"]), np.array(["", UNSEEN])) == 0.0


def test_what_is_not_said_is_counted_and_taken_out() -> None:
    """Black tops cannot be seen and all others are read: 3 of 4 values, and all of those that it speaks of."""
    found = measure(lambda name, crop: UNSEEN if (value := crop.attributes[name]) == "black" else value)
    color = found["upper colors"]
    assert (color.answered, color.spoken, color.probe_spoken) == (0.75, 1.0, 1.0)
    assert color.unsaid == pytest.approx(0.55, abs=0.08)
    assert (found["headwear"].unsaid, found["headwear"].spoken) == (0.0, 1.0)
    assert np.isnan(measure(lambda *_: UNSEEN)["headwear"].spoken)


def test_a_probe_of_the_same_people_is_one_taught_on_them_alone() -> None:
    """Of the training crops half are lies, told of people whom the reasoner does not know."""
    honest, lied = crops(200, 1), crops(200, 5)
    swapped = {"hat": "none", "none": "hat"}
    lies = [
        replace(
            crop,
            id=f"lie/{crop.id}",
            attributes={**crop.attributes, "headwear": swapped[crop.attributes["headwear"]]},
        )
        for crop in lied
    ]
    alike = np.array([True] * len(honest) + [False] * len(lies))

    def found(among: Any) -> Any:
        reasoner: Any = Scripted(lambda name, crop: crop.attributes[name])
        readings = measure_reading(reasoner, Eye(), [*honest, *lies], crops(300, 2), progress, taught_on=among)
        return {each.attribute: each for each in readings}["headwear"]

    assert found(alike).probe_same_people == 1.0
    assert found(alike).probe == found(None).probe < 1.0
    assert found(np.ones(len(alike), dtype=bool)).probe_same_people == found(None).probe
    assert np.isnan(found(None).probe_same_people)
    assert np.isnan(found(np.zeros(len(alike), dtype=bool)).probe_same_people)


def test_the_interval_is_over_persons() -> None:
    """Ten crops of a person are one draw: an interval over crops would be a third as wide."""
    one = [replace(crop, person=None) for crop in crops(200, 1)]
    test = [
        replace(crop, id=f"{crop.id}/{copy}", person=f"p{place}")
        for place, crop in enumerate(crops(80, 2))
        for copy in range(6)
    ]
    right = {f"p{place}" for place in range(0, 80, 2)}

    class Halfway(Scripted):
        def ask_about_crops(self, asked: Sequence[Crop], text: str, *, max_new_tokens: int, progress: Any) -> list[str]:
            name = ASKED[text]
            return [answer_of(crop.attributes[name]) if crop.person in right else "?" for crop in asked]

    reasoner: Any = Halfway(lambda *_: "")
    found = {each.attribute: each for each in measure_reading(reasoner, Eye(), one, test, progress)}
    hat = found["headwear"]
    low, high = interval_of([hat.gains])
    assert low < hat.answered - hat.probe < high
    # Of two values, some 64 and 16 people, half of each read: standard error of the mean of both shares by hand.
    rare = sum(crop.attributes["headwear"] == "hat" for crop in test) / 6
    error = 0.5 * (0.25 / rare + 0.25 / (80 - rare)) ** 0.5
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.3)
    # The same persons are drawn for every attribute: means go draw by draw.
    both = interval_of([each.gains for each in found.values()])
    means = np.mean([each.gains for each in found.values()], axis=0)
    assert both == pytest.approx(tuple(np.quantile(means, (0.025, 0.975))))


def test_crops_asked_are_in_view_common_and_no_more_than_enough() -> None:
    known = crops(2 * MOST, 4)
    rare = [
        Crop(f"rare/{place}", Image.new("RGB", (4, 8)), attributes={"upper colors": "pink"})
        for place in range(LEAST - 1)
    ]
    asked = usable([*known, *rare], "upper colors", 0)
    assert len(asked) == MOST
    assert not any(crop.attributes["upper colors"] == "pink" for crop in asked)
    assert asked == usable([*known, *rare], "upper colors", 0)
    assert usable(known, "shoe colors", 0) == []
    assert usable(known, "carried", 0) == []


def test_crops_of_which_nothing_is_known_are_refused() -> None:
    plain: list[Crop] = [Crop(str(place), Image.new("RGB", (4, 8))) for place in range(8)]
    reasoner: Any = Scripted(lambda *_: "red")
    with pytest.raises(DataError, match="nothing can be asked"):
        measure_reading(reasoner, Eye(), plain, plain, progress)
