"""Which kind of detector an ONNX graph is, by the names and shapes of its inputs and outputs.

| kind | input | outputs |
| --- | --- | --- |
| yolox | one picture, 0 to 255, BGR, letterbox | (N, cells, 5 + classes), decoded or not (Ge et al. 2021) |
| detr-sizes | picture and `orig_target_sizes` | labels, boxes, scores: RT-DETR, D-FINE, DEIM |
| detr | one picture | (N, queries, 4) boxes and (N, queries, classes) logits: the same, and RF-DETR |

RT-DETR: Zhao et al. 2024. D-FINE: Peng et al. 2024. RF-DETR: Robinson et al. 2025.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from reidr.errors import WeightsError

Kind = Literal["yolox", "detr-sizes", "detr"]
Shape = tuple[int | str | None, ...]
PEOPLE = ("person", "pedestrian", "people", "human")
COCO_CLASSES, COCO_IDS = 80, (90, 91)
"""How many classes a detector of COCO has: counted without gaps, person first; or by COCO's own numbers, person 1."""
STRIDES = ((8, 16, 32), (8, 16, 32, 64))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SIDECAR_HINT = 'say it in {sidecar} beside it, for example {{"person_classes": [0]}}'


@dataclass(frozen=True)
class GraphFacts:
    """What an ONNX file says of itself: names to shapes, in their order; metadata as it stands in the file."""

    path: str
    sidecar: str
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Recognised:
    """What is to be known to use a detector.

    Attributes:
        kind: see above. height, width: of its input. classes: how many. imagenet: whether pixels are normalised by
            ImageNet's mean and deviation. picture, sizes: names of the inputs. outputs: names in the order in which the
            kind needs them.
    """

    kind: Kind
    height: int
    width: int
    classes: int | None
    imagenet: bool
    picture: str
    sizes: str | None
    outputs: tuple[str, ...]


def recognise(facts: GraphFacts) -> Recognised:
    """The kind of a detector.

    Raises WeightsError where it is none of the kinds, saying what it has and what would be recognised.
    """
    pictures = [
        name
        for name, shape in facts.inputs.items()
        if len(shape) == 4 and (shape[1] == 3 or not isinstance(shape[1], int))
    ]
    others = [name for name in facts.inputs if name not in pictures]
    if len(pictures) != 1 or len(others) > 1:
        raise not_recognised(facts)
    height, width = (size if isinstance(size, int) and size > 0 else None for size in facts.inputs[pictures[0]][2:])
    found = yolox_of(facts, height, width) if not others else None
    found = found or detr_of(facts) or (sized_of(facts) if others else None)
    if found is None:
        raise not_recognised(facts)
    if height is None or width is None:
        raise WeightsError(
            f"{facts.path}: its graph leaves the size of a picture open; say it in {facts.sidecar} beside it, for "
            'example {"height": 640, "width": 640}'
        )
    kind, classes, imagenet, outputs = found
    return Recognised(kind, height, width, classes, imagenet, pictures[0], others[0] if others else None, outputs)


Found = tuple[Kind, int | None, bool, tuple[str, ...]]


def yolox_of(facts: GraphFacts, height: int | None, width: int | None) -> Found | None:
    """YOLOX: one output with a row for every cell of the grids of strides 8, 16, 32 (and 64)."""
    if len(facts.outputs) != 1:
        return None
    [(name, shape)] = facts.outputs.items()
    if len(shape) != 3 or not isinstance(shape[2], int) or shape[2] < 6:
        return None
    if isinstance(shape[1], int) and (height is None or width is None or strides_of(height, width, shape[1]) is None):
        return None
    return "yolox", shape[2] - 5, False, (name,)


def strides_of(height: int, width: int, cells: int) -> tuple[int, ...] | None:
    """The strides of the grids that together have so many cells; None where no usual ones do."""
    return next(
        (each for each in STRIDES if sum((height // stride) * (width // stride) for stride in each) == cells), None
    )


def detr_of(facts: GraphFacts) -> Found | None:
    """Boxes and logits: two outputs of equal length, one of width 4. Names decide where classes are four, too."""
    pairs = [(name, shape) for name, shape in facts.outputs.items() if len(shape) == 3]
    if len(pairs) < 2:
        return None
    boxes = [name for name, shape in pairs if shape[2] == 4 and ("box" in name.lower() or name.lower() == "dets")]
    boxes = boxes or [name for name, shape in pairs if shape[2] == 4]
    logits = [name for name, _ in pairs if "logit" in name.lower() or name.lower() == "labels"]
    logits = logits or [name for name, shape in pairs if name not in boxes[:1]]
    if not boxes or not logits or boxes[0] == logits[0]:
        return None
    width = facts.outputs[logits[0]][2]
    classes = width if isinstance(width, int) else None
    own_names = {name.lower() for name in facts.outputs}
    imagenet = "dets" in own_names or classes in COCO_IDS
    return "detr", classes, imagenet, (boxes[0], logits[0])


def sized_of(facts: GraphFacts) -> Found | None:
    """Labels, boxes and scores, which ask for the size of the frame beside the picture."""
    names = {name.lower(): name for name in facts.outputs}
    if not {"labels", "boxes", "scores"} <= set(names):
        return None
    return "detr-sizes", None, False, (names["boxes"], names["scores"], names["labels"])


def not_recognised(facts: GraphFacts) -> WeightsError:
    """The sentence about a graph that is none of the kinds."""
    return WeightsError(
        f"{facts.path}: not recognised as a detector: inputs {spelt(facts.inputs)}; outputs {spelt(facts.outputs)}. "
        "Recognised are YOLOX, RT-DETR, D-FINE and RF-DETR; or give one of your own as module:factory "
        "(docs/index-video.md)"
    )


def spelt(shapes: Mapping[str, Shape]) -> str:
    """Names with their shapes: "images 1x3x416x416"."""
    return ", ".join(f"{name} {'x'.join(str(size) for size in shape) or 'scalar'}" for name, shape in shapes.items())


def person_classes(facts: GraphFacts, classes: int | None) -> tuple[int, ...]:
    """Which classes are people: by the names in the file's metadata, else by the number of classes.

    Raises WeightsError where no class is a person, or where nobody says which is.
    """
    names = class_names(facts.metadata)
    if names:
        people = tuple(number for number, name in sorted(names.items()) if name.lower() in PEOPLE)
        if people:
            return people
        some = ", ".join(list(names.values())[:5])
        raise WeightsError(
            f"{facts.path}: none of its classes is a person (it knows {some}); take a detector of people"
        )
    if classes in (1, COCO_CLASSES):
        return (0,)
    if classes in COCO_IDS:
        return (1,)
    if classes is None:  # of RT-DETR and D-FINE with labels in their outputs, as their authors export them
        return (0,)
    hint = SIDECAR_HINT.format(sidecar=facts.sidecar)
    raise WeightsError(f"{facts.path}: has {classes} classes and does not say which of them is a person; {hint}")


def class_names(metadata: Mapping[str, str]) -> dict[int, str]:
    """Class names by number from a file's metadata (`names`: a list or dictionary in JSON or Python); empty: none."""
    try:
        found = ast.literal_eval(metadata.get("names", "{}"))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return {}
    if isinstance(found, Mapping):
        pairs: Sequence[tuple[object, object]] = list(found.items())
    elif isinstance(found, list | tuple):
        pairs = list(enumerate(found))
    else:
        return {}
    return {int(str(number)): str(name) for number, name in pairs if str(number).isdigit()}
