"""Who is seen when, by which camera, and in which split: the street before anything is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from reidr.data.synthetic.people import sample_look_alikes, with_change_of_clothes
from reidr.data.synthetic.person.appearance import Outfit, Person
from reidr.data.synthetic.person.pose import VIEWS
from reidr.data.synthetic.picture.camera import Camera, make_cameras
from reidr.data.synthetic.picture.crop import RenderedCrop, render_crop
from reidr.data.synthetic.settings import StreetSettings

FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}


@dataclass(frozen=True)
class Sighting:
    """One crop to be rendered. `role` is "person", "distractor" or "junk"; `time` counts frames of the camera.

    `time` and `seed` are set by `Clock.record`.
    """

    split: str
    role: str
    person: Person
    outfit: Outfit
    camera: Camera
    view: str
    sequence: int
    time: int = 0
    seed: int = 0

    @property
    def image(self) -> str:
        """The path of the file in the street's folder, named as Market-1501 names its files."""
        label = {"person": self.person.label, "distractor": "0000", "junk": "-1"}[self.role]
        return f"{FOLDERS[self.split]}/{label}_c{self.camera.label}s{self.sequence}_{self.time:06d}_01.jpg"

    @property
    def recording(self) -> str:
        """The label of the sequence, which Market-1501 counts per camera."""
        return f"c{self.camera.label}s{self.sequence}"

    def render(self) -> RenderedCrop:
        """The picture of this sighting."""
        return render_crop(
            self.person, self.outfit, self.view, self.camera, self.seed, badly_cropped=self.role == "junk"
        )


@dataclass(frozen=True)
class Street:
    """Cameras, people and sightings. `absent` are labels of test people who are never in the gallery."""

    cameras: tuple[Camera, ...]
    train: tuple[Person, ...]
    test: tuple[Person, ...]
    absent: frozenset[str]
    sightings: tuple[Sighting, ...]


class Clock:
    """Gives every sighting of a camera a later frame than the one before, so that no two files share a name."""

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random
        self.frames: dict[str, int] = {}

    def next(self, camera: Camera, *, pause: bool) -> int:
        """The frame of the camera's next crop; after a `pause` somebody else walks by."""
        gap = int(self.random.integers(60, 300)) if pause else int(self.random.integers(4, 25))
        self.frames[camera.label] = self.frames.get(camera.label, 0) + gap
        return self.frames[camera.label]

    def record(self, sighting: Sighting, *, pause: bool) -> Sighting:
        """The sighting at the next frame of its camera, with a seed of its own."""
        time = self.next(sighting.camera, pause=pause)
        return replace(sighting, time=time, seed=int(self.random.integers(1 << 62)))


def plan_street(settings: StreetSettings) -> Street:
    """Sample a street. Training and test people come from random streams of their own: more test people leave the
    training people as they were."""
    cameras = make_cameras(settings.seed, settings.cameras)
    train = sample_people(settings, 0, settings.train_people, first=1)
    strangers_wanted = math.ceil(settings.distractors / settings.crops_per_camera) if settings.distractors else 0
    everyone = sample_people(settings, 1, settings.test_people + strangers_wanted, first=5001, shuffled=True)
    test = tuple(
        replace(person, label=f"{settings.train_people + i + 1:04d}")
        for i, person in enumerate(everyone[: settings.test_people])
    )
    strangers = everyone[settings.test_people :]
    random = np.random.default_rng([settings.seed, 50])
    chosen = random.permutation(len(test))[: round(settings.absent * len(test))]
    absent = frozenset(test[int(i)].label for i in chosen)
    sightings: list[Sighting] = []
    clock = Clock(random)
    for person in train:
        sightings += walk(settings, cameras, person, clock, split="train", listed=True)
    for person in test:
        sightings += walk(settings, cameras, person, clock, split="gallery", listed=person.label not in absent)
    sightings += walk_strangers(settings, cameras, strangers, clock)
    sightings += misplaced(settings, cameras, (*test, *strangers), clock)
    return Street(cameras, train, test, absent, tuple(sightings))


def sample_people(
    settings: StreetSettings, stream: int, count: int, *, first: int, shuffled: bool = False
) -> tuple[Person, ...]:
    """`count` people in groups of look-alikes, labels from `first` on, some with a second outfit."""
    random = np.random.default_rng([settings.seed, 10 + stream])
    people: list[Person] = []
    while len(people) < count:
        size = min(settings.group, count - len(people))
        people += sample_look_alikes(random, [f"{first + len(people) + i:04d}" for i in range(size)])
    order = random.permutation(count) if shuffled else np.arange(count)
    people = [people[int(i)] for i in order]
    changing = set(random.permutation(count)[: round(settings.changing * count)].tolist())
    return tuple(with_change_of_clothes(random, p) if i in changing else p for i, p in enumerate(people))


def walk(
    settings: StreetSettings,
    cameras: tuple[Camera, ...],
    person: Person,
    clock: Clock,
    *,
    split: str,
    listed: bool,
) -> list[Sighting]:
    """All sightings of one labelled person: past some cameras, in the second half of them in the second outfit.

    `listed`: the person has crops in `split`. A person of the gallery has queries too.
    """
    random = clock.random
    passed = [cameras[int(i)] for i in random.permutation(len(cameras))[: settings.cameras_per_person]]
    sightings: list[Sighting] = []
    with_query: list[int] = []
    if split == "gallery":
        with_query = random.permutation(len(passed))[: settings.queries_per_person].tolist()
    for number, camera in enumerate(passed):
        later = 2 * number >= len(passed)
        outfit = person.outfits[-1] if later else person.outfits[0]
        splits = ["query"] * (number in with_query) + [split] * (settings.crops_per_camera if listed else 0)
        course = int(random.integers(3))
        for i, one in enumerate(splits):
            # Most people keep their course past a camera; some turn.
            turn = course if random.random() < 0.55 else int(random.integers(3))
            sighting = Sighting(one, "person", person, outfit, camera, VIEWS[turn], 2 if later else 1)
            sightings.append(clock.record(sighting, pause=i == 0))
    return sightings


def walk_strangers(
    settings: StreetSettings,
    cameras: tuple[Camera, ...],
    strangers: tuple[Person, ...],
    clock: Clock,
) -> list[Sighting]:
    """The distractors: strangers past one camera each."""
    sightings = []
    for i in range(settings.distractors):
        person = strangers[i // settings.crops_per_camera]
        camera = cameras[(i // settings.crops_per_camera) % len(cameras)]
        view = VIEWS[int(clock.random.integers(3))]
        first = i % settings.crops_per_camera == 0
        sighting = Sighting("gallery", "distractor", person, person.outfits[-1], camera, view, 1)
        sightings.append(clock.record(sighting, pause=first))
    return sightings


def misplaced(
    settings: StreetSettings,
    cameras: tuple[Camera, ...],
    people: tuple[Person, ...],
    clock: Clock,
) -> list[Sighting]:
    """The junk: boxes that mostly miss somebody."""
    if not people:
        return []
    random = clock.random
    sightings = []
    for _ in range(settings.junk):
        person, camera = people[int(random.integers(len(people)))], cameras[int(random.integers(len(cameras)))]
        view = VIEWS[int(random.integers(3))]
        sighting = Sighting("gallery", "junk", person, person.outfits[0], camera, view, 1)
        sightings.append(clock.record(sighting, pause=True))
    return sightings
