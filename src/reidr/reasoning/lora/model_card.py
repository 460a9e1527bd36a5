"""The model card (`README.md`) of a trained checkpoint: what others need to load it and to ask it as it was trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reidr.reasoning.prompting.prompt import PERSON_A, PERSON_B, QUESTIONS, crop_pixels, prompt_version


@dataclass(frozen=True)
class CardFacts:
    """What a card says.

    Attributes:
        base: the checkpoint that training started from, as others know it. revision: commit of a hub id, or None.
        lora: (rank, alpha) where the folder holds LoRA weights, None where it holds a whole model.
        tokens: visual tokens of a crop of 128x256 pixels. precision: of the weights, "float32".
        merging: a sentence about LoRA weights that were merged, empty where none were.
    """

    base: str
    revision: str | None
    lora: tuple[int, int] | None
    tokens: int
    precision: str
    merging: str = ""


def model_card(processor: Any, facts: CardFacts) -> str:
    """The card as Markdown with the hub's front matter."""
    sections = [
        front_matter(facts),
        f"# Person re-identification with {facts.base}",
        "Says whether two crops show the same person, and why. Trained with [ReID-R](https://arxiv.org/abs/2604.19218)"
        " on identity labels; `provenance.json` names the data. Not for identifying people by name, and not for"
        " decisions about people without human review.",
        what_it_is(facts),
        "## Pictures",
        pictures(processor, facts),
        "## Prompts",
        f"One user message: `{PERSON_A}`, first crop, `{PERSON_B}`, second crop, and one of these questions. Prompt"
        f" versions {prompt_version('score')} (answer alone) and {prompt_version('think')} (reasons first). After the"
        " first question the assistant's turn begins with `<answer>`: the score is the softmax over `yes` and `no`.",
        *(f"> {QUESTIONS[task]}" for task in ("score", "think")),
        "## Loading",
        loading(processor, facts),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def front_matter(facts: CardFacts) -> str:
    """What the hub reads."""
    library = "transformers" if facts.lora is None else "peft"
    tags = ["person-re-identification", *(["lora"] if facts.lora else [])]
    lines = [
        "---",
        f"base_model: {facts.base}",
        f"library_name: {library}",
        "pipeline_tag: image-text-to-text",
        "tags:",
    ]
    return "\n".join([*lines, *(f"- {tag}" for tag in tags), "---"])


def what_it_is(facts: CardFacts) -> str:
    """Which weights the folder holds, and in which precision."""
    if facts.lora is None:
        return f"The folder holds the whole model in {facts.precision}. {facts.merging}".strip()
    rank, alpha = facts.lora
    commit = f" (commit {facts.revision})" if facts.revision else ""
    return (
        f"The folder holds LoRA weights of rank {rank} and alpha {alpha} in {facts.precision}, in PEFT's layout. They"
        f" belong to `{facts.base}`{commit}, which is not part of the folder. Load them beside their base: merging them"
        " into bfloat16 weights rounds part of what was trained away; `reidr merge` says how much."
    )


def pictures(processor: Any, facts: CardFacts) -> str:
    """The pixel budget, which the processor's files hold as well."""
    budget = crop_pixels(processor)
    if budget is None:
        return f"Every crop is resized to one size: {facts.tokens} visual tokens."
    return (
        f"Crops are resized to an area of {budget[0]:,} to {budget[1]:,} pixels, {facts.tokens} visual tokens for a"
        " crop of 128x256 pixels. The processor in this folder does so by itself; the base's own does not."
    )


def loading(processor: Any, facts: CardFacts) -> str:
    """With `transformers` and `peft`, and with vLLM."""
    budget = crop_pixels(processor)
    sized = ""
    if budget is not None:
        sized = f""" --mm-processor-kwargs '{{"min_pixels": {budget[0]}, "max_pixels": {budget[1]}}}'"""
    if facts.lora is None:
        return (
            "```python\nfrom transformers import AutoModelForImageTextToText, AutoProcessor\n\n"
            'model = AutoModelForImageTextToText.from_pretrained("THIS_FOLDER", dtype="auto")\n'
            'processor = AutoProcessor.from_pretrained("THIS_FOLDER")\n```\n\n```sh\nvllm serve THIS_FOLDER\n```'
        )
    revision = f', revision="{facts.revision}"' if facts.revision else ""
    return (
        "```python\nfrom peft import PeftModel\nfrom transformers import AutoModelForImageTextToText, AutoProcessor\n\n"
        f'base = AutoModelForImageTextToText.from_pretrained("{facts.base}", dtype="bfloat16"{revision})\n'
        'model = PeftModel.from_pretrained(base, "THIS_FOLDER")\n'
        'processor = AutoProcessor.from_pretrained("THIS_FOLDER")\n```\n\n'
        "vLLM takes the processor of the base, so it is told the pixel budget:\n\n```sh\n"
        f"vllm serve {facts.base} --enable-lora --max-lora-rank {facts.lora[0]} --lora-modules reidr=THIS_FOLDER{sized}"
        " --chat-template THIS_FOLDER/chat_template.jinja\n```"
    )
