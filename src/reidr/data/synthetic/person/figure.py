"""The whole person, painted from far to near."""

from __future__ import annotations

from reidr.data.synthetic.person.appearance import Outfit, Person
from reidr.data.synthetic.person.bags import (
    backpack_centre,
    draw_backpack,
    draw_handbag,
    draw_shoulder_bag,
    shoulder_bag_centre,
)
from reidr.data.synthetic.person.clothing import draw_upper
from reidr.data.synthetic.person.head import draw_head, draw_locks, draw_long_hair, draw_neck, place_head
from reidr.data.synthetic.person.legs import arm_depth, draw_arm, draw_legs
from reidr.data.synthetic.person.pose import CANVAS_HEIGHT, CANVAS_WIDTH, Limb, Pose, Skeleton, make_skeleton
from reidr.data.synthetic.picture.canvas import Canvas

BEHIND = -6.0  # cm: an arm whose lower half is farther back than this is painted before the trunk


def draw_figure(person: Person, outfit: Outfit, pose: Pose, light: float) -> Canvas:
    """`person` in `outfit` on an empty canvas of `CANVAS_WIDTH` x `CANVAS_HEIGHT`, standing at (GROUND_X, GROUND_Y).

    The shapes depend on the kind of each garment but never on a colour, so that a repainted garment changes its own
    pixels only.
    """
    canvas = Canvas(CANVAS_WIDTH, CANVAS_HEIGHT, light)
    skeleton = make_skeleton(person.body, pose)
    head = place_head(skeleton)
    hair_behind = skeleton.projection.screen(skeleton.spine(0.8, z=-10.0))[2] < -3.0
    pack_behind = skeleton.projection.screen(backpack_centre(skeleton))[2] < 0
    bag_behind = skeleton.projection.screen(shoulder_bag_centre(skeleton, outfit))[2] < -4.0
    far = [arm for arm in skeleton.arms if arm_depth(skeleton, arm) < BEHIND]
    near = sorted((arm for arm in skeleton.arms if arm not in far), key=lambda arm: arm_depth(skeleton, arm))

    for arm in far:
        draw_arm_with_bag(canvas, skeleton, outfit, arm, near=False)
    if outfit.bag == "backpack" and pack_behind:
        draw_backpack(canvas, skeleton, outfit)
    if outfit.bag == "shoulder bag" and bag_behind:
        draw_shoulder_bag(canvas, skeleton, outfit)
    if person.hair_length == "long" and hair_behind:
        draw_long_hair(canvas, head, person)
    draw_legs(canvas, skeleton, outfit)
    draw_neck(canvas, skeleton)
    draw_upper(canvas, skeleton, outfit)
    if outfit.bag == "backpack" and not pack_behind:
        draw_backpack(canvas, skeleton, outfit)
    if person.hair_length == "long" and not hair_behind:
        draw_head(canvas, head, person, outfit)
        draw_long_hair(canvas, head, person)
    if outfit.bag == "shoulder bag" and not bag_behind:
        draw_shoulder_bag(canvas, skeleton, outfit)
    if person.hair_length == "long":
        draw_locks(canvas, head, person)
    draw_head(canvas, head, person, outfit)
    for arm in near:
        draw_arm_with_bag(canvas, skeleton, outfit, arm, near=True)
    return canvas


def draw_arm_with_bag(canvas: Canvas, skeleton: Skeleton, outfit: Outfit, arm: Limb, *, near: bool) -> None:
    """An arm, with the handbag where this hand carries one."""
    if outfit.bag == "handbag" and arm.side == outfit.bag_side:
        draw_handbag(canvas, skeleton, outfit)
    draw_arm(canvas, skeleton, outfit, arm, casts_shadow=near)
