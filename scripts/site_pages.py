"""Pages of the site that are made from the code when it is built: recipes, result files, command line, Python API.

A hook of MkDocs (`hooks:` in mkdocs.yml); nothing it makes is kept in the repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

PLAIN = {
    int: "whole number",
    float: "number",
    str: "text",
    bool: "true or false",
    Path: "path",
    Any: "anything",
    type(None): "null",
}


def title_of(model: type[BaseModel]) -> str:
    """The name of a class as a heading: `NetworkSettings` is "Network settings"."""
    return " ".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]*", model.__name__)).capitalize()


def anchor_of(title: str) -> str:
    """The anchor that MkDocs gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def kind_of(annotation: Any, titles: Mapping[Any, str]) -> str:
    """The type of a field in words, with a link to its table where it has one of its own (`titles`, by model)."""
    arguments = get_args(annotation)
    origin = get_origin(annotation)

    def inner(part: Any) -> str:
        words = kind_of(part, titles)
        return f"({words})" if " or " in words else words

    if origin is Annotated:
        return kind_of(arguments[0], titles)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(inner(each) for each in arguments))
    if origin in (tuple, list):
        each = [part for part in arguments if part is not Ellipsis]
        same = len(each) == 1 or len(set(each)) == 1
        return f"list of {inner(each[0])}" if same else f"list: {', '.join(map(inner, each))}"
    if origin is dict or annotation is dict:
        return f"object of {inner(arguments[1])}" if arguments and arguments[1] is not Any else "object"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        title = titles.get(annotation) or title_of(annotation)
        return f"[{title}](#{anchor_of(title)})"
    return PLAIN[annotation] if annotation in PLAIN else f"`{getattr(annotation, '__name__', annotation)}`"


def default_of(field: FieldInfo) -> str:
    """The default of a field, short: of nested settings only what differs from their own defaults."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        changed = [f"{name} {getattr(value, name)}" for name in type(value).model_fields if differs(value, name)]
        return ", ".join(changed) or "its own defaults"
    if isinstance(value, tuple | list | dict) and (not value or isinstance(next(iter(value)), BaseModel)):
        return f"{len(value)} of them" if value else "empty"
    return "null" if value is None else f"`{value}`"


def differs(value: BaseModel, name: str) -> bool:
    """Whether a value of nested settings is not the default of that field."""
    field = type(value).model_fields[name]
    return field.is_required() or getattr(value, name) != field.get_default(call_default_factory=True)


def nested(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from nested(each)


def table_of(model: type[BaseModel], titles: Mapping[Any, str], *, defaults: bool) -> list[str]:
    """One line for each field of a model."""
    lines = ["| field | type | default | meaning |" if defaults else "| name | type | meaning |"]
    lines.append("| --- | --- | --- | --- |" if defaults else "| --- | --- | --- |")
    for name, field in model.model_fields.items():
        cells = [f"`{field.alias or name}`", kind_of(field.annotation, titles)]
        cells += [default_of(field)] if defaults else []
        cells += [field.description or ""]
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return lines


def sections_of(roots: Mapping[str, type[BaseModel]], level: str, *, defaults: bool) -> list[str]:
    """A section for each model of `roots` by title, then one for each model that their fields speak of."""
    titles = {model: title for title, model in roots.items()}
    for model in titles.copy():
        _add_nested(model, titles)
    lines: list[str] = []
    for model, title in titles.items():
        about = (model.__dict__.get("__doc__") or "").strip().split("\n\n")[0]
        lines += [f"{level} {title}", "", *([" ".join(about.split()), ""] if about else [])]
        lines += [*table_of(model, titles, defaults=defaults), ""]
    return lines


def _add_nested(model: type[BaseModel], titles: dict[type[BaseModel], str]) -> None:
    for field in model.model_fields.values():
        for part in nested(field.annotation):
            if part not in titles:
                titles[part] = title_of(part)
                _add_nested(part, titles)


def recipes_page() -> str:
    """Every field of every stage of a recipe: type, default, meaning."""
    from reidr.training.recipes.grpo import ReinforcementRecipe
    from reidr.training.recipes.pairs import PairsRecipe
    from reidr.training.recipes.pretraining import PretrainingRecipe
    from reidr.training.recipes.retriever import RetrieverRecipe
    from reidr.training.recipes.sampling import SampleRecipe
    from reidr.training.recipes.warmup import WarmupRecipe

    stages: dict[str, type[BaseModel]] = {
        "Retriever": RetrieverRecipe,
        "Pretraining": PretrainingRecipe,
        "Pairs": PairsRecipe,
        "Warm-up": WarmupRecipe,
        "Sampling": SampleRecipe,
        "Reinforcement learning (GRPO)": ReinforcementRecipe,
    }
    lines = [
        "# Recipes",
        "",
        "A recipe is a YAML file with one section for each training stage. A field that it leaves out has the default",
        "given here. The first six tables are the stages. The tables after them are of settings inside these.",
        "",
    ]
    return "\n".join([*lines, *sections_of(stages, "##", defaults=True)])


def result_files_page() -> str:
    """Every field of the JSON files that `evaluate` and `find` write."""
    from reidr.evaluation.results.schema import SCHEMA, EvaluationResult
    from reidr.search.document.schema import KIND, VERSION, SearchDocument

    lines = [
        "# Result files",
        "",
        "Within one version names are added. None is changed or removed, so a reader must accept names that it does",
        "not know. The first table is the file of an evaluation, the second that of a search. The others are their",
        "parts.",
        "",
        "**Evaluation.** `reidr evaluate --json FILE` writes it. Another `schema` is refused in one sentence.",
        f"That of today is `{SCHEMA}`. Names beside those of the table hold what else was measured:",
        "`share_of_oracle_gain`, `open_set`, `expected_calibration_error`, `pair_areas`, `cost_curve`, `reasons`. In",
        "Python, `reidr.evaluation.results.result_file.read_result` reads and checks a file.",
        "",
        "**Search.** `reidr find --json FILE` writes it, and the run folder holds it as `report.json`. Its `kind` is",
        f"`{KIND}`, its `version` is `{VERSION}`. In Python, `reidr.search.document.schema.SearchDocument` reads it,",
        "and its method `model_json_schema()` gives a JSON Schema.",
        "",
    ]
    roots: dict[str, type[BaseModel]] = {"Evaluation": EvaluationResult, "Search": SearchDocument}
    return "\n".join([*lines, *sections_of(roots, "##", defaults=False)])


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


PAGES = {
    "recipes.md": recipes_page,
    "result-files.md": result_files_page,
    "commands.md": commands_page,
    "api.md": api_page,
}


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages to those of docs/."""
    from mkdocs.structure.files import File

    for name, page in PAGES.items():
        files.append(File.generated(config, name, content=page()))
    return files
