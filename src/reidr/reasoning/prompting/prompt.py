"""The one prompt: how a pair is put before every vision-language model, small or large.

Two tasks share all but the last sentence. `think`: the model writes `<think>…</think><answer>…</answer>`. `score`: the
assistant's turn is begun for it with `<answer>`, so that the very next token is the answer word, in the same place and
the same form as at the end of a thinking completion.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from PIL import Image

from reidr.data.pictures.images import read_picture
from reidr.errors import ReIDError
from reidr.reasoning.prompting.completions import THINK_BEGINS
from reidr.reasoning.types import Pair

if TYPE_CHECKING:
    from transformers import BatchFeature, ProcessorMixin

Task = Literal["score", "think"]
Images = tuple[Image.Image, Image.Image]

PERSON_A = "Person A:"
PERSON_B = "Person B:"
COMPARE = (
    "Are A and B the same person? Compare hair, headwear, upper clothing, sleeves, lower clothing, shoes, bags and body"
    " build, and speak only of these. Ignore background, light, pose and camera angle. "
)
QUESTIONS: dict[Task, str] = {
    "score": COMPARE + "Reply with <answer>yes</answer>, <answer>no</answer>, or <answer>insufficient</answer> if too"
    " little can be seen.",
    "think": COMPARE + "Write what you compare in <think></think>, then <answer>yes</answer>, <answer>no</answer>, or"
    " <answer>insufficient</answer> if too little can be seen.",
}
DESCRIBE = (
    "Describe hair, headwear, upper clothing, sleeves, lower clothing, shoes and bags of this person, and say what"
    " cannot be seen."
)
PREFIXES: dict[Task, str] = {"score": "<answer>", "think": ""}

PREPARED = "prepared for the processor"  # the mark, in Pillow's `info`, of a picture that has been resized for good
CROP_PIXELS = (256 * 128, 280 * 140)
"""Least and greatest area of a crop for a pretrained Qwen: 50 visual tokens (Qwen2.5-VL) or 32 (Qwen3-VL) at 1:2."""
PHOTOGRAPH = 512 * 512  # a pixel budget that goes beyond this was not made for crops


def prompt_version(task: Task) -> str:
    """Twelve hexadecimal digits that change whenever a word of the task's prompt does."""
    text = "\0".join((PERSON_A, PERSON_B, QUESTIONS[task], PREFIXES[task]))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def pair_messages(pair: Pair | Images | None, task: Task) -> list[dict[str, Any]]:
    """The chat messages that ask about a pair, query first; the same text for every model.

    `pair` may be a `Pair`, its two pictures already opened, or None for messages whose two image parts are placeholders
    (for data sets that carry the pictures in a column of their own).
    """
    if task not in get_args(Task):
        raise ReIDError(f"unknown task {task!r}; known: {', '.join(get_args(Task))}")
    parts: list[dict[str, Any]] = [{"type": "image"}, {"type": "image"}]
    if pair is not None:
        parts = [{"type": "image", "image": image} for image in open_pair(pair)]
    content = [
        {"type": "text", "text": PERSON_A},
        parts[0],
        {"type": "text", "text": PERSON_B},
        parts[1],
        {"type": "text", "text": QUESTIONS[task]},
    ]
    return [{"role": "user", "content": content}]


def open_pair(pair: Pair | Images) -> Images:
    """The two pictures of a pair as RGB, in whatever form they come (`read_picture`).

    Raises ImageError for a picture that cannot be used.
    """
    if isinstance(pair, Pair):
        return pair.query.open(), pair.candidate.open()
    return entered(pair[0], "person A"), entered(pair[1], "person B")


def entered(picture: Image.Image, name: str) -> Image.Image:
    """`read_picture`, but for pictures that went through `prepare`: they may be thinner than any that is given."""
    prepared = isinstance(picture, Image.Image) and PREPARED in picture.info
    return picture if prepared else read_picture(picture, name)


def prepare(processor: Any, picture: Image.Image, pixels: tuple[int, int] | None) -> Image.Image:
    """The picture as `processor` resizes it, to the pixel, so that a batch of camera frames is not held in full.

    One that was prepared before comes back itself, and so does any where the processor is not of a kind whose resizing
    is known here. `encode_pairs` and `encode_crops` prepare what is not prepared yet; with `prepared_options` the
    processor leaves the pictures as they are.
    """
    if PREPARED in picture.info or not resizes_as_qwen(processor):
        return picture
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    images = processor.image_processor
    least, greatest = pixels or (images.size["shortest_edge"], images.size["longest_edge"])
    factor = images.patch_size * images.merge_size
    height, width = smart_resize(picture.height, picture.width, factor, least, greatest)
    small = picture.resize((width, height), images.resample)
    small.info = {PREPARED: True}
    return small


def prepare_pair(processor: Any, pair: Pair | Images, pixels: tuple[int, int] | None) -> Images:
    """`open_pair` and `prepare` of both pictures."""
    first, second = open_pair(pair)
    return prepare(processor, first, pixels), prepare(processor, second, pixels)


def prepared_options(processor: Any, pixels: tuple[int, int] | None) -> dict[str, Any]:
    """What an image processor is told beside pictures that went through `prepare`."""
    if resizes_as_qwen(processor):
        return {"do_resize": False}
    return {} if pixels is None else {"size": {"shortest_edge": pixels[0], "longest_edge": pixels[1]}}


def resizes_as_qwen(processor: Any) -> bool:
    """Whether pictures are resized by Pillow to the size that Qwen's `smart_resize` gives."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    images = processor.image_processor
    return type(images) is Qwen2VLImageProcessorPil and images.do_resize


def crop_pixels(processor: ProcessorMixin) -> tuple[int, int] | None:
    """The processor's pixel budget as (least, greatest) area, or `CROP_PIXELS` where it was made for photographs.

    None for a processor that resizes every picture to one size.
    """
    size = processor.image_processor.size
    least, greatest = size.get("shortest_edge"), size.get("longest_edge")
    if least is None or greatest is None:
        return None
    return CROP_PIXELS if greatest > PHOTOGRAPH else (int(least), int(greatest))


def render_crop(processor: ProcessorMixin, text: str) -> str:
    """The prompt that puts `text` (a question, or `DESCRIBE`) beside one crop, with one image token."""
    content = [{"type": "text", "text": PERSON_A}, {"type": "image"}, {"type": "text", "text": text}]
    messages: list[Any] = [{"role": "user", "content": content}]
    return without_open_thought(processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def render(processor: ProcessorMixin, task: Task, prefix: str | None = None) -> str:
    """The prompt as text with one image token per picture, ending in the beginning of the assistant's turn."""
    text = processor.apply_chat_template(pair_messages(None, task), tokenize=False, add_generation_prompt=True)
    return without_open_thought(text) + (PREFIXES[task] if prefix is None else prefix)


def without_open_thought(text: str) -> str:
    """A prompt without the tag that the templates of thinking checkpoints (Qwen3-VL-Thinking, Qwen3.5) end it with.

    Left there, the direct answer would stand inside a thought, and a completion in the taught form would open a second
    one. Without it the model writes its thought between tags of its own, as the question asks.
    """
    text = str(text)
    end = text.rstrip()
    tag = next((each for each in THINK_BEGINS.finditer(end) if each.end() == len(end)), None)
    return text if tag is None else text[: tag.start()]


def encode_pairs(
    processor: Any,
    pairs: Sequence[Pair | Images],
    task: Task,
    prefix: str | Sequence[str] | None = None,
    pixels: tuple[int, int] | None = None,
) -> BatchFeature:
    """Chat template, pictures and left padding: one batch of model inputs, torch tensors.

    Args:
        processor: a Qwen-VL processor (`load_processor`).
        pairs: N pairs; crops may have any mixture of sizes.
        prefix: how the assistant's turn begins, for all pairs or one each; None takes the task's own.
        pixels: (least, greatest) area in pixels to which every crop is resized; None keeps the processor's own.

    Raises:
        ReIDError: no pairs, or a row whose image tokens are not exactly as many as its two pictures call for.
        ImageError: a picture that cannot be used.
    """
    if not pairs:
        raise ReIDError("there are no pairs to encode")
    prefixes = [prefix] * len(pairs) if prefix is None or isinstance(prefix, str) else list(prefix)
    if len(prefixes) != len(pairs):
        raise ReIDError(f"{len(prefixes)} prefixes for {len(pairs)} pairs; give one for all or one each")
    opening = render(processor, task, "")
    texts = [opening + (PREFIXES[task] if one is None else one) for one in prefixes]
    images = [[prepare(processor, picture, pixels) for picture in open_pair(pair)] for pair in pairs]
    check_placeholders(texts, images, processor.image_token)
    options = prepared_options(processor, pixels)
    batch = processor(
        text=texts, images=images, padding=True, padding_side="left", return_tensors="pt", images_kwargs=options
    )
    merged = processor.image_processor.merge_size**2
    expected = (batch["image_grid_thw"].prod(dim=1) // merged).view(len(pairs), -1).sum(dim=1)
    found = (batch["input_ids"] == processor.image_token_id).sum(dim=1)
    if not bool((expected == found).all()):
        row = int((expected != found).nonzero()[0])
        raise ReIDError(f"pair {row}: {int(found[row])} image tokens for pictures that need {int(expected[row])}")
    return batch


def encode_crops(
    processor: Any, images: Sequence[Image.Image], texts: Sequence[str], pixels: tuple[int, int] | None = None
) -> BatchFeature:
    """One batch of single crops, each with its own question or `DESCRIBE` (`render_crop`), padded on the left.

    Raises ReIDError where the numbers of pictures and texts differ or are zero.
    """
    if not images or len(images) != len(texts):
        raise ReIDError(f"{len(images)} pictures and {len(texts)} questions; give one question for each picture")
    opened = (entered(image, f"picture {place}") for place, image in enumerate(images, start=1))
    images = [prepare(processor, image, pixels) for image in opened]
    prompts = [render_crop(processor, text) for text in texts]
    return processor(
        text=prompts,
        images=[[image] for image in images],
        padding=True,
        padding_side="left",
        return_tensors="pt",
        images_kwargs=prepared_options(processor, pixels),
    )


def check_placeholders(texts: Sequence[str], images: Sequence[Sequence[Image.Image]], image_token: str) -> None:
    """Raise ReIDError unless every text has exactly one `image_token` per picture."""
    for row, (text, pictures) in enumerate(zip(texts, images, strict=True)):
        placeholders = text.count(image_token)
        if placeholders != len(pictures):
            raise ReIDError(
                f"pair {row}: {placeholders} image placeholders for {len(pictures)} pictures; the chat template must"
                f" write one {image_token} per picture, and a prefix none"
            )
