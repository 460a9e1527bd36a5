"""`reidr train base`: the vision encoder is taught identity and attributes, then the language model to read what it sees."""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reidr.core.progress import progress
from reidr.core.run import Run, content_hash, in_own_folder, write_json
from reidr.core.storage.files import filling, torch_save
from reidr.data.attributes import common_attributes
from reidr.data.join import join_training
from reidr.data.load import load_dataset
from reidr.data.sketch import sketch_of
from reidr.data.synthetic.plan import plan_street
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.data.synthetic.twins import street_twins
from reidr.data.types import Crop
from reidr.errors import ReIDError
from reidr.fusion.profile import PEOPLE, InferenceProfile, store_profile
from reidr.training.common.identities import hold_out_identities
from reidr.training.common.left_out import say_left_out
from reidr.training.recipes.embedder_and_base import PretrainingRecipe
from reidr.training.recipes.find import named_by, stage_values

if TYPE_CHECKING:
    from reidr.reasoning.inference.crop_features import CropFeatures
    from reidr.reasoning.nano.attribute_head import AttributeHead
    from reidr.retrieval.embedders.network import RetrieverNetwork

FURTHER = 10  # the streets to read have the seeds from here on, counted from the vision encoder's first street
VISION_ENCODER_FURTHER = 100  # and the vision encoder's further streets from here on
NOTICE = "This reasoner was never taught a verdict (it is the base of warm-up and reinforcement learning)."
HEARD = 5000  # crops from which it is learned how a taught language model hears what is read
SPLIT = ("data", "held_out_share", "reasoning_share", "split_seed")


@dataclass(frozen=True)
class People:
    """Who was used for what when a reasoner's base was trained.

    Attributes:
        vision encoder: photos of identities that its vision encoder was taught on. reasoning: of identities that the vision encoder never
            saw; honest pairs are made of them. held_out: of identities that no part ever saw, for choices.
    """

    vision_encoder: tuple[Crop, ...]
    reasoning: tuple[Crop, ...]
    held_out: tuple[Crop, ...]


def split_people(recipe: PretrainingRecipe) -> People:
    """Split the photos' training identities by hash; all empty for a recipe without photos."""
    if not recipe.data:
        return People((), (), ())
    datasets = [load_dataset(path) for path in recipe.data]
    say_left_out(datasets)
    crops = join_training(datasets)
    joined = [replace(crop, attributes=common_attributes(crop.attributes)) for crop in crops]
    kept, held_out = hold_out_identities(joined, recipe.held_out_share, recipe.split_seed)
    # Another seed: with the same one the second cut would fall on the people the first has taken away.
    vision_encoder, reasoning = hold_out_identities(kept, recipe.reasoning_share, recipe.split_seed + 1)
    return People(vision_encoder, reasoning, held_out)


def street_people(folder: Path, people: int, seed: int) -> tuple[Crop, ...]:
    """The labelled crops of a rendered street, persons and cameras named after its seed."""
    settings = street_settings(people, seed)
    with progress(f"rendering street {seed}", len(plan_street(settings).sightings)) as advance:
        crops = render_street(folder, settings, advance).train
    return tuple(of_street(seed, crop) for crop in crops)


def twins_of_street(people: int, seed: int, share: float) -> tuple[Crop, ...]:
    """Counterfactual twins (`data.street.twins`) of a `share` of the crops of `street_people`, named as those are."""
    if not share:
        return ()
    settings = street_settings(people, seed)
    found = []
    with progress(f"rendering twins of street {seed}", round(share * len(plan_street(settings).sightings))) as advance:
        for crop in street_twins(settings, share):
            found.append(of_street(seed, crop))
            advance(1)
    return tuple(found)


def street_settings(people: int, seed: int) -> StreetSettings:
    """A street of labelled training people alone."""
    return StreetSettings(seed=seed, train_people=people, crops_per_camera=3, distractors=0, junk=0)


def attribute_streets(folder: Path, recipe: PretrainingRecipe) -> tuple[Crop, ...]:
    """The crops of the streets that are there to be read only: two cameras' of each person, one each.

    A colour's name is learned from many people in many lights; from one street's 350 people, however many crops, it is
    not (docs/lab.md).
    """
    seeds = range(recipe.street_seed + FURTHER, recipe.street_seed + FURTHER + recipe.attribute_streets)
    each = StreetSettings(
        train_people=recipe.attribute_street_people, cameras_per_person=2, queries_per_person=1, crops_per_camera=1,
        distractors=0, junk=0,
    )  # fmt: skip
    found: list[Crop] = []
    with progress("rendering streets to read", recipe.attribute_streets) as advance:
        for seed in seeds:
            crops = render_street(folder / str(seed), replace(each, seed=seed)).train
            found += (of_street(seed, crop) for crop in crops)
            advance(1)
    return tuple(found)


def of_street(seed: int, crop: Crop) -> Crop:
    """`crop` with id, person and camera named after its street."""
    name = f"street{seed}"
    return replace(crop, id=f"{name}/{crop.id}", person=f"{name}:{crop.person}", camera=f"{name}:{crop.camera}")


def vision_encoder_streets(folder: Path, recipe: PretrainingRecipe) -> tuple[Crop, ...]:
    """The crops of the streets that the vision encoder is taught on."""
    first = street_people(folder / "vision encoder-street", recipe.vision_encoder_street_people, recipe.street_seed)
    seeds = range(
        recipe.street_seed + VISION_ENCODER_FURTHER,
        recipe.street_seed + VISION_ENCODER_FURTHER + recipe.vision_encoder_streets - 1,
    )
    streets = folder / "vision encoder-streets"
    return first + tuple(
        crop for seed in seeds for crop in street_people(streets / str(seed), recipe.vision_encoder_street_people, seed)
    )


@in_own_folder
def pretraining_stage(recipe_name: str, folder: Path, changes: dict[str, Any]) -> Path:
    """Train the base of a recipe; returns the folder of the finished checkpoint. A finished run does nothing."""
    values, source = stage_values(recipe_name, "base", changes)
    recipe = PretrainingRecipe.from_values(values, source)
    with named_by(source):
        people = split_people(recipe)
    data = {name: content_hash([crop.id for crop in crops]) for name, crops in vars(people).items()}
    run = Run(folder, "train base", recipe.model_dump(mode="json"), data, defaults=recipe.defaults())
    where = folder / "model"
    if run.finished("base"):
        return where
    network = _vision_encoder(recipe, run, people)
    started = time.perf_counter()
    crops = [
        *(crop for crop in (*people.vision_encoder, *people.reasoning) if crop.attributes),
        *street_people(folder / "street", recipe.street_people, recipe.street_seed + 1),
        *twins_of_street(recipe.street_people, recipe.street_seed + 1, recipe.street_twins),
        *attribute_streets(folder / "reading-streets", recipe),
    ]
    log = _language(recipe, run, network, crops)
    pictures = {str(path): sketch_of(load_dataset(path)) for path in recipe.data}
    write_json(where / PEOPLE, {**recipe.model_dump(mode="json", include=set(SPLIT)), "pictures": pictures})
    store_profile(InferenceProfile(0.0, "nothing: no verdict was taught", NOTICE, None), where)
    run.finish("base", started, model="model", last_loss=log[-1]["loss"] if log else None)
    return where


def _vision_encoder(recipe: PretrainingRecipe, run: Run, people: People) -> RetrieverNetwork:
    """The vision encoder, taught stage by stage: small pictures first, which is quick, in the end those it will see."""
    import torch

    from reidr.retrieval.embedders.network import build_network
    from reidr.training.retriever.train import train_retriever

    path = run.path("vision encoder/weights.pt")
    if path.is_file():
        taught = build_network(recipe.vision_encoder[-1].network)
        taught.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        return taught.eval()
    started = time.perf_counter()
    crops = [*people.vision_encoder, *vision_encoder_streets(run.folder, recipe)]
    network: RetrieverNetwork | None = None
    for number, training in enumerate(recipe.vision_encoder, start=1):
        name = f"vision encoder-{number}"
        run.path(f"{name}/log.jsonl")
        with progress(
            f"teaching the vision encoder, pictures of {training.network.height} rows", training.epochs
        ) as advance:
            network = train_retriever(training, crops, run.folder / name, advance, start=network)
    assert network is not None
    torch_save(network.state_dict(), path)
    run.finish("vision_encoder", started, images=len(crops), identities=len({crop.person for crop in crops}))
    return network


def _language(recipe: PretrainingRecipe, run: Run, network: RetrieverNetwork, crops: Sequence[Crop]) -> list[dict[str, float]]:
    """Teach connector and language model behind the vision encoder `network` to read `crops`, into the run's `model` folder."""
    import torch

    from reidr.reasoning.inference.crop_features import CropFeatures
    from reidr.reasoning.models.checkpoint import save_checkpoint
    from reidr.reasoning.nano.build import build_convolutional, with_attribute_head
    from reidr.training.common.device import training_device
    from reidr.training.pretraining.attribute_head import read_all, read_out_of_fold, tell_as_understood, values_to_read
    from reidr.training.pretraining.templates import vocabulary_corpus
    from reidr.training.pretraining.language_model import ExampleSource, train_language_model
    from reidr.training.pretraining.visibility import hide_what_is_not_seen

    torch.manual_seed(recipe.seed)
    words = vocabulary_corpus(np.random.default_rng(recipe.seed))
    model: Any
    model, processor = build_convolutional(words, network, seed=recipe.seed, **recipe.language.model_dump())
    device = training_device()
    model.to(device)
    where = run.folder / "model"
    check_same_words(where, processor)
    with progress("looking at the crops", len(crops)) as advance:
        seen = CropFeatures(model, processor, [crop.open for crop in crops], learning="connector", advance=advance)
    crops = hide_what_is_not_seen(crops, seen)
    with progress("teaching the language model", recipe.steps) as advance:
        source = ExampleSource(crops, processor, recipe)
        log = train_language_model(recipe, source, run.folder, model, seen, advance)
    if recipe.attribute_head_steps:
        model = with_attribute_head(model, values_to_read(crops), recipe.seed)
        model.to(device)
        seen.serve(model)
        visual, folds = model.model.visual, recipe.attribute_head_folds if recipe.attribute_head_folds > 1 else 0
        untaught = copy.deepcopy(visual.attribute_head)
        _attribute_head(recipe, run, crops, visual.attribute_head, seen)
        if folds:
            with progress("teaching readers out of fold", folds * recipe.attribute_head_steps) as advance:
                read = read_out_of_fold(recipe, crops, untaught, seen, run.folder, advance)
        else:
            read = read_all(visual.attribute_head, seen, range(len(crops)))
        some = np.random.default_rng(recipe.seed).permutation(len(crops))[:HEARD].tolist()
        tell_as_understood(visual, seen, some, read[some])
        seen.take_as_read(read)
        config = recipe.reading
        with progress("teaching the language model to hear the reader", config.steps) as advance:
            source = ExampleSource(crops, processor, config)
            where_to = run.path("reading/log.jsonl").parent
            log = train_language_model(config, source, where_to, model, seen, advance)
    save_checkpoint(model.half(), None, where)
    return log


def _attribute_head(
    recipe: PretrainingRecipe, run: Run, crops: Sequence[Crop], attribute_head: AttributeHead, seen: CropFeatures
) -> None:
    """Teach the attribute head, or take the one that an earlier start of this run has taught."""
    import torch

    from reidr.training.pretraining.attribute_head import train_attribute_head

    path = run.path("attribute_head.pt")
    if path.is_file():
        attribute_head.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        return
    started = time.perf_counter()
    with progress("teaching the attribute head", recipe.attribute_head_steps) as advance:
        losses = train_attribute_head(recipe, crops, attribute_head, seen, advance)
    torch_save(attribute_head.state_dict(), path)
    last = losses[-100:]
    run.finish(
        "attribute_head", started, attributes=list(attribute_head.reads), last_loss=round(sum(last) / len(last), 4)
    )


def check_same_words(where: Path, processor: Any) -> None:
    """Keep the tokenizer with a run's first step: raises ReIDError where a resumed run would read its weights with
    another one, because the grammar has changed since.
    """
    began = where / "tokenizer.json"
    if not began.is_file():
        with filling(where, last=began.name) as folder:
            processor.save_pretrained(folder)
        return
    with tempfile.TemporaryDirectory(prefix="reidr-words-") as scratch:
        processor.save_pretrained(scratch)
        same = (Path(scratch) / began.name).read_bytes() == began.read_bytes()
    if not same:
        raise ReIDError(f"{where}: the grammar has changed since this run began; give a new folder with --run")
