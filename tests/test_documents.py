"""README and docs speak of files and links that exist, and of numbers that were measured.

Their commands and Python blocks are run by test_document_commands.py.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest

from reidr.cli.doctor import EXTRAS

REPOSITORY = Path(__file__).parent.parent
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


MARKDOWN = sorted(
    path
    for path in REPOSITORY.rglob("*.md")
    if not {".venv", "runs", "dist", "build", "site", ".pytest_cache"} & set(path.relative_to(REPOSITORY).parts)
)
LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)")
FENCED = re.compile(r"^```.*?^```", re.M | re.S)


def anchors_of(page: str) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    found: dict[str, int] = {}
    anchors = set()
    for heading in re.findall(r"^#+ +(.+?) *$", FENCED.sub("", page), re.M):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        times = found[anchor] = found.get(anchor, -1) + 1
        anchors.add(f"{anchor}-{times}" if times else anchor)
    return anchors


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_and_anchors_lead_somewhere(page: Path) -> None:
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    # Pages that exist in the built site alone; `mkdocs build --strict` checks links to them.
    made = re.findall(
        r'"([\w-]+\.md)": \w+_page', (REPOSITORY / "scripts" / "site_pages.py").read_text(encoding="utf-8")
    )
    for target, anchor in LINK.findall(text):
        if page.parent.name == "docs" and target in made:
            continue
        place = page.parent / target if target else page
        assert place.exists(), f"{page.name} → {target}"
        if anchor:
            assert anchor in anchors_of(place.read_text(encoding="utf-8")), f"{page.name} → {target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_that_are_named_in_words_are_there(page: Path) -> None:
    for name in re.findall(
        r"\b(?:docs|src|tests|scripts|benchmarks|research)/[\w./-]+\.(?:md|py|json|png)\b", page.read_text("utf-8")
    ):
        assert (REPOSITORY / name).exists(), f"{page.name}: {name}"


def test_anchors_are_githubs() -> None:
    page = "# `find`: *one* thing, A-B\n## Twice\n## Twice\n```\n# no heading\n```\n## [A](x.md) link\n"
    assert anchors_of(page) == {"find-one-thing-a-b", "twice", "twice-1", "a-link"}


def test_the_readme_is_short_and_its_way_to_measure_runs() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 90
    assert text.count("![") == 1
    assert len(re.findall(r"^\| ?---", text, re.M)) == 1
    said: list[str] = []
    code = text.split("```python\n")[1].split("```")[0]
    exec(code, {"print": lambda *values: said.extend(map(str, values))})
    assert said == ["1.0", "1.0", "1.0"]
    for name in (
        "finding",
        "evaluating",
        "servers",
        "run-folders",
        "datasets",
        "install",
        "method",
        "results",
        "performance",
    ):
        assert f"](docs/{name}.md)" in text


def test_install_names_every_extra() -> None:
    page = (REPOSITORY / "docs" / "install.md").read_text(encoding="utf-8")
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    told = dict(re.findall(r"^\| `reidr\[(\w+)\]` \| ([^|]*) \|", page, re.M))
    assert told.keys() == extras.keys()
    assert {*EXTRAS, "dev", "docs"} == extras.keys()  # `reidr doctor` looks for each
    for name, modules in EXTRAS.items():
        packages = {re.split(r"[\[=<>;~! ]", package)[0].replace("-", "_") for package in extras[name]}
        assert packages == set(modules), name
    for name, packages in extras.items():
        if name not in ("dev", "train"):
            for package in packages:
                assert re.split(r"[\[=<>;~! ]", package)[0] in told[name], (name, package)


CARDS = sorted((REPOSITORY / "src" / "reidr").glob("*/presets/*/README.md"))

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def test_security_counts_the_calls_of_torch_load() -> None:
    calls = [
        {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        for path in (REPOSITORY / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("torch.load")
    ]
    assert all(words.get("weights_only") == "True" for words in calls)
    text = (REPOSITORY / "SECURITY.md").read_text(encoding="utf-8")
    (said,) = re.findall(r"`torch\.load` is called in (\w+) places", text)
    assert said == NUMBERS[len(calls) - 1], f"SECURITY.md says {said}, the source has {len(calls)}"


def measured(title: str) -> dict[str, tuple[str, str]]:
    """The (mAP, Rank-1) of each row in a section of docs/results.md."""
    page = (REPOSITORY / "docs" / "results.md").read_text(encoding="utf-8")
    section = re.split(r"^## ", page.split(f"\n## {title}\n", 1)[1], maxsplit=1, flags=re.M)[0]
    rows = re.findall(r"^\| ([^|]+) \| ([\d.]+) \([^|]* \| ([\d.]+) \(", section, re.M)
    return {name: (mean, first) for name, mean, first in rows}


DEV = "market1501-dev"
PHOTOS = "Does the reasoner rank better on the official test of Market-1501?"


def row_of_find() -> str:
    """The row of the results whose fusion is the one that `find` uses: what the profile of `nano` says."""
    profile = REPOSITORY / "src/reidr/reasoning/presets/nano/inference_profile.json"
    return "reasoner, " + json.loads(profile.read_text(encoding="utf-8"))["fusion"]


def test_readme_has_the_rows_that_were_measured_and_leaves_none_out() -> None:
    page = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    start = page.index("**official test** of Market-1501 (3,368 queries")
    table = page[start : page.index("## What its reasons are worth")]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("| ")
    ][2:]
    found = measured(PHOTOS)
    named = {re.sub(r" \(.*\)", "", cells[0]): (cells[1], cells[2]) for cells in rows}
    assert len(rows) == len(named) == 8
    for name, values in named.items():
        assert values == found[name], name
    assert [cells[0] for cells in rows if "as `find` orders" in cells[0]] == [f"{row_of_find()} (as `find` orders)"]
    # Whatever beats or equals a row with the reasoner stands in the table too.
    assert found.keys() - named <= {"colour histogram", "reasoner, whole list"}


def test_results_repeat_the_measurements() -> None:
    """docs/results.md is written by scripts/result_tables.py from the measurements, and was not edited since."""
    source = (REPOSITORY / "research/measurements/results.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|]+ \| ([\d.]+) <sub>([^<]*)</sub> \| ([\d.]+) <sub>([^<]*)</sub>", source, re.M)
    page = (REPOSITORY / "docs/results.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| [^|]+ \| ([\d.]+) \(([^)]*)\) \| ([\d.]+) \(([^)]*)\) \|$", page, re.M)
    assert len(told) > 40
    assert set(told) <= set(rows)


def test_changelog_and_cards_repeat_what_was_measured() -> None:
    found = measured(PHOTOS)
    changelog = " ".join((REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8").split())
    said = re.search(
        r"the retriever `lite` \(([\d.]+) mAP / ([\d.]+) Rank-1 .*? and `nano` \(([\d.]+) Rank-1 on its first ten, "
        r"([\d.]+) where it is asked ([\d.]+) times a query",
        changelog,
    )
    assert said is not None
    assert said.groups()[:2] == found["retriever"]
    used = row_of_find()
    assert said[3] == found[used][1]
    assert said[4] == found["reasoner, adaptive"][1]
    card = (REPOSITORY / "src/reidr/reasoning/presets/nano/README.md").read_text(encoding="utf-8")
    figure = r"([\d.]+)"
    (means,) = re.findall(rf"official test[^:]*: {figure} → {figure} mAP, {figure} → {figure} Rank-1 by the", card)
    assert (means[0], means[2]) == found["retriever"]
    assert (means[1], means[3]) == found[used]
    retriever = (REPOSITORY / "src/reidr/retrieval/presets/lite/README.md").read_text(encoding="utf-8")
    assert "{} mAP, {} Rank-1".format(*found["retriever"]) in retriever
    assert "k-reciprocal {} mAP, {} Rank-1".format(*found["k-reciprocal"]) in retriever


def test_readme_repeats_what_the_tests_of_reasons_found() -> None:
    page = (REPOSITORY / "docs" / "results.md").read_text(encoding="utf-8")
    photos, drawn = (
        page.split(f"\n## Are the reasons true, on {kind}?\n", 1)[1] for kind in ("photos", "drawn people")
    )

    def value(section: str, test: str) -> str:
        found = re.search(rf"^\| {test} \| ([\d.]+)", section, re.M)
        assert found is not None
        return found[1]

    text = " ".join((REPOSITORY / "README.md").read_text(encoding="utf-8").split())
    again, sure, other = "Consistent claims", "True if consistent", "True if inconsistent"
    for sentence in (
        f"{value(photos, 'True claims')} % of the claims that known attributes can test on photos; "
        f"{value(drawn, 'True claims')} % on drawn people.",
        f"On photos {value(photos, again)} % of the claims are consistent; {value(photos, sure)} % of those are true, "
        f"and {value(photos, other)} % of the others. On drawn people: {value(drawn, again)} %, {value(drawn, sure)} % "
        f"and {value(drawn, other)} %.",
        f"{value(photos, 'Text supports verdict')} % of the texts support their verdict; "
        f"{value(photos, '… by chance')} % would by chance.",
        f"Swapping the crops changes {value(photos, 'Order flips')} % of the verdicts.",
    ):
        assert sentence in text


def test_the_split_that_is_gone_is_called_so() -> None:
    """market1501-dev is history: nobody who reads of it may look for it."""
    for path in [REPOSITORY / "README.md", REPOSITORY / "docs" / "results.md", *CARDS]:
        text = path.read_text(encoding="utf-8")
        if DEV in text:
            assert "earlier split" in text, path
    for recipe in (REPOSITORY / "src" / "reidr" / "recipes").glob("*.yaml"):
        assert DEV not in recipe.read_text(encoding="utf-8")


def test_the_block_for_features_of_ones_own_runs() -> None:
    page = (REPOSITORY / "docs" / "features.md").read_text(encoding="utf-8")
    said: list[float] = []
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    exec(code, {"print": lambda *values: said.extend(values)})
    assert all(0.5 < value <= 1 for value in said)
    assert len(said) == 2
