"""Prompts about two pictures, computed without doing anything twice.

A prompt reads text, picture A, text, picture B, question. What stands before picture B depends on A alone, so its
key-value cache is filled once and continued for every B; and each distinct picture passes the vision encoder once.
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers.models.qwen3_vl.modeling_qwen3_vl import BaseModelOutputWithDeepstackFeatures

from reidr.data.pictures.images import read_picture
from reidr.data.pictures.pixels import pixel_digest
from reidr.errors import ReIDError, WeightsError
from reidr.reasoning.prompting.prompt import Task, prepare, prepared_options, render

Grid = tuple[int, int, int]
TOGETHER = 64  # pictures that pass the vision encoder in one call
LAYOUTS = 4096  # prompts kept laid out; crops of one data set need some hundred


@dataclass(frozen=True, eq=False)
class Seen:
    """What the vision encoder makes of one picture: tokens of each layer, (tokens, values), and its grid of patches."""

    grid: Grid
    layers: tuple[Tensor, ...]

    @property
    def bytes(self) -> int:
        """Memory of the layers."""
        return sum(layer.numel() * layer.element_size() for layer in self.layers)


def picture_digest(image: Image.Image) -> str:
    """SHA-256 of the size and the RGB pixels that the model is given: palettes, transparency and turns count.

    Raises ImageError for a picture that cannot be used.
    """
    return pixel_digest(read_picture(image))


class Features:
    """The vision encoder's output for each distinct picture; the least recently used are let go beyond `capacity`
    bytes.

    They are kept in the type that the model computes in, so that nothing is rounded.
    """

    def __init__(self, model: Any, processor: Any, pixels: tuple[int, int] | None, capacity: int) -> None:
        self.model, self.processor, self.capacity = model, processor, capacity
        self._pixels = pixels
        self._options = prepared_options(processor, pixels)
        self._kept: OrderedDict[str, Seen] = OrderedDict()
        self._bytes = 0

    @torch.inference_mode()
    def look(self, pictures: Mapping[str, Callable[[], Image.Image]]) -> dict[str, Seen]:
        """What is seen in these pictures, given as digest → how to open it. Raises ImageError as opening does."""
        found = {}
        for digest in pictures:
            if digest in self._kept:
                self._kept.move_to_end(digest)
                found[digest] = self._kept[digest]
        missing = [digest for digest in pictures if digest not in found]
        for start in range(0, len(missing), TOGETHER):
            digests = missing[start : start + TOGETHER]
            for digest, seen in zip(
                digests, self._look([self._open(pictures[digest]) for digest in digests]), strict=True
            ):
                found[digest] = self._kept[digest] = seen
                self._bytes += seen.bytes
        while self._bytes > self.capacity and self._kept:
            self._bytes -= self._kept.popitem(last=False)[1].bytes
        return found

    def _open(self, opener: Callable[[], Image.Image]) -> Image.Image:
        return prepare(self.processor, read_picture(opener()), self._pixels)

    def _look(self, images: Sequence[Image.Image]) -> list[Seen]:
        inputs = self.processor.image_processor(list(images), return_tensors="pt", **self._options)
        grid = inputs["image_grid_thw"]
        output = self.model.get_image_features(
            inputs["pixel_values"].to(self.model.device, self.model.dtype),
            grid.to(self.model.device),
            return_dict=True,
        )
        layers = [output.pooler_output, *(getattr(output, "deepstack_features", None) or [])]
        grids: list[Any] = [tuple(row) for row in grid.tolist()]
        # A slice would keep the whole batch alive for as long as one of its pictures is kept.
        return [Seen(grids[place], tuple(layer[place].clone() for layer in layers)) for place in range(len(images))]


def encoder_outputs(pictures: Sequence[Seen]) -> dict[str, Any]:
    """What `get_image_features` would give for these pictures in this order, as `forward` takes it."""
    first, *more = zip(*(seen.layers for seen in pictures), strict=True)
    parts: dict[str, Any] = {"pooler_output": list(first), "deepstack_features": [list(layer) for layer in more]}
    return {"image": BaseModelOutputWithDeepstackFeatures(last_hidden_state=None, **parts)}


def lay_out(model: Any, image_token: int, ids: Sequence[int], grids: Sequence[Grid]) -> tuple[list[int], Tensor]:
    """Token ids, each picture's placeholder repeated for each of its visual tokens, and their (3, length) positions.

    Raises ReIDError unless `ids` has one placeholder per picture.
    """
    found = sum(token == image_token for token in ids)
    if found != len(grids):
        raise ReIDError(f"the prompt has {found} image placeholders for {len(grids)} pictures")
    merged = model.config.vision_config.spatial_merge_size**2
    sizes = iter([frames * height * width // merged for frames, height, width in grids])
    written = [other for token in ids for other in ([token] * next(sizes) if token == image_token else [token])]
    if not grids:
        return written, torch.arange(len(written)).expand(3, -1)
    tensor = torch.tensor([written])
    positions, _ = model.model.get_rope_index(
        tensor, mm_token_type_ids=(tensor == image_token).int(), image_grid_thw=torch.tensor(list(grids))
    )
    return written, positions[:, 0]


@dataclass(frozen=True, eq=False)
class Row:
    """One prompt: token ids (length,), positions (3, length), its pictures, and where the second one begins."""

    ids: Tensor
    positions: Tensor
    first: Seen
    second: Seen
    split: int


@dataclass(eq=False)
class Filled:
    """The model after R prompts: logits of the next token (R, V), and what continuing takes (as `sample_rows` does)."""

    logits: Tensor
    cache: Any
    mask: Tensor
    position: Tensor


class Prompts:
    """Rows of one task for one model, and the passes over them."""

    def __init__(self, model: Any, processor: Any, task: Task) -> None:
        """Raises WeightsError for a model that takes no `mm_encoder_outputs`: it is no Qwen-VL kind of model."""
        known = inspect.signature(model.forward).parameters
        if "mm_encoder_outputs" not in known or not hasattr(model.model, "get_rope_index"):
            raise WeightsError(f"{type(model).__name__} is not a Qwen2.5-VL or Qwen3-VL kind of model")
        self.model, self.image_token = model, processor.image_token_id
        self.pad = processor.tokenizer.pad_token_id
        self._ids = processor.tokenizer.encode(render(processor, task), add_special_tokens=False)
        self._layouts: dict[tuple[Grid, Grid], tuple[Tensor, Tensor, int]] = {}

    @property
    def shareable(self) -> bool:
        """False where the tokens of picture A depend on picture B, as in `nano`: then no two rows begin alike."""
        return not hasattr(self.model.model, "comparison")

    def row(self, first: Seen, second: Seen) -> Row:
        """The prompt about two pictures."""
        grids = (first.grid, second.grid)
        if grids not in self._layouts:
            ids, positions = lay_out(self.model, self.image_token, self._ids, grids)
            tensor = torch.tensor(ids)
            tokens = len(second.layers[0])
            split = int((tensor == self.image_token).nonzero()[-1]) + 1 - tokens
            if len(self._layouts) == LAYOUTS:
                self._layouts.clear()
            self._layouts[grids] = tensor, positions, split
        ids_, positions, split = self._layouts[grids]
        return Row(ids_, positions, first, second, split)

    def plain(self, rows: Sequence[Row], *, keep: bool) -> Filled:
        """One pass over whole prompts; `keep`: their key-value cache is wanted."""
        ids, mask, positions = self._pad([(row.ids, row.positions) for row in rows])
        pictures = encoder_outputs([seen for row in rows for seen in (row.first, row.second)])
        output = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            mm_encoder_outputs=pictures,
            logits_to_keep=1,
            use_cache=keep,
        )
        return Filled(output.logits[:, -1], output.past_key_values if keep else None, mask, self._next(rows))

    def shared(self, rows: Sequence[Row]) -> Filled:
        """The same in two passes: once for each distinct first picture, then each row's rest behind copies of that."""
        places: dict[int, int] = {}
        source = [places.setdefault(id(row.first), len(places)) for row in rows]
        heads = [rows[source.index(place)] for place in range(len(places))]
        ids, mask, positions = self._pad([(row.ids[: row.split], row.positions[:, : row.split]) for row in heads])
        # The body alone: nobody asks for the words that could follow half a prompt.
        cache = self.model.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            mm_encoder_outputs=encoder_outputs([row.first for row in heads]),
            use_cache=True,
        ).past_key_values
        index = torch.tensor(source, device=mask.device)
        cache.batch_select_indices(index)
        ids, rest, positions = self._pad([(row.ids[row.split :], row.positions[:, row.split :]) for row in rows])
        mask = torch.cat([mask[index], rest], dim=1)
        output = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            mm_encoder_outputs=encoder_outputs([row.second for row in rows]),
            logits_to_keep=1,
            use_cache=True,
        )
        return Filled(output.logits[:, -1], cache, mask, self._next(rows))

    def _next(self, rows: Sequence[Row]) -> Tensor:
        """The position of each row's next token, (R,)."""
        return torch.stack([row.positions.max() + 1 for row in rows]).to(self.model.device)

    def _pad(self, rows: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
        """Ids and mask (R, T) and positions (3, R, T), padded on the left, on the model's device."""
        longest = max(len(ids) for ids, _ in rows)
        padded = torch.full((len(rows), longest), self.pad)
        mask = torch.zeros(len(rows), longest, dtype=torch.long)
        places = torch.zeros(3, len(rows), longest, dtype=torch.long)
        for row, (ids, positions) in enumerate(rows):
            padded[row, longest - len(ids) :] = ids
            mask[row, longest - len(ids) :] = 1
            places[:, row, longest - len(ids) :] = positions
        device = self.model.device
        return padded.to(device), mask.to(device), places.to(device)
