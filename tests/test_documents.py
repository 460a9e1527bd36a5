"""README and docs speak of commands, options, files and links that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from reidr.cli.main import COMMANDS, reidr

REPOSITORY = Path(__file__).parent.parent
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
COMMAND = re.compile(r"(?:^ {4}|`)reidr ([a-z-]+)([^`\n]*)", re.M)
LINK = re.compile(r"\]\((?!http)([^)#]+)\)")
TARGET = re.compile(r"(?:^ {4}|`)make ([a-z-]+)", re.M)


STAGES = ("retriever", "base", "warmup", "rl", "decide")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path) -> None:
    for name, words in COMMAND.findall(page.read_text(encoding="utf-8")):
        assert name in COMMANDS, f"{page.name}: reidr {name}"
        path = [name]
        if name == "train":
            stage = words.split()[0] if words.split() else ""
            path.append(stage if stage in STAGES else "all")
        text = CliRunner().invoke(reidr, [*path, "--help"]).output
        for option in re.findall(r"--[a-z][a-z-]+", words.split("#")[0]):
            assert option in text, f"{page.name}: reidr {name} {option}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} → {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.M))
    assert set(TARGET.findall(page.read_text(encoding="utf-8"))) <= targets
