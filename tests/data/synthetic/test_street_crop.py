"""Drawing: a pure function of its arguments, in which a repainted garment changes nothing but itself."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from reidr.data.synthetic import Body, Outfit, Person, make_cameras, render_crop
from reidr.data.synthetic.person.clothing import Cloth
from reidr.data.synthetic.person.figure import draw_figure
from reidr.data.synthetic.person.pose import VIEWS, Pose, make_skeleton, sample_pose
from reidr.data.synthetic.picture.camera import cast, expose
from reidr.data.synthetic.picture.canvas import Canvas, Part
from reidr.data.synthetic.picture.framing import figure_extent, place_box
from reidr.errors import DataError

OUTFIT = Outfit(
    upper_color="green",
    upper_pattern="print",
    pattern_color="yellow",
    jacket_color="navy",
    lower_color="beige",
    bag="backpack",
    bag_color="red",
    hat="cap",
    hat_color="white",
)
PERSON = Person("1", Body(), "long", "brown", (OUTFIT,))
CAMERAS = make_cameras(0, 6)
SHIRT = {Part.UPPER, Part.PRINT_ZONE, Part.UPPER_SLEEVE, Part.UPPER_FOREARM}
REPAINTS = {
    "upper_color": ("red", SHIRT),
    "pattern_color": ("black", SHIRT),
    "jacket_color": ("brown", {Part.JACKET, Part.JACKET_SLEEVE, Part.JACKET_FOREARM}),
    "lower_color": ("blue", {Part.LOWER, Part.LOWER_CALF}),
    "shoes_color": ("red", {Part.SHOES}),
    "bag_color": ("green", {Part.BAG}),
    "hat_color": ("red", {Part.HAT}),
}


def counts(canvas: Canvas) -> np.ndarray:
    return np.bincount(canvas.parts.ravel(), minlength=len(Part))


def test_the_same_arguments_give_the_same_bytes_and_another_seed_other_ones() -> None:
    first = render_crop(PERSON, OUTFIT, "front", CAMERAS[0], 7)
    again = render_crop(PERSON, OUTFIT, "front", CAMERAS[0], 7)
    assert first.jpeg == again.jpeg
    assert first.attributes == again.attributes
    assert render_crop(PERSON, OUTFIT, "front", CAMERAS[0], 8).jpeg != first.jpeg


@pytest.mark.parametrize("garment", REPAINTS)
@pytest.mark.parametrize("view", VIEWS)
def test_a_repainted_garment_changes_its_own_pixels_only(garment: str, view: str) -> None:
    color, allowed = REPAINTS[garment]
    repainted = replace(OUTFIT, **{garment: color})
    changed_somewhere = False
    for seed, camera in enumerate(CAMERAS[:3]):
        before = render_crop(PERSON, OUTFIT, view, camera, seed)
        after = render_crop(PERSON, repainted, view, camera, seed)
        np.testing.assert_array_equal(before.parts, after.parts)
        changed = (before.scene != after.scene).any(axis=2)
        assert set(np.unique(before.parts[changed]).tolist()) <= allowed
        changed_somewhere |= bool(changed.any())
    # Under the jacket no shirt shows from behind, and its print not even from the side.
    hidden = (view == "back" and allowed == SHIRT) or (view == "side" and garment == "pattern_color")
    assert changed_somewhere or hidden


def test_after_the_camera_a_repainted_garment_changes_only_what_is_near_it() -> None:
    repainted = replace(OUTFIT, shoes_color="red")
    changes = 0
    for seed, camera in enumerate(CAMERAS):
        before, after = (render_crop(PERSON, o, "side", camera, seed) for o in (OUTFIT, repainted))
        shoes = np.flatnonzero((before.parts == Part.SHOES).any(axis=1))
        if not len(shoes):
            continue
        first, second = np.asarray(before.image, int), np.asarray(after.image, int)
        top = math.floor(shoes[0] * first.shape[0] / before.parts.shape[0])
        # JPEG mixes colour within blocks of 16 rows, its decoder a row more; blur reaches three of its radii.
        reach = 16 + 2 + math.ceil(3 * camera.blur)
        np.testing.assert_array_equal(first[: max(0, top - reach)], second[: max(0, top - reach)])
        changes += int((first != second).any())
    assert changes >= 3


def test_an_unknown_view_is_refused() -> None:
    with pytest.raises(DataError, match="view is 'above'; it must be one of front, side, back"):
        render_crop(PERSON, OUTFIT, "above", CAMERAS[0], 0)


def test_there_is_no_face_from_behind() -> None:
    person = replace(PERSON, hair_length="short")
    bare = replace(OUTFIT, hat="none", hat_color="none")
    front = counts(draw_figure(person, bare, Pose(yaw=0.0), 0.0))
    back = counts(draw_figure(person, bare, Pose(yaw=math.pi), 0.0))
    assert front[Part.FACE] > 4 * back[Part.FACE]
    assert back[Part.HAIR] > 1.5 * front[Part.HAIR]


def test_a_backpack_is_whole_from_behind_a_bulge_from_the_side_and_straps_from_the_front() -> None:
    front, side, back = (
        counts(draw_figure(PERSON, OUTFIT, Pose(yaw=yaw), 0.0))[Part.BAG] for yaw in (0.0, math.pi / 2, math.pi)
    )
    assert 0 < front < side < back
    assert back > 3 * front


def test_a_print_is_on_the_front_only() -> None:
    shirt = replace(OUTFIT, jacket_color="none", bag="none", bag_color="none")
    plain = replace(shirt, upper_pattern="plain", pattern_color="none")
    for yaw, shows in ((0.0, True), (math.pi, False)):
        one, other = (draw_figure(PERSON, outfit, Pose(yaw=yaw), 0.0).color for outfit in (shirt, plain))
        assert bool((one != other).any()) is shows


@pytest.mark.parametrize("pattern", ["horizontal stripes", "vertical stripes", "checked"])
def test_the_second_colour_has_the_smaller_part_of_a_pattern(pattern: str) -> None:
    """Or nobody could say which of the two the garment's colour is."""
    along, around = (each.ravel() for each in np.meshgrid(np.linspace(0, 60, 240), np.linspace(-20, 20, 200)))
    cloth = Cloth((0.0, 0.0, 0.0), pattern, (1.0, 1.0, 1.0), period=10.0)
    assert cloth.woven(along, around).mean() == pytest.approx(0.36, abs=0.03)


@pytest.mark.parametrize("seed", range(12))
def test_people_are_in_one_piece_and_stand_on_the_ground(seed: int) -> None:
    random = np.random.default_rng(seed)
    pose = sample_pose(random, VIEWS[seed % 3], 0.0)
    bare = replace(OUTFIT, bag="none", bag_color="none")
    canvas = draw_figure(PERSON, bare, pose, 0.0)
    assert islands(canvas.parts > 0) == 1
    # The drawing touches no edge of its canvas, so nothing of it is lost.
    edges = (canvas.parts[0], canvas.parts[-1], canvas.parts[:, 0], canvas.parts[:, -1])
    assert not any(edge.any() for edge in edges)
    lowest = min(leg.end[1] for leg in make_skeleton(PERSON.body, pose).legs)
    assert lowest == pytest.approx(0.045 * PERSON.body.height)


def islands(mask: np.ndarray) -> int:
    """Connected pieces of at least 30 pixels, by plain flood fill."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    pieces = 0
    while left:
        front, size = [left.pop()], 1
        while front:
            y, x = front.pop()
            for step in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                if step in left:
                    left.remove(step)
                    front.append(step)
                    size += 1
        pieces += size >= 30
    return pieces


def test_cameras_differ_in_every_property() -> None:
    for name in ("brightness", "gamma", "gains", "saturation", "slope", "haze", "blur", "noise", "pitch", "loose"):
        assert len({getattr(camera, name) for camera in CAMERAS}) == 6, name
    assert len({camera.place for camera in CAMERAS}) == 6
    assert make_cameras(0, 6) == CAMERAS
    assert make_cameras(1, 6) != CAMERAS


def test_a_cast_keeps_the_mean_gain() -> None:
    # The three cosines of 120° steps sum to 0.
    for hue in (0.0, 1.0, 2.5):
        assert sum(cast(hue, 0.2)) == pytest.approx(3.0)
    assert cast(0.0, 0.2)[0] == pytest.approx(1.2)


def test_a_brighter_camera_makes_a_brighter_picture() -> None:
    picture = Image.new("RGB", (48, 96), (120, 110, 90))
    dark, light = (replace(CAMERAS[0], brightness=b) for b in (0.6, 1.1))
    means = [np.asarray(expose(c, picture, np.random.default_rng(0))).mean() for c in (dark, light)]
    assert means[0] + 20 < means[1]


def test_crops_have_the_sizes_of_their_camera_and_are_not_squeezed() -> None:
    random = np.random.default_rng(0)
    sizes = set()
    for camera in CAMERAS:
        for view in VIEWS:
            pose = sample_pose(random, view, camera.pitch)
            box = place_box(camera, figure_extent(PERSON, pose), random, bad=False)
            assert 40 <= box.size[0] <= 72
            assert camera.heights[0] <= box.size[1] <= camera.heights[1]
            assert box.width / box.height == pytest.approx(box.size[0] / box.size[1])
            sizes.add(box.size)
    assert len(sizes) > 6


def test_a_bad_box_shows_less_of_the_person() -> None:
    shares: dict[bool, list[float]] = {True: [], False: []}
    for bad, found in shares.items():
        for seed in range(25):
            crop = render_crop(PERSON, OUTFIT, "front", CAMERAS[seed % 6], seed, badly_cropped=bad)
            seen = (crop.parts > 0) & (crop.parts != Part.OCCLUDER)
            found.append(seen.sum() / counts(draw_figure(PERSON, OUTFIT, Pose(), 0.0))[1:].sum())
    assert np.median(shares[True]) < 0.6 * np.median(shares[False])
