"""Tiny models with random weights of the architectures beside Qwen2.5-VL and Qwen3-VL, as they are published."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from reidr.reasoning.nano.build import build_tokenizer

TEXTS = ["Upper clothing: red in A, blue in B: differ.", "Upper clothing: same in both.", "Shoes cannot be seen."]

# In the form of SmolVLM's own template.
SMOLVLM_TEMPLATE = """\
<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}: \
{% for part in message['content'] %}\
{% if part['type'] == 'text' %}{{part['text']}}{% else %}<image>{% endif %}\
{% endfor %}<end_of_utterance>
{% endfor %}{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}"""

# In the form of InternVL3's own template.
INTERNVL_TEMPLATE = """\
{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n'}}\
{% for part in message['content'] %}\
{% if part['type'] == 'text' %}{{part['text']}}{% else %}{{'<IMG_CONTEXT>\\n'}}{% endif %}\
{% endfor %}{{'<|im_end|>\\n'}}{% endfor %}\
{% if add_generation_prompt %}{{'<|im_start|>assistant\\n'}}{% endif %}"""


def tokenizer_with(*special: str) -> Any:
    """The tiny tokenizer of the other tests, with these control tokens."""
    tokenizer = build_tokenizer(TEXTS, 300)
    tokenizer.add_special_tokens({"additional_special_tokens": list(special)}, replace_extra_special_tokens=False)
    return tokenizer


def language(tokenizer: Any, model_type: str) -> dict[str, Any]:
    """A language model of two layers."""
    return {
        "model_type": model_type, "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 128,
        "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 1024,
        "bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip


def build_idefics(smol: bool) -> tuple[Any, Any]:
    """SmolVLM2, or Idefics3 (the architecture of the first SmolVLM): 4 image tokens for a tile of 32x32."""
    from transformers import (
        Idefics3Config,
        Idefics3ForConditionalGeneration,
        Idefics3ImageProcessorPil,
        Idefics3Processor,
        SmolVLMConfig,
        SmolVLMForConditionalGeneration,
        SmolVLMImageProcessorPil,
    )

    from reidr.reasoning.models.smolvlm import SmolVLMProcessor

    tokenizer = tokenizer_with("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
              "image_size": 32, "patch_size": 8}  # fmt: skip
    config = (SmolVLMConfig if smol else Idefics3Config)(
        text_config=language(tokenizer, "llama"),
        vision_config=vision,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    model = (SmolVLMForConditionalGeneration if smol else Idefics3ForConditionalGeneration)(config)
    images = (SmolVLMImageProcessorPil if smol else Idefics3ImageProcessorPil)(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 32}
    )
    kind: Any = SmolVLMProcessor if smol else Idefics3Processor
    return model, kind(images, tokenizer, image_seq_len=4, chat_template=SMOLVLM_TEMPLATE)


def build_internvl() -> tuple[Any, Any]:
    """InternVL: 4 image tokens for a tile of 32x32."""
    from transformers import GotOcr2ImageProcessorPil, InternVLConfig, InternVLForConditionalGeneration

    from reidr.reasoning.models.internvl import InternVLProcessor

    named = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>",
             "video_token": "<video>"}  # fmt: skip
    tokenizer = tokenizer_with(*named.values())
    tokenizer._set_model_specific_special_tokens(named)
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
              "image_size": (32, 32), "patch_size": (8, 8)}  # fmt: skip
    config = InternVLConfig(
        text_config=language(tokenizer, "qwen2"),
        vision_config=vision,
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    model = InternVLForConditionalGeneration(config)
    images = GotOcr2ImageProcessorPil(size={"height": 32, "width": 32})
    return model, InternVLProcessor(images, tokenizer, image_seq_length=4, chat_template=INTERNVL_TEMPLATE)


def build_qwen3_5() -> tuple[Any, Any]:
    """Qwen3.5: of its three layers the last has keys and values, the others one state each."""
    from transformers import Qwen3_5Config, Qwen3_5ForConditionalGeneration

    from reidr.reasoning.models.qwen import Qwen3VLProcessor
    from reidr.reasoning.nano.build import (
        CHAT_TEMPLATE,
        NanoSize,
        build_image_processor,
        build_tokenizer,
        special_tokens,
    )

    tokenizer = build_tokenizer(TEXTS, 300)
    config = Qwen3_5Config(
        text_config={
            "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3,
            "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32, "max_position_embeddings": 1024,
            "layer_types": ["linear_attention", "linear_attention", "full_attention"],
            "linear_key_head_dim": 16, "linear_value_head_dim": 16, "linear_num_key_heads": 2,
            "linear_num_value_heads": 4, "partial_rotary_factor": 0.5, "tie_word_embeddings": True,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3],
                                "mrope_interleaved": True, "partial_rotary_factor": 0.5},
            "bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={
            "depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 2, "patch_size": 16,
            "spatial_merge_size": 2, "out_hidden_size": 64, "num_position_embeddings": 256,
        },
        **special_tokens(tokenizer),
        tie_word_embeddings=True,
    )  # fmt: skip
    pictures = build_image_processor(NanoSize(patch=16, pixels=(6144, 8192)))
    return Qwen3_5ForConditionalGeneration(config), Qwen3VLProcessor(pictures, tokenizer, chat_template=CHAT_TEMPLATE)


def lively(build: Callable[[], tuple[Any, Any]]) -> tuple[Any, Any]:
    """With larger random weights: as first initialised, a model gives almost equal answers to everything."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(1)
        model, processor = build()
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.12)
    return model, processor


OTHERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "smolvlm": lambda: build_idefics(True),
    "idefics3": lambda: build_idefics(False),
    "internvl": build_internvl,
    "qwen3_5": build_qwen3_5,
}
