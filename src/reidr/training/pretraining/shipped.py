"""The base that ships: what a reasoner of the package was before any verdict.

It is kept as its difference from that reasoner, five bits a weight: a whole second checkpoint would not fit the 40 MB
that all weights may have. Their eyes are the same, and take nothing.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reidr.core.run import MANIFEST, Run, content_hash, in_own_folder, write_json
from reidr.core.storage.files import filling, make_folder, save_safetensors, torch_save
from reidr.errors import DataError, RecipeError, ReIDError, WeightsError
from reidr.fusion.profile import FILE, InferenceProfile, store_profile
from reidr.fusion.provenance import FILE as PEOPLE
from reidr.reasoning.models.checkpoint import PRESETS
from reidr.training.pretraining.stage import NOTICE, SPLIT, split_people
from reidr.training.recipes.embedder_and_base import BaseRecipe
from reidr.training.recipes.find import stage_values

if TYPE_CHECKING:
    from torch import Tensor

BASES = Path(__file__).parent.parent / "presets"
WEIGHTS, FACTS = "difference.safetensors", "base.json"
SCALE = ".scale"  # what a tensor's name is followed by in the name of its rows' scales
UNPACKED = "unpacking"  # the stage by which a run folder is known to be unpacked and not taught
BITS = 5
STEPS = 2 ** (BITS - 1) - 1  # a row's greatest difference is this many of its steps
NOT_THE_BASE = (FILE, "tuning_log.json", "README.md", PEOPLE)  # files of a reasoner that say what was decided for it


def shipped_bases(bases: Path = BASES) -> list[str]:
    """Names of the bases in this package."""
    return sorted(path.parent.name for path in bases.glob(f"*/{FACTS}"))


def pack_base(run: Path, name: str, target: Path = BASES, presets: Path = PRESETS) -> int:
    """Keep the base of a finished `train base` run as its difference from reasoner `name`; returns the bytes it takes.

    Each row of a matrix is rounded to 1/15 of its greatest difference, vectors are kept in half precision. Raises
    WeightsError where the two are not of one architecture.
    """
    import torch
    from safetensors.torch import load_file

    base, taught = (load_file(where / "model.safetensors") for where in (run / "model", presets / name))
    unlike = {key for key in {*base, *taught} if key not in base or key not in taught}
    unlike |= {key for key in {*base, *taught} - unlike if base[key].shape != taught[key].shape}
    if unlike:
        raise WeightsError(f"{run}: {name} did not come from this base ({min(unlike)} is not the same in both)")
    kept: dict[str, Tensor] = {}
    for key, own in base.items():
        difference = own.float() - taught[key].float()
        if not difference.any():
            continue
        if own.ndim < 2:
            kept[key] = difference.half()
            continue
        rows = difference.flatten(1)
        scale = (rows.abs().amax(dim=1, keepdim=True) / STEPS).half().float()
        steps = (rows / scale.clamp(min=1e-30)).round().clamp(-STEPS, STEPS)
        kept[key] = torch.from_numpy(pack_bits(steps.to(torch.int8).numpy()))
        kept[key + SCALE] = scale.half()
    folder = target / name
    make_folder(folder, private=False)  # it is to be shipped
    save_safetensors(kept, folder / WEIGHTS, private=False)
    manifest = json.loads((run / MANIFEST).read_text(encoding="utf-8"))
    facts = {part: manifest[part] for part in ("settings", "data", "environment", "created", "stages")}
    write_json(folder / FACTS, {"reasoner": name, "its_weights": weights_hash(presets / name), **facts}, private=False)
    return (folder / WEIGHTS).stat().st_size


@in_own_folder
def shipped_base_stage(recipe_name: str, folder: Path, changes: dict[str, Any], name: str) -> Path:
    """`unpack_base` for the base of a recipe with `changes` put over its values."""
    return unpack_base(name, BaseRecipe.from_values(*stage_values(recipe_name, "base", changes)), folder)


def unpack_base(name: str, recipe: BaseRecipe, folder: Path, bases: Path = BASES, presets: Path = PRESETS) -> Path:
    """Make `folder` the run folder of base `name`, as `train base` would leave it; returns it. Done once.

    Args:
        recipe: of the run that goes on from it; its values must be those the base was taught with (but for the folders
            in which its photos lie), because people are split by them.

    Raises:
        ReIDError: there is no such base. RecipeError: `folder` is another run's, or a base is taught in it. DataError:
            the recipe or its photos are not those of the base. WeightsError: the package's reasoner is not the one that
            the base belongs to.
    """
    import torch
    from safetensors.torch import load_file

    source, reasoner = bases / name, presets / name
    if not (source / FACTS).is_file():
        names = ", ".join(shipped_bases(bases)) or "none"
        raise ReIDError(f"{name}: no folder of a base run and no base of this package (there are: {names})")
    facts = json.loads((source / FACTS).read_text(encoding="utf-8"))
    _check_recipe(name, recipe, facts["settings"])
    people = {part: content_hash([crop.id for crop in crops]) for part, crops in vars(split_people(recipe)).items()}
    if people != facts["data"]:
        raise DataError(
            f"base {name} was taught on other photos than those of {', '.join(map(str, recipe.data)) or 'the recipe'}; "
            "teach a base on yours (`reidr train base`)"
        )
    if weights_hash(reasoner) != facts["its_weights"]:
        raise WeightsError(f"{reasoner}: not the weights that base {name} belongs to; install the package anew")
    begun = (folder / MANIFEST).is_file()
    run = Run(folder, "train base", recipe.model_dump(mode="json"), people, defaults=recipe.defaults())
    if begun and run.finished(UNPACKED) is None:
        raise RecipeError(f"{folder}: a base is being taught here, or was; choose another run folder")
    if run.finished("base"):
        return folder
    started = time.perf_counter()
    run.finish(UNPACKED, started, shipped=name)  # first: what is stopped here may be begun again, a taught base not
    where = folder / "model"
    weights, kept = load_file(reasoner / "model.safetensors"), load_file(source / WEIGHTS)
    for key in [key for key in kept if not key.endswith(SCALE)]:
        own = weights[key]
        if key + SCALE in kept:
            steps = torch.from_numpy(unpack_bits(kept[key].numpy(), own.numel()))
            difference = (steps.view(len(own), -1) * kept[key + SCALE].float()).view_as(own)
        else:
            difference = kept[key].float()
        weights[key] = (own.float() + difference).to(own.dtype)
    with filling(where, last="config.json") as checkpoint:
        others = shutil.ignore_patterns(*NOT_THE_BASE, "model.safetensors")
        shutil.copytree(reasoner, checkpoint, ignore=others, dirs_exist_ok=True)
        save_safetensors(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    vision_encoder = "model.visual.vision encoder."
    eyes = {key.removeprefix(vision_encoder): own for key, own in weights.items() if key.startswith(vision_encoder)}
    torch_save(
        {key: own.float() if own.is_floating_point() else own for key, own in eyes.items()},
        run.path("vision encoder/weights.pt"),
    )
    write_json(where / PEOPLE, recipe.model_dump(mode="json", include=set(SPLIT)))
    store_profile(InferenceProfile(0.0, "nothing: no verdict was taught", NOTICE, None), where)
    run.finish("base", started, model="model", shipped=name, taught=facts["stages"])
    return folder


def pack_bits(steps: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Whole numbers from -`STEPS` to `STEPS`, of any shape, as a string of `BITS` bits each."""
    raised = (steps.reshape(-1).astype(np.int16) + STEPS).astype(np.uint8)
    return np.packbits(np.unpackbits(raised[:, None], axis=1)[:, 8 - BITS :])


def unpack_bits(packed: NDArray[np.uint8], number: int) -> NDArray[np.int8]:
    """The first `number` of what `pack_bits` has packed, (number,)."""
    bits = np.unpackbits(packed, count=BITS * number).reshape(number, BITS)
    raised = np.packbits(np.pad(bits, ((0, 0), (8 - BITS, 0))), axis=1)[:, 0]
    return (raised.astype(np.int16) - STEPS).astype(np.int8)


def weights_hash(folder: Path) -> str:
    """SHA-256 of a checkpoint's `model.safetensors`. Raises WeightsError where it has none."""
    path = folder / "model.safetensors"
    if not path.is_file():
        raise WeightsError(f"{path}: missing; install the package anew")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _check_recipe(name: str, recipe: BaseRecipe, settings: dict[str, Any]) -> None:
    """Raise DataError where a recipe would have taught another base; where its photos lie does not matter."""
    own = recipe.model_dump(mode="json", exclude={"data"})
    # What recipes could not say yet when it was taught, it was taught with as it is by default.
    taught = BaseRecipe.from_values(settings, f"base {name}").model_dump(mode="json")
    for field, value in own.items():
        if value != taught[field]:
            raise DataError(
                f"base {name} was taught with {field}: {taught[field]!r}, the recipe says {value!r}; "
                "teach a base by it (`reidr train base`)"
            )
