"""Processors without videos.

Upstream's processors demand a video processor, which demands torchvision (transformers issue 48558); ReID-R shows no
videos. transformers reads the parts of a processor from the names in `__init__`, and writes the class's name into the
checkpoint: subclasses that keep upstream's names let any other tool load what is saved here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import ProcessorMixin

from reidr.core.storage.files import write_text

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
