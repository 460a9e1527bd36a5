"""The rendered street: people drawn by our own code, seen by cameras that disagree, with every fact known.

dataset = render_street(Path("runs/street"), DEMO_STREET)          # files and a manifest, loaded
for crop in street_crops(TRAINING_STREET, "train"): ...            # the same crops, in memory
"""

from reidr.data.synthetic.person.appearance import ATTRIBUTES, NOT_VISIBLE, Body, Outfit, Person, true_attributes
from reidr.data.synthetic.picture.camera import Camera, make_cameras
from reidr.data.synthetic.picture.crop import RenderedCrop, render_crop
from reidr.data.synthetic.plan import Sighting, Street, plan_street
from reidr.data.synthetic.settings import DEMO_STREET, EVALUATION_STREET, TRAINING_STREET, StreetSettings
from reidr.data.synthetic.street import render_street, street_crops

__all__ = [
    "ATTRIBUTES",
    "DEMO_STREET",
    "EVALUATION_STREET",
    "NOT_VISIBLE",
    "TRAINING_STREET",
    "Body",
    "Camera",
    "Outfit",
    "Person",
    "RenderedCrop",
    "Sighting",
    "Street",
    "StreetSettings",
    "make_cameras",
    "plan_street",
    "render_crop",
    "render_street",
    "street_crops",
    "true_attributes",
]
