"""The reasoner is given the same pixels in whatever form a picture comes, and frames are shrunk to just those."""

from __future__ import annotations

import hashlib
import io
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reidr.data.pictures import images
from reidr.data.pictures.images import read_picture
from reidr.data.types import Crop
from reidr.errors import ImageError
from reidr.reasoning.backends.local import Engine
from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.inference.vision_cache import VisionCache, picture_digest
from reidr.reasoning.prompting.prompt import (
    CROP_PIXELS,
    encode_crops,
    encode_pairs,
    open_pair,
    prepare,
    prepared_options,
)
from reidr.reasoning.types import Pair

ARRAY = np.random.default_rng(0).integers(0, 256, (96, 48, 4), dtype=np.uint8)


def forms(folder: Path) -> Iterator[Any]:
    """One picture with alpha and a turn, as everything that may be handed over."""
    path = folder / "a.png"
    exif = Image.Exif()
    exif[274] = 8
    Image.fromarray(ARRAY).save(path, exif=exif)
    yield from (path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes()), Image.open(path))
    yield np.rot90(ARRAY)
    yield torch.from_numpy(np.rot90(ARRAY).copy()).permute(2, 0, 1)
    yield read_picture(path)


def test_the_digest_is_of_the_pixels_the_model_is_given(tmp_path: Path) -> None:
    assert len({picture_digest(form) for form in forms(tmp_path)}) == 1
    plain = Image.fromarray(ARRAY[:, :, :3])
    assert picture_digest(plain) == hashlib.sha256(b"(48, 96)" + plain.tobytes()).hexdigest()
    one = plain.quantize(8)
    two = one.copy()
    two.putpalette(one.getpalette()[::-1])
    marked = one.copy()
    marked.info["transparency"] = one.getpixel((0, 0))
    assert one.tobytes() == two.tobytes() == marked.tobytes()
    assert len({picture_digest(picture) for picture in (one, two, marked)}) == 3
    with pytest.raises(ImageError, match="too thin"):
        picture_digest(Image.new("RGB", (4, 1000)))


def test_pairs_and_crops_are_read_alike(reasoner: Any, tmp_path: Path) -> None:
    wanted = None
    for form in forms(tmp_path):
        opened = open_pair((form, form))
        assert opened[0].mode == opened[1].mode == "RGB"
        pixels = encode_pairs(reasoner.processor, [(form, form)], "score")["pixel_values"]
        single = encode_crops(reasoner.processor, [form], ["Describe."])["pixel_values"]
        crop = open_pair(Pair(Crop("a", form), Crop("b", form)))
        assert crop[0].tobytes() == opened[0].tobytes()
        wanted = pixels if wanted is None else wanted
        assert torch.equal(pixels, wanted)
        assert torch.equal(single, wanted[: len(single)])
        found = VisionCache(reasoner.adapter, 10**9).encode({"a": lambda form=form: form})
        assert found["a"].shape == tuple(encode_crops(reasoner.processor, [form], ["x"])["image_grid_thw"][0].tolist())


def test_a_thin_picture_is_one_sentence_and_not_a_traceback(reasoner: Any) -> None:
    thin, good = Image.new("RGB", (4, 1000)), Image.new("RGB", (48, 96))
    with pytest.raises(ImageError, match="person B: 4x1000 is too thin"):
        encode_pairs(reasoner.processor, [(good, thin)], "score")
    with pytest.raises(ImageError, match="picture 2: 4x1000 is too thin"):
        encode_crops(reasoner.processor, [good, thin], ["a", "b"])
    with pytest.raises(ImageError, match="crop t: 4x1000 is too thin"):
        reasoner.score([Pair(Crop("g", good), Crop("t", thin))])


@pytest.mark.parametrize("sides", [(900, 1700), (711, 713), (250, 4000), (1024, 512), (48, 96), (20, 30), (61, 200)])
def test_what_is_prepared_is_what_the_processor_makes(reasoner: Any, sides: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (sides[1], sides[0], 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    for pixels in (None, (4_000, 20_000), (18_432, 20_736), CROP_PIXELS, (10**6, 4 * 10**6)):
        small = prepare(reasoner.processor, picture, pixels)
        assert prepare(reasoner.processor, small, pixels) is small  # nothing is resized a second time
        assert picture.info == {}
        size = {} if pixels is None else {"size": {"shortest_edge": pixels[0], "longest_edge": pixels[1]}}
        whole = reasoner.processor.image_processor(picture, return_tensors="pt", **size)
        options = prepared_options(reasoner.processor, pixels)
        assert options == {"do_resize": False}
        shrunk = reasoner.processor.image_processor(small, return_tensors="pt", **options)
        assert torch.equal(whole["pixel_values"], shrunk["pixel_values"])
        assert torch.equal(whole["image_grid_thw"], shrunk["image_grid_thw"])
        pair = encode_pairs(reasoner.processor, [(picture, small)], "score", pixels=pixels)
        assert torch.equal(pair["pixel_values"], torch.cat([whole["pixel_values"]] * 2))


def test_a_processor_of_another_kind_is_given_the_pictures_as_they_are(reasoner: Any) -> None:
    class Other:
        image_processor = object()

    picture = Image.new("RGB", (64, 128))
    assert prepare(Other(), picture, (1, 2)) is picture
    assert prepared_options(Other(), (1, 2)) == {"size": {"shortest_edge": 1, "longest_edge": 2}}


def test_no_frame_is_held_while_the_next_is_read(
    reasoner: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made_so_far: list[weakref.ref[Image.Image]] = []
    most = 0
    original = images.upright_rgb

    def counted(name: str, picture: Image.Image) -> Image.Image:
        nonlocal most
        most = max(most, sum(each() is not None for each in made_so_far))
        made = original(name, picture)
        if made is not picture:  # read from a file just now
            made_so_far.append(weakref.ref(made))
        return made

    monkeypatch.setattr(images, "upright_rgb", counted)
    for place in range(6):
        Image.new("RGB", (300, 601), (40 * place, 0, 0)).save(tmp_path / f"{place}.png")
    crops = [Crop(str(place), tmp_path / f"{place}.png") for place in range(6)]
    pairs = [Pair(crops[0], crop) for crop in crops[1:]]
    engine = Engine(reasoner)
    settings = Thinking(max_new_tokens=2)
    for run in (
        lambda: reasoner.score(pairs),
        lambda: reasoner.think(pairs, settings),
        lambda: reasoner.ask_about_crops(crops, max_new_tokens=2),
        lambda: engine.score(pairs),
        lambda: engine.think(pairs, settings),
        lambda: CropFeatures(reasoner.model, reasoner.processor, [crop.open for crop in crops]),
    ):
        most = 0
        run()
        assert most <= 2  # the two of one pair
