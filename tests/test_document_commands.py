"""Every command and every Python block of README and docs: parsed by the real command line, and run where it is cheap.

The cheap ones run literally as they stand on the page, in a folder that holds what the pages name (a rendered street,
`person.jpg`, `crops/` …). What is not run stands in NOT_RUN with the reason; it is parsed all the same.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from reidr.cli.main import reidr
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street

REPOSITORY = Path(__file__).parent.parent
PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((REPOSITORY / "docs").glob("*.md")),
    *sorted((REPOSITORY / "src" / "reidr").glob("*/presets/*/README.md")),
    *sorted(page for page in (REPOSITORY / "research").rglob("README.md")),
]
SHELL = ("", "sh", "bash", "shell", "console", "text")
INVOCATION = re.compile(
    r"^(?:[A-Z_]+=\S+ )*(?:docker run .* IMAGE )?"
    r"(?:reidr|(?:torchrun|accelerate launch) .*-m (?:-- )?reidr\.cli\.main) (?P<words>.*)$"
)
INLINE = re.compile(r"`(reidr [^`\n]*)`")

NOT_RUN = {
    r"reidr plan": "its exit status depends on the data that are here; tests/training/planning runs it",
    r"train nano --quick": "minutes; the stages have tests of their own, in tests/training",
    r"train qwen2\.5-vl-7b (?!--plan)|runs/7b": "followed with a tiny one in tests/training/test_big_models_page.py",
    r"train rl qwen2\.5-vl-7b": "a checkpoint of 16 GB; tests/training follow every stage with tiny ones",
    r"qwen2\.5-vl-7b --rollout-server": "a checkpoint of 16 GB and a vLLM server",
    r"cli\.main train ": "several processes; tests/training/test_several_processes.py starts them",
    r"reidr index .*--detector": "needs videos and a detector; tests/service/ingest runs it with its own",
    r"reidr serve( |$)": "serves until it is stopped; tests/service/api runs it",
    r"load_models\(store\)": "needs a gallery of one's own; tests/service/api/serving.py does the same",
    r"postgresql://": "needs a server of PostgreSQL; tests/service/test_postgres_store.py starts one",
    r"serve-model": "serves until it is stopped; tests/service runs it",
    r"(?:--in|gallery export) (?:gallery/|postgresql:)": "needs a gallery; tests/cli/test_find_gallery.py makes one",
    r"--reasoner https?://": "asks a server that is not here; tests/service and tests/reasoning ask one",
    r"RemoteReasoner\(": "asks a server that is not here; tests/reasoning asks one",
}
DONE: set[str] = set()  # a command that two pages name runs once
CHEAPER = {"--reasons 50": "--reasons 3"}  # the same command about fewer pairs


@dataclass(frozen=True)
class Block:
    """A command (one logical line) or a Python block of a page."""

    page: Path
    line: int
    text: str
    python: bool = False

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"

    @property
    def reason_not_to_run(self) -> str | None:
        return next((reason for pattern, reason in NOT_RUN.items() if re.search(pattern, self.text)), None)


def blocks_of(page: Path) -> Iterator[Block]:
    """The commands in fenced and indented blocks, and the Python blocks, in the order of the page."""
    language: str | None = None  # of the fence we are in
    python: list[str] = []
    begun, continued = 0, ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            if language == "python":
                yield Block(page, begun, "\n".join(python) + "\n", python=True)
            language, python, begun = (line[3:].strip() if language is None else None), [], number
        elif language == "python":
            python.append(line)
        elif language in SHELL or (language is None and line.startswith("    ")):
            if not continued:
                begun = number
            continued += " " * bool(continued) + line.strip().removeprefix("$ ").removesuffix("\\").rstrip()
            if not line.endswith("\\"):
                yield Block(page, begun, continued)
                continued = ""


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
COMMANDS = [(block, found["words"]) for block in BLOCKS if not block.python and (found := INVOCATION.match(block.text))]


def parse(line: str) -> None:
    """Hand the words after `reidr` to click's parsers, and run nothing. Raises click.UsageError for what they refuse.

    Brackets mark what may be left out: it is given here. An ellipsis stands for an option's value, or for words that
    the reader knows; a word in capitals for a value of whatever kind is wanted.
    """
    written = shlex.split(line.replace("[", "").replace("]", ""), comments=True)
    words = [
        "1" if word == "\u2026" else word
        for before, word in zip(["", *written], written, strict=False)
        if word != "\u2026" or before.startswith("--")
    ]
    try:
        parse_words(words, line)
    except click.BadParameter:
        parse_words(["1" if word.isupper() else word for word in words], line)


def parse_words(words: list[str], line: str) -> None:
    """Follow `words` from group to command and let the last one parse the rest."""
    group: click.Command = reidr
    context = click.Context(group, info_name="reidr")
    while isinstance(group, click.Group) and words and not words[0].startswith("-"):
        name, command, words = group.resolve_command(context, words)
        assert command is not None, line
        group, context = command, click.Context(command, info_name=name, parent=context)
    if not isinstance(group, click.Group):
        group.make_context(context.info_name, words, parent=context.parent)


@pytest.mark.parametrize(("block", "words"), COMMANDS, ids=[block.place for block, _ in COMMANDS])
def test_a_command_parses(block: Block, words: str) -> None:
    try:
        parse(words)
    except click.UsageError as error:
        pytest.fail(f"{block.place}: {block.text}: {error.format_message()}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_commands_named_in_a_sentence_parse(page: Path) -> None:
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        for command in INLINE.findall(line):
            try:
                parse(command.removeprefix("reidr "))
            except click.MissingParameter:
                pass  # named in passing, without its arguments
            except click.UsageError as error:
                pytest.fail(f"{page.name}:{number}: {command}: {error.format_message()}")


# Of docker, torchrun, accelerate (`--use_fsdp`) and vLLM.
FOREIGN = {"--host", "--build-arg", "--init", "--nproc-per-node", "--max-restarts", "--run-path", "--use", "--fsdp"}


def options_of(command: click.Command, context: click.Context) -> set[str]:
    """Every option of a command and of those below it."""
    found = {name for each in command.get_params(context) for name in (*each.opts, *each.secondary_opts)}
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            found |= options_of(child, click.Context(child, info_name=name, parent=context))
    return found


def test_options_named_in_a_sentence_exist() -> None:
    known = options_of(reidr, click.Context(reidr, info_name="reidr")) | FOREIGN
    scripts = "".join(script.read_text(encoding="utf-8") for script in REPOSITORY.glob("[brs]*/**/*.py"))
    for page in PAGES:
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            for code in re.findall(r"`([^`]*)`", line):
                for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", code):
                    assert option in known or f'"{option}"' in scripts, f"{page.name}:{number}: {option}"


def test_a_command_that_would_be_refused_is_found() -> None:
    parse("find PERSON.jpg --in FOLDER --k 3  # a remark")
    parse("train tune qwen2.5-vl-7b")
    parse("evaluate DATA [--adaptive] [--k K] [--budget PAIRS] [--json FILE]")
    for line in ("find PERSON.jpg --in FOLDER --kk 3", "validate", "fnd x", "evaluate D --k 0"):
        with pytest.raises(click.UsageError):
            parse(line)


def test_blocks_are_found_in_every_spelling(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "    $ reidr doctor\n\n```sh\nA=1 reidr find x \\\n  --in y\n```\n\n```python\nprint(1)\n```\n"
        "    docker run -p 1:1 IMAGE reidr serve-model nano\n    torchrun -m -- reidr.cli.main train rl R\n",
        encoding="utf-8",
    )
    blocks = list(blocks_of(page))
    assert [block.line for block in blocks] == [1, 4, 8, 11, 12]
    assert [block.python for block in blocks] == [False, False, True, False, False]
    words = [match["words"] for block in blocks if (match := INVOCATION.match(block.text))]
    assert words == ["doctor", "find x --in y", "serve-model nano", "train rl R"]


def test_make_targets_and_scripts_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.M))
    named = [(block.place, found[1]) for block in BLOCKS if (found := re.match(r"make ([a-z-]+)", block.text))]
    for page in PAGES:
        named += [(page.name, name) for name in re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8"))]
    assert named
    assert [(place, name) for place, name in named if name not in targets] == []
    for block in BLOCKS:
        found = re.match(r"python ((?:benchmarks|examples|research|scripts)/\S+\.py)(.*)", block.text)
        if found is None or block.python:
            continue
        script = REPOSITORY / found[1]
        assert script.is_file(), f"{block.place}: {found[1]}"
        # A script has its own options, and those of a script beside it that it imports.
        text = script.read_text(encoding="utf-8")
        beside = [script.parent / f"{name}.py" for name in re.findall(r"^(?:import|from) (\w+)", text, re.M)]
        texts = [text, *(path.read_text(encoding="utf-8") for path in beside if path.is_file())]
        for option in re.findall(r"--[a-z-]+", found[2].partition("#")[0]):
            assert any(f'"{option}"' in own for own in texts), f"{block.place}: {found[1]} {option}"


def test_every_reason_not_to_run_a_block_is_needed() -> None:
    written = [block.text for block in BLOCKS]
    assert [pattern for pattern in NOT_RUN if not any(re.search(pattern, text) for text in written)] == []


# What runs. One folder for all pages, so that models, embeddings and verdicts are computed once.


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the pages name."""
    folder = tmp_path_factory.mktemp("pages")
    street = folder / "runs/demo/street"
    settings = StreetSettings(
        test_people=3, cameras_per_person=3, crops_per_camera=1, queries_per_person=1, distractors=10, junk=1, absent=0
    )
    render_street(street, settings)
    # The demo's street is larger; the picture that the pages name is given its name here.
    (street / "manifest.jsonl").unlink()
    first = sorted((street / "query").iterdir())[0]
    person = first.rename(first.with_name("0001_c1s1_000163_01.jpg"))
    for name in ("person.jpg", "PERSON.jpg", "front.jpg"):
        shutil.copyfile(person, folder / name)
    shutil.copyfile(sorted((street / "query").iterdir())[1], folder / "back.jpg")
    shutil.copytree(street, folder / "FOLDER")
    for number, crop in enumerate(sorted((street / "bounding_box_test").glob("0*.jpg"))[:6]):
        camera = folder / f"crops/cam{number % 2 + 1}/2026-11-27"
        camera.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(crop, camera / f"08-38-{number:02d}_106.jpg")
    for name, seed in (("baseline", 1), ("other", 2)):
        results_of_features(folder, name, seed)
    return folder


def results_of_features(folder: Path, name: str, seed: int) -> None:
    """`name`.json: the features of docs/evaluating.md with other noise, measured."""
    (made, *_) = [block.text for block in BLOCKS if block.python and block.page.name == "evaluating.md"]
    made = made.replace("default_rng(0)", f"default_rng({seed})").replace('"mine.npz"', repr(str(folder / "other.npz")))
    exec(made, {"__name__": "page"})
    problem = run_command(f"evaluate --features '{folder}/other.npz' --json '{folder}/{name}.json'")
    assert not problem, problem


def run_command(words: str) -> str:
    """Run it in this process; its output, or a failure that shows it."""
    for written, cheaper in CHEAPER.items():
        words = words.replace(written, cheaper)
    done = CliRunner().invoke(reidr, shlex.split(words, comments=True))
    if done.exit_code:
        return f"exit status {done.exit_code}\n{done.output}\n{done.exception!r}"
    return ""


WORDS = dict(COMMANDS)
RUN = [  # the snippets of extending.md have a test of their own
    page
    for page in PAGES
    if page.name != "extending.md"
    and any(
        block.page == page and block.reason_not_to_run is None and (block.python or block in WORDS) for block in BLOCKS
    )
]


@pytest.mark.whole
@pytest.mark.parametrize("page", RUN, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_the_blocks_of_a_page_run(page: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("REIDR_CACHE", str(place / "cache"))
    names: dict[str, object] = {"__name__": "page"}
    for block in BLOCKS:
        if block.page != page or block.reason_not_to_run:
            continue
        if block.python:
            exec(compile("\n" * block.line + block.text, str(page), "exec"), names)
        elif block in WORDS and WORDS[block].partition("  #")[0] not in DONE:
            DONE.add(WORDS[block].partition("  #")[0])
            problem = run_command(WORDS[block])
            assert not problem, f"{block.place}: {block.text}\n{problem}"
