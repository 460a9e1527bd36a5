"""How large a street is, and how hard."""

from __future__ import annotations

from dataclasses import dataclass

from reidr.errors import RecipeError


@dataclass(frozen=True)
class StreetSettings:
    """Everything a street depends on: equal settings give byte-identical files.

    Attributes:
        seed: of everything that is random. cameras: how many, each unlike the others.
        train_people, test_people: labelled persons of each split; nobody is in both.
        cameras_per_person: by how many cameras each is seen. crops_per_camera: gallery or training crops per person
            and camera. queries_per_person: query crops, each of another camera.
        absent: share of the test people who are never in the gallery (non-mated queries).
        changing: share of all people who wear a second outfit in half of their cameras.
        distractors: gallery crops of strangers, who look like the test people. junk: badly placed boxes in the gallery.
        group: persons per group of look-alikes, strangers included.

    Raises RecipeError with one sentence when a value is out of range or contradicts another.
    """

    seed: int = 0
    cameras: int = 6
    train_people: int = 0
    test_people: int = 14
    cameras_per_person: int = 5
    crops_per_camera: int = 2
    queries_per_person: int = 2
    absent: float = 0.15
    changing: float = 0.15
    distractors: int = 130
    junk: int = 20
    group: int = 4

    def __post_init__(self) -> None:
        least = {
            "seed": 0,
            "cameras": 2,
            "train_people": 0,
            "test_people": 0,
            "cameras_per_person": 2,
            "crops_per_camera": 1,
            "queries_per_person": 1,
            "distractors": 0,
            "junk": 0,
            "group": 1,
        }
        for name, low in least.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise RecipeError(f"street: {name} is {value!r}; it must be a whole number of at least {low}")
        for name in ("absent", "changing"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise RecipeError(f"street: {name} is {value!r}; it must be a share between 0 and 1")
        if self.group > 12:
            raise RecipeError(f"street: group is {self.group}; at most 12 look-alikes differ from each other")
        if self.cameras > 99:
            raise RecipeError(f"street: cameras is {self.cameras}; file names have room for 99")
        if self.train_people + self.test_people > 9000:
            raise RecipeError(f"street: {self.train_people + self.test_people} people; file names have room for 9000")
        if self.train_people + self.test_people == 0:
            raise RecipeError("street: train_people and test_people are both 0; ask for somebody")
        for name in ("cameras_per_person", "queries_per_person"):
            most = self.cameras if name == "cameras_per_person" else self.cameras_per_person
            if getattr(self, name) > most:
                of = "cameras" if name == "cameras_per_person" else "cameras_per_person"
                raise RecipeError(f"street: {name} is {getattr(self, name)}, more than {of} ({most})")


DEMO_STREET = StreetSettings()
EVALUATION_STREET = StreetSettings(test_people=100, distractors=300, junk=60)
TRAINING_STREET = StreetSettings(train_people=500, test_people=100, crops_per_camera=4, distractors=300, junk=60)
