"""Modules of the first edition are found where they are now, as the very same modules."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reidr.moved import MOVED


@pytest.mark.parametrize("new", sorted(set(MOVED.values())))
def test_every_new_name_is_there(new):
    assert importlib.util.find_spec(f"reidr.{new}") is not None


def test_an_old_name_gives_the_module_itself_and_says_so():
    sys.modules.pop("reidr.frame.text", None)
    with pytest.warns(DeprecationWarning, match=r"reidr.frame.text is reidr.core.text now"):
        old = importlib.import_module("reidr.frame.text")
    new = importlib.import_module("reidr.core.text")
    assert old is new
    assert new.__spec__.name == "reidr.core.text"
    assert new.__name__ == "reidr.core.text"


def test_names_that_are_packages_now_still_have_what_they_had():
    code = (
        "from reidr.training.retriever import train_retriever\n"
        "from reidr.training.recipes import RetrieverRecipe\n"
        "from reidr.evaluation.experiment import run_experiment\n"
        "from reidr.training.sampling import identity_batches\n"
        "from reidr.reasoning.serve import LONGEST_TEXT, read_messages\n"
        "from reidr.retrieval.gallery import Gallery, content_key\n"
        "from reidr.retrieval.k_reciprocal import k_reciprocal\n"
        "from reidr.data.street import render_street\n"
        "from reidr.retrieval.backbones.osnet import OSNet\n"
        "import reidr.retrieval.rerankers.k_reciprocal as new\n"
        "assert k_reciprocal is new.k_reciprocal\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_nothing_here_uses_an_old_name():
    root = Path(__file__).parent.parent
    old = re.compile(r"\breidr\.(" + "|".join(map(re.escape, sorted(MOVED, key=len, reverse=True))) + r")(?![\w])")
    assert old.search("from reidr.frame.run import Run")
    found = [
        f"{path.relative_to(root)}: {match[0]}"
        for folder in ("src", "tests", "scripts", "benchmarks", "examples", "research")
        for path in sorted((root / folder).rglob("*.py"))
        if path.name not in ("moved.py", "test_moved.py")
        for match in old.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []
