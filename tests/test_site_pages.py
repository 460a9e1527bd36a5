"""The generated pages of the site: every field has its line, cells are short, links lead to headings of the page."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import site_pages

from reidr.cli.main import COMMANDS
from reidr.data.left_out import LeftOut
from reidr.evaluation.results import schema as evaluation
from reidr.search.document import schema as search

TABLES = (site_pages.recipes_page, site_pages.result_files_page)


def cells_of(page: str) -> list[list[str]]:
    """The cells of every line of every table, without heads."""
    lines = [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in page.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line] for line in lines]


@pytest.mark.parametrize("page", TABLES)
def test_links_lead_to_headings_and_each_heading_is_there_once(page: Callable[[], str]) -> None:
    text = page()
    headings = [site_pages.anchor_of(title) for title in re.findall(r"^#+ (.+)$", text, re.M)]
    assert len(headings) == len(set(headings))
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= set(headings)


@pytest.mark.parametrize("page", TABLES)
def test_types_and_defaults_hold_a_few_words(page: Callable[[], str]) -> None:
    rows = cells_of(page())
    assert len(rows) > 60
    for cells in rows:
        assert all(len(re.sub(r"\(#[^)]*\)", "", cell)) <= 90 for cell in cells[1:-1]), cells


def test_every_field_of_both_result_files_is_described() -> None:
    models = [LeftOut, *(m for module in (evaluation, search) for m in vars(module).values() if is_model(m, module))]
    assert len(models) > 10
    rows = [cells[0] for cells in cells_of(site_pages.result_files_page())]
    for model in models:
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"
            assert f"`{field.alias or name}`" in rows, f"{model.__name__}.{name}"


def is_model(value: object, module: object) -> bool:
    """Whether a module's value is a part of its document."""
    return isinstance(value, type) and value.__module__ == module.__name__ and bool(getattr(value, "model_fields", {}))


def test_nested_settings_show_only_what_differs_from_their_own_defaults() -> None:
    from reidr.training.recipes.retriever import EmbedderTraining, RetrieverRecipe

    assert site_pages.default_of(RetrieverRecipe.model_fields["network"]) == "its own defaults"
    field = site_pages.FieldInfo(default=EmbedderTraining(epochs=EmbedderTraining().epochs + 1), annotation=None)
    assert site_pages.default_of(field) == f"epochs {EmbedderTraining().epochs + 1}"


def test_the_help_of_every_command_is_on_its_page() -> None:
    page = site_pages.commands_page()
    assert all(f"\n## reidr {name}\n" in page for name in COMMANDS)
    assert "\n### reidr train retriever\n" in page
