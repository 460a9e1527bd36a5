"""What a model sees in each of many crops, worked out once: batches for training and for rollouts without pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional
from transformers.models.qwen3_vl.modeling_qwen3_vl import BaseModelOutputWithDeepstackFeatures

from reidr.data.pictures.images import read_picture
from reidr.errors import ReIDError
from reidr.reasoning.backends.reference import crop_pixels
from reidr.reasoning.inference.sampling import unwrap
from reidr.reasoning.prompting.prompt import prepare, prepared_options

Learning = Literal["nothing", "connector", "all"]
"""Which part of the vision encoder is to learn: what lies before it is worked out once and kept."""


class CropFeatures:
    """The vision encoder's output for each crop, and model inputs made from it (`mm_encoder_outputs`).

    With `learning="nothing"` the output itself is kept. With "connector" (`nano` only) it is what the frozen vision
    encoder
    sees, and with "all" the prepared pixels: the rest is computed anew, with gradients, in every batch, once for each
    distinct crop. In all three no picture is opened or resized twice, and prompts are tokenised once.

    Attributes:
        grids: (frames, rows, columns) in patches of each crop.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        open_crop: Sequence[Callable[[], Image.Image]],
        *,
        learning: Learning = "nothing",
        pixels: tuple[int, int] | None = None,
        dtype: torch.dtype = torch.float16,
        batch: int = 64,
        advance: Callable[[float], None] | None = None,
    ) -> None:
        """Look at every crop of `open_crop` once.

        Args:
            model: a Qwen2.5-VL or Qwen3-VL kind of model, with LoRA around it or not.
            pixels: as in `Reasoner`. dtype: what is kept is kept in this type; half precision rounds features to three
                digits, as half-precision inference would.

        Raises:
            ReIDError: `learning="connector"` for a model whose vision encoder is not a vision encoder with a connector.
            ImageError: a picture that cannot be used.
        """
        self.model, self.processor, self.learning = unwrap(model), processor, learning
        self.visual = self.model.model.visual
        if learning == "connector" and not hasattr(self.visual, "connect"):
            raise ReIDError(
                f"{type(self.model).__name__} has no connector that can be taught alone; let nothing or all of the"
                " vision encoder learn"
            )
        self.grids: list[tuple[int, int, int]] = []
        self._read: Tensor | None = None
        self._kept: list[tuple[Tensor, ...]] = []
        self._prompts: dict[Any, tuple[list[int], Tensor]] = {}
        pixels = pixels if pixels is not None else crop_pixels(processor)
        options = prepared_options(processor, pixels)
        for start in range(0, len(open_crop), batch):
            pictures = [
                prepare(processor, read_picture(opener()), pixels) for opener in open_crop[start : start + batch]
            ]
            inputs = processor.image_processor(pictures, return_tensors="pt", **options)
            grid = inputs["image_grid_thw"]
            self.grids += [tuple(row) for row in grid.tolist()]
            kept = self._look(inputs["pixel_values"].to(self.model.device, self.model.dtype), grid)
            self._kept += [tuple(part.to(dtype) for part in parts) for parts in kept]
            if advance is not None:
                advance(len(pictures))

    def __len__(self) -> int:
        return len(self.grids)

    def serve(self, model: Any) -> None:
        """Make inputs for another model with the same eyes: what was seen stays (not with `learning="nothing"`).

        Raises ReIDError where its vision encoder has other weights, or what is kept is beyond what the two have in
        common.
        """
        other = unwrap(model)
        if self.learning == "connector":
            own, its = (each.model.visual.vision_encoder.state_dict() for each in (self.model, other))
            same = own.keys() == its.keys() and all(torch.equal(own[name], its[name]) for name in own)
        else:
            same = self.learning == "all" or other is self.model
        if not same:
            raise ReIDError("these crops were looked at by other eyes; make new CropFeatures for this model")
        self.model, self.visual, self._read = other, other.model.visual, None

    def take_as_read(self, read: Tensor) -> None:
        """From now on the reader is not asked: it has found `read` in these crops, (crops, values) of probabilities.

        For training with `learning="connector"` behind a reader that no longer learns: it need not read the same crop
        in every batch, and readers that do not know a crop's person may have read it in its place.
        """
        if len(read) != len(self):
            raise ReIDError(f"{len(read)} readings do not fit {len(self)} crops")
        self._read = read.detach()

    def visual_tokens(self, row: int) -> int:
        """Number of a crop's image tokens in a prompt."""
        frames, height, width = self.grids[row]
        return int(frames * height * width // self.visual.spatial_merge_size**2)

    @torch.no_grad()
    def _look(self, patches: Tensor, grid: Tensor) -> list[tuple[Tensor, ...]]:
        """What is kept of each picture."""
        sizes = grid.prod(dim=1).tolist()
        if self.learning == "all":
            return [(part,) for part in patches.split(sizes)]
        grid = grid.to(patches.device)
        if self.learning == "connector":
            merged = [size // self.visual.spatial_merge_size**2 for size in sizes]
            return [(part,) for part in self.visual.look(patches, grid).split(merged)]
        seen = self.model.get_image_features(patches, grid, return_dict=True)
        layers = list(getattr(seen, "deepstack_features", None) or [])
        return list(zip(seen.pooler_output, *layers, strict=True))

    def kept(self, row: int) -> Tensor:
        """What is kept of a crop, (tokens, values): before the connector, its output, or pixels (see `learning`)."""
        return self._kept[row][0]

    def features(self, rows: Sequence[int]) -> Any:
        """What `get_image_features` would give for these crops, in this order; repeated crops are computed once."""
        unique = sorted(set(rows))
        place = {row: position for position, row in enumerate(unique)}
        device, dtype = self.model.device, self.model.dtype
        kept = [tuple(part.to(device, dtype) for part in self._kept[row]) for row in unique]
        if self.learning == "all":
            grid = torch.tensor([self.grids[row] for row in unique], device=device)
            seen = self.model.get_image_features(torch.cat([part for (part,) in kept]), grid, return_dict=True)
            kept = list(zip(seen.pooler_output, *(getattr(seen, "deepstack_features", None) or []), strict=True))
        elif self.learning == "connector":
            sizes = [len(part) for (part,) in kept]
            read = None if self._read is None else self._read[unique].to(device, dtype)
            tokens = self.visual.connect(torch.cat([part for (part,) in kept]), sizes, read)
            kept = [(part,) for part in tokens.split(sizes)]
        tokens_of, *layers = zip(*(kept[place[row]] for row in rows), strict=True)
        # Typed loosely upstream: `get_image_features` itself gives sequences, one tensor per picture.
        parts: dict[str, Any] = {"pooler_output": list(tokens_of), "deepstack_features": [list(one) for one in layers]}
        return BaseModelOutputWithDeepstackFeatures(last_hidden_state=None, **parts)

    def prompt(self, text: str, crops: Sequence[int]) -> tuple[list[int], Tensor]:
        """Token ids of a rendered prompt about these crops, one image token each in `text` now as many as the crop
        has visual tokens, and their (3, length) multimodal positions."""
        grids = tuple(self.grids[crop] for crop in crops)
        key = (text, grids)
        if key not in self._prompts:
            image = self.processor.image_token_id
            sizes = [self.visual_tokens(crop) for crop in crops]
            written = self.processor.tokenizer.encode(text, add_special_tokens=False)
            if written.count(image) != len(sizes):
                raise ReIDError(f"the prompt has {written.count(image)} image placeholders for {len(sizes)} pictures")
            places = iter(sizes)
            ids: list[int] = []
            for token in written:
                ids += [image] * next(places) if token == image else [token]
            tensor = torch.tensor([ids])
            positions, _ = self.model.model.get_rope_index(
                tensor, mm_token_type_ids=(tensor == image).int(), image_grid_thw=torch.tensor(grids)
            )
            self._prompts[key] = ids, positions[:, 0]
        return self._prompts[key]

    def teach(self, rows: Sequence[tuple[str, Sequence[int], Sequence[int]]]) -> dict[str, Any]:
        """Model inputs for a training pass over (prompt, crops, token ids that follow), padded on the right.

        With causal attention no token ever sees the padding, so no mask is needed; what the model gives at the padding
        means nothing.
        """
        device = self.model.device
        ids, positions = [], []
        for text, crops, more in rows:
            opening, places = self.prompt(text, crops)
            start = int(places.max()) + 1
            following = torch.arange(start, start + len(more)).expand(3, -1)
            ids.append(torch.tensor([*opening, *more]))
            positions.append(torch.cat([places, following], dim=1))
        longest = max(len(row) for row in ids)
        pad = self.processor.tokenizer.pad_token_id
        padded = [functional.pad(row, (0, longest - len(row)), value=pad) for row in ids]
        places_of = [functional.pad(each, (0, longest - each.shape[1])) for each in positions]
        return {
            "input_ids": torch.stack(padded).to(device),
            "position_ids": torch.stack(places_of, dim=1).to(device),
            "mm_encoder_outputs": {"image": self.features([crop for _, crops, _ in rows for crop in crops])},
            "use_cache": False,
        }

    def ask(self, rows: Sequence[tuple[str, Sequence[int]]]) -> dict[str, Any]:
        """Model inputs of (prompt, crops) for generation (`rollout.continue_prompts`), padded on the left."""
        device, image = self.model.device, self.processor.image_token_id
        ids = [torch.tensor(self.prompt(text, crops)[0]) for text, crops in rows]
        longest = max(len(row) for row in ids)
        pad = self.processor.tokenizer.pad_token_id
        padded = torch.stack([functional.pad(row, (longest - len(row), 0), value=pad) for row in ids]).to(device)
        mask = torch.stack([functional.pad(torch.ones_like(row), (longest - len(row), 0)) for row in ids]).to(device)
        seen = [crop for _, crops in rows for crop in crops]
        return {
            "input_ids": padded,
            "attention_mask": mask,
            "mm_token_type_ids": (padded == image).int(),
            "image_grid_thw": torch.tensor([self.grids[crop] for crop in seen], device=device),
            "mm_encoder_outputs": {"image": self.features(seen)},
        }
