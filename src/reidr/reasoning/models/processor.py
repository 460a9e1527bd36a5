"""Loading a checkpoint's processor (tokenizer + picture preparation), the same with and without torchvision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoProcessor, ProcessorMixin
from transformers import Qwen2_5_VLProcessor as UpstreamQwen2_5_VLProcessor
from transformers import Qwen3VLProcessor as UpstreamQwen3VLProcessor

import reidr.reasoning.nano.model  # noqa: F401  (registers nano with transformers' auto classes)
from reidr.core.storage.files import write_text
from reidr.errors import WeightsError
from reidr.reasoning.nano.config import ConvolutionalConfig

# Upstream's processors demand a video processor, which demands torchvision (transformers issue 48558); ours show no
# videos. transformers reads the parts of a processor from the names in `__init__`, and writes the class's name into
# the checkpoint: keeping upstream's names lets any other tool load what is saved here.

FOR_VIDEOS = "video_preprocessor_config.json"
SHARED = ("image_mean", "image_std", "merge_size", "patch_size", "resample", "size", "temporal_patch_size")


class ImageOnly(ProcessorMixin):
    """A processor that has no video processor, but saves one: upstream's classes (vLLM's too) load nothing without."""

    video_processor_type = "Qwen2VLVideoProcessor"

    def save_pretrained(self, save_directory: str | Path, *args: Any, **options: Any) -> Any:
        """As upstream, and `FOR_VIDEOS`: videos are prepared as pictures are."""
        written = super().save_pretrained(save_directory, *args, **options)
        pictures = self.image_processor.to_dict()
        values = {name: pictures[name] for name in SHARED if name in pictures}
        text = json.dumps({"video_processor_type": self.video_processor_type, **values}, indent=2, sort_keys=True)
        write_text(Path(save_directory) / FOR_VIDEOS, text + "\n")
        return written


class Qwen2_5_VLProcessor(ImageOnly, UpstreamQwen2_5_VLProcessor):  # noqa: N801
    """Qwen2.5-VL's processor without videos."""

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None, **options: Any
    ) -> None:
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template, **options)


class Qwen3VLProcessor(ImageOnly, UpstreamQwen3VLProcessor):
    """Qwen3-VL's processor without videos."""

    video_processor_type = "Qwen3VLVideoProcessor"

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None, **options: Any
    ) -> None:
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template, **options)


IMAGE_ONLY: dict[str, type[ProcessorMixin]] = {
    "qwen2_5_vl": Qwen2_5_VLProcessor,
    "qwen3_vl": Qwen3VLProcessor,
    ConvolutionalConfig.model_type: Qwen3VLProcessor,
}


def load_processor(path: str | Path, *, local_files_only: bool = True) -> ProcessorMixin:
    """The processor of a checkpoint folder or hub id, padding on the left.

    Qwen-VL processors are loaded by the image-only classes above, from any checkpoint that upstream's classes wrote;
    other architectures go through `AutoProcessor`. Pillow prepares the pictures: torchvision's resizing differs by a
    hundredth of a pixel's value, and scores must not depend on what else is installed.

    Raises:
        WeightsError: no processor there, one that cannot be loaded, or only a tokenizer without picture preparation.
    """
    options: dict[str, Any] = {"local_files_only": local_files_only, "trust_remote_code": False}
    try:
        model_type = AutoConfig.from_pretrained(path, **options).model_type
        processor = IMAGE_ONLY.get(model_type, AutoProcessor).from_pretrained(path, backend="pil", **options)
    except (OSError, ValueError, KeyError, ImportError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path}: its processor cannot be loaded: {first_line(error)}") from error
    if not isinstance(processor, ProcessorMixin) or getattr(processor, "image_processor", None) is None:
        raise WeightsError(
            f"{path}: gives a {type(processor).__name__} and not a processor for pictures and text; the folder needs"
            " the processor files of a vision-language model (processor_config.json or preprocessor_config.json)"
        )
    processor.tokenizer.padding_side = "left"
    # Upstream hands the pictures' back end to the tokenizer as well, which would write it into its own file.
    if getattr(processor.tokenizer, "backend", "") == "pil":
        processor.tokenizer.backend = "tokenizers"
    return processor


def first_line(error: BaseException) -> str:
    """The first line of an error's message, for one-sentence reports."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
