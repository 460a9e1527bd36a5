"""A small Qwen3-VL from scratch: configuration, tokenizer, picture preparation. Random weights, ready to be trained.

The same classes, chat template and code path as the billion-parameter checkpoints, at a size that two CPU cores train.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from reidr.reasoning.models.qwen import Qwen3VLProcessor
from reidr.reasoning.nano.config import ConvolutionalConfig, ConvolutionalVisionConfig, fields_of
from reidr.reasoning.nano.model import ConvolutionalForConditionalGeneration
from reidr.reasoning.prompting.grammar import ANSWER_WORDS, TAGS
from reidr.reasoning.prompting.prompt import DESCRIBE, PERSON_A, PERSON_B, QUESTIONS
from reidr.retrieval.embedders.attribute_recognition import Calibrations
from reidr.retrieval.embedders.network import RetrieverNetwork

HEAD = 32  # size of an attention head; the multimodal rotary sections below must sum to half of it
CELL = 16  # pixels of a cell of the convolutional map: the trunk halves the picture four times
PROJECTION_STD = 0.3  # first weights of the projection of what is recognised
QUIET = 0.1  # factor of the first weights of what is added to it: appearance, and the comparison with another crop
ROTARY_SECTIONS = [4, 6, 6]
END, START, STOP = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
VISION = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
PIECES = Regex(r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+")

# Writes what Qwen3-VL's own template writes for text and pictures (a test compares the two); the generation marks let
# a trainer put the loss on the assistant's turns only.
CHAT_TEMPLATE = """\
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.role == 'assistant' %}
        {%- generation %}
            {%- if message.content is string %}
                {{- message.content }}
            {%- else %}
                {%- for part in message.content %}
                    {{- part.text }}
                {%- endfor %}
            {%- endif %}
            {{- '<|im_end|>\\n' }}
        {%- endgeneration %}
    {%- else %}
        {%- if message.content is string %}
            {{- message.content }}
        {%- else %}
            {%- for part in message.content %}
                {%- if part.type == 'image' %}
                    {{- '<|vision_start|><|image_pad|><|vision_end|>' }}
                {%- else %}
                    {{- part.text }}
                {%- endif %}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}"""


@dataclass(frozen=True)
class NanoSize:
    """Measures of a small Qwen3-VL. Heads have 32 dimensions; `pixels` is the (least, greatest) area of a crop."""

    hidden: int = 256
    layers: int = 5
    key_value_heads: int = 2
    vision_hidden: int = 160
    vision_layers: int = 4
    patch: int = 16
    merge: int = 2
    pixels: tuple[int, int] = (8192, 9216)  # 128x64 for a 1:2 crop: 8 visual tokens


NANO = NanoSize()
TINY = NanoSize(hidden=64, layers=2, vision_hidden=64, vision_layers=2, patch=16, pixels=(6144, 8192))


def build_nano(
    texts: Iterable[str], size: NanoSize = NANO, *, vocabulary: int = 1000, seed: int = 0
) -> tuple[Qwen3VLForConditionalGeneration, Qwen3VLProcessor]:
    """A randomly initialised model and its processor.

    Args:
        texts: corpus for the tokenizer: the sentences that the model will write.
        vocabulary: byte-level BPE entries, at least 256; tags, answer words and prompt sentences come on top.
        seed: of the initial weights.
    """
    tokenizer = build_tokenizer(texts, vocabulary)
    config = Qwen3VLConfig(
        text_config=language_config(tokenizer, size.hidden, size.layers, size.key_value_heads),
        vision_config={
            "depth": size.vision_layers,
            "hidden_size": size.vision_hidden,
            "intermediate_size": 3 * size.vision_hidden,
            "num_heads": size.vision_hidden // HEAD,
            "patch_size": size.patch,
            "spatial_merge_size": size.merge,
            "out_hidden_size": size.hidden,
            "num_position_embeddings": 256,
            "deepstack_visual_indexes": [size.vision_layers // 2],
        },
        **special_tokens(tokenizer),
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen3VLForConditionalGeneration(config)
    processor = Qwen3VLProcessor(build_image_processor(size), tokenizer, chat_template=CHAT_TEMPLATE)
    return model, processor


def build_convolutional(
    texts: Iterable[str],
    network: RetrieverNetwork,
    *,
    hidden: int = 192,
    layers: int = 6,
    key_value_heads: int = 2,
    vocabulary: int = 700,
    merge: int = 2,
    calibrations: Calibrations | None = None,
    seed: int = 0,
) -> tuple[ConvolutionalForConditionalGeneration, Qwen3VLProcessor]:
    """`nano` with the trained `network` as its vision encoder: one visual token per `merge` x `merge` cells of its map.

    A 1:2 crop gives 18 tokens at 192x96 with a merge of 2, and 32 at 128x64 with a merge of 1.

    Args:
        texts, vocabulary, seed: as in `build_nano`. hidden, layers, key_value_heads: of the language model.
        calibrations: of what the network recognises, as a retriever's file holds them; None leaves its logits as they
            are.
    """
    tokenizer = build_tokenizer(texts, vocabulary)
    settings = network.settings
    config = ConvolutionalConfig(
        text_config=language_config(tokenizer, hidden, layers, key_value_heads),
        vision_config={
            "model_type": ConvolutionalVisionConfig.model_type,
            "network": fields_of(settings),
            "hidden_size": hidden,
            "out_hidden_size": hidden,
            "patch_size": CELL,
            "spatial_merge_size": merge,
        },
        **special_tokens(tokenizer),
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ConvolutionalForConditionalGeneration(config)
        start_with_what_is_recognised(model)
    model.model.visual.vision_encoder.load_state_dict(network.state_dict())
    if calibrations is not None:
        model.model.visual.attributes.calibrate(calibrations)
    area = settings.height * settings.width
    size = NanoSize(patch=CELL, merge=merge, pixels=(area, area + area // 8))
    images = build_image_processor(size, settings.mean, settings.std)
    return model, Qwen3VLProcessor(images, tokenizer, chat_template=CHAT_TEMPLATE)


@torch.no_grad()
def start_with_what_is_recognised(model: ConvolutionalForConditionalGeneration) -> None:
    """First weights with which each visual token says what is recognised before anything else.

    What is recognised is what there is to say, and a language model finds it by attending to the token of one family.
    Where every token begins as the projection of a thousand other values, it does not within hundreds of steps
    (answers right after 300 steps: 19 %; like this after 150: 66 %).
    """
    visual = model.model.visual
    torch.nn.init.normal_(visual.attributes.to_tokens.weight, std=PROJECTION_STD)
    for layer in (visual.connector[-1], model.model.comparison.out[-1]):
        layer.weight.mul_(QUIET)
        layer.bias.zero_()


def language_config(tokenizer: PreTrainedTokenizerFast, hidden: int, layers: int, heads: int) -> dict[str, Any]:
    """Text half of a configuration: `hidden` dimensions, heads of 32, `heads` of them for keys and values."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": hidden,
        "intermediate_size": 3 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": hidden // HEAD,
        "num_key_value_heads": heads,
        "head_dim": HEAD,
        "max_position_embeddings": 2048,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10_000.0,
            "mrope_section": ROTARY_SECTIONS,
            "mrope_interleaved": True,
        },
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": None,
    }


def special_tokens(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """The control tokens that a configuration names."""
    tokens = tokenizer.get_vocab()
    return {
        "image_token_id": tokens["<|image_pad|>"],
        "video_token_id": tokens["<|video_pad|>"],
        "vision_start_token_id": tokens["<|vision_start|>"],
        "vision_end_token_id": tokens["<|vision_end|>"],
    }


def build_image_processor(
    size: NanoSize, mean: Sequence[float] = (0.5,) * 3, std: Sequence[float] = (0.5,) * 3
) -> Qwen2VLImageProcessorPil:
    """Picture preparation for `size`: bicubic resizing into its pixel budget, values normalised (to [-1, 1])."""
    return Qwen2VLImageProcessorPil(
        patch_size=size.patch,
        merge_size=size.merge,
        size={"shortest_edge": size.pixels[0], "longest_edge": size.pixels[1]},
        image_mean=list(mean),
        image_std=list(std),
    )


def build_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE trained on `texts`, with Qwen's control tokens.

    The tags and answer words are whole tokens, so that P(yes) is read from one position. So are the sentences of the
    prompt: they never change, and a prompt of about 20 tokens besides the pictures is what keeps a small model fast. A
    prompt of another version still works, spelled out in BPE.
    """
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(PIECES, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet, show_progress=False)
    bpe.train_from_iterator(texts, trainer)
    bpe.add_special_tokens([END, START, STOP, *VISION])
    # Not special: decoding must keep them.
    words = (*ANSWER_WORDS, "system", "user", "assistant")
    bpe.add_tokens([*TAGS, *(AddedToken(word, single_word=True, normalized=False) for word in words)])
    bpe.add_tokens([AddedToken(text, normalized=False) for text in (PERSON_A, PERSON_B, DESCRIBE, *QUESTIONS.values())])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token=STOP, pad_token=END, padding_side="left", model_max_length=2048
    )
