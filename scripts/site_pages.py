"""Pages of the site that are made from the code when it is built: recipes, command line, Python API.

A hook of MkDocs (`hooks:` in mkdocs.yml); nothing it makes is kept in the repository.
"""

from __future__ import annotations

from typing import Any

import click


def recipes_page() -> str:
    """Every field of every stage of a recipe: type, default, meaning."""
    from reidr.core.recipe import Recipe
    from reidr.training.grpo.rewards.registry import RewardWeights
    from reidr.training.recipes.grpo import ReinforcementRecipe
    from reidr.training.recipes.pairs import PairsRecipe
    from reidr.training.recipes.pretraining import PretrainingRecipe
    from reidr.training.recipes.retriever import RetrieverRecipe
    from reidr.training.recipes.sampling import SampleRecipe
    from reidr.training.recipes.warmup import WarmupRecipe

    stages: tuple[tuple[str, type[Recipe]], ...] = (
        ("Retriever", RetrieverRecipe),
        ("Pretraining", PretrainingRecipe),
        ("Pairs", PairsRecipe),
        ("Warm-up", WarmupRecipe),
        ("Sampling", SampleRecipe),
        ("Reinforcement learning (GRPO)", ReinforcementRecipe),
        ("Weights of the rewards", RewardWeights),
    )
    lines = ["# Recipes", "", "A recipe is a YAML file. A field that it leaves out has the default given here.", ""]
    for title, recipe in stages:
        lines += [f"## {title}", "", "| field | type | default | meaning |", "| --- | --- | --- | --- |"]
        for name, field in recipe.model_fields.items():
            kind = getattr(field.annotation, "__name__", "") if isinstance(field.annotation, type) else field.annotation
            default = "required" if field.is_required() else str(field.get_default(call_default_factory=True))
            cells = (f"`{name}`", f"`{kind}`".replace("typing.", ""), f"`{default}`", field.description or "")
            lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def commands_page() -> str:
    """The help of every command, as the terminal shows it."""
    from reidr.cli.main import COMMANDS, reidr

    lines = ["# Command line", ""]

    def add(command: click.Command, path: str, level: int, parent: click.Context) -> None:
        context = click.Context(command, info_name=path.split()[-1], parent=parent, terminal_width=100)
        lines.extend([f"{'#' * level} {path}", "", "```text", command.get_help(context), "```", ""])
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                child = command.get_command(context, name)
                if child is not None:
                    add(child, f"{path} {name}", level + 1, context)

    root = click.Context(reidr, info_name="reidr")
    for name in COMMANDS:
        command = reidr.get_command(root, name)
        if command is not None:
            add(command, f"reidr {name}", 2, root)
    return "\n".join(lines)


API = (
    ("Finding", ("reidr.search.searching",)),
    ("Search by words", ("reidr.search.words.parse", "reidr.search.words.rank", "reidr.search.words.types")),
    ("Data", ("reidr.data.types", "reidr.data.load", "reidr.data.captions", "reidr.data.vocabulary")),
    ("Ranking", ("reidr.retrieval.ranked_list", "reidr.retrieval.rerankers.reranker")),
    ("Fusion", ("reidr.fusion.weighted", "reidr.fusion.profile")),
    ("Reasoning", ("reidr.reasoning.backends.backend", "reidr.reasoning.types")),
    ("Metrics", ("reidr.evaluation.metrics.ranking", "reidr.evaluation.metrics.oracle_gain")),
    ("Result files", ("reidr.evaluation.results.schema",)),
    ("Warm-up objectives", ("reidr.training.warmup.objectives.objective",)),
)


def api_page() -> str:
    """The public modules, for mkdocstrings."""
    lines = ["# Python API", ""]
    for title, modules in API:
        lines += [f"## {title}", "", *(line for module in modules for line in (f"::: {module}", ""))]
    return "\n".join(lines)


PAGES = {"recipes.md": recipes_page, "commands.md": commands_page, "api.md": api_page}


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages to those of docs/."""
    from mkdocs.structure.files import File

    for name, page in PAGES.items():
        files.append(File.generated(config, name, content=page()))
    return files
