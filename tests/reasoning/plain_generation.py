"""Completions by transformers' own `generate`, from the processor's own inputs: what the sampler is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import GenerationConfig

from reidr.reasoning.inference.sampling import picture_token_ids
from reidr.reasoning.prompting.answers import end_token_ids
from reidr.reasoning.prompting.prompt import encode_pairs
from reidr.reasoning.types import Pair


@torch.no_grad()
def generate_greedily(reasoner: Any, pairs: Sequence[Pair], length: int, inputs: Any = None) -> list[list[int]]:
    """Token ids of one greedy completion for each pair, the end token included; `inputs`: of another architecture."""
    if inputs is None:
        inputs = encode_pairs(reasoner.processor, pairs, "think", pixels=reasoner.pixels)
    ends = end_token_ids(reasoner.model, reasoner.processor.tokenizer)
    config = GenerationConfig(
        max_new_tokens=length,
        do_sample=False,
        suppress_tokens=picture_token_ids(reasoner.adapter),
        eos_token_id=ends,
        pad_token_id=reasoner.processor.tokenizer.pad_token_id,
    )
    output = reasoner.model.generate(**inputs, generation_config=config)
    completions = []
    for ids in output[:, inputs["input_ids"].shape[1] :].tolist():
        end = next((place for place, token in enumerate(ids) if token in ends), len(ids) - 1)
        completions.append(ids[: end + 1])
    return completions
