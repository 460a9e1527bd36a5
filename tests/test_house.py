"""The house rules that a machine can check: import direction, file lengths, safe loading, no photo in git."""

from __future__ import annotations

import ast
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
PACKAGE = REPOSITORY / "src" / "reidr"
ROOMS = ("data", "retrieval", "fusion", "reasoning", "evaluation", "search", "report", "training", "service", "cli")
BELOW_ALL = ("errors", "core")
UNSAFE_CALLS = ("pickle.load", "pickle.loads", "yaml.load", "eval", "exec")
PHOTO = re.compile(r"(^|/)\d{4}_c\d(s\d)?_\d+_\d+\.(jpg|png)$")
SOURCES = sorted(PACKAGE.rglob("*.py"))


def imported_rooms(path: Path) -> set[str]:
    """Names directly below `reidr` that a file imports, at its top or inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        found |= {name.split(".")[1] for name in names if name.startswith("reidr.")}
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_from_rooms_above_it(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room in ("__init__", "errors"):
        return
    allowed = set(BELOW_ALL)
    if room in ROOMS:
        allowed |= set(ROOMS[: ROOMS.index(room) + 1])
    assert imported_rooms(path) <= allowed


def test_no_folder_is_a_pile() -> None:
    """Past a dozen modules a folder gets folders by concept; `cli` has one thin file a command."""
    count = Counter(path.parent for path in SOURCES if path.name != "__init__.py")
    assert {str(folder) for folder, number in count.items() if number > 12 and folder != PACKAGE / "cli"} == set()


def test_core_and_errors_know_no_room() -> None:
    files = [PACKAGE / "errors.py", *(PACKAGE / "core").glob("*.py")]
    assert not {room for path in files for room in imported_rooms(path)} & set(ROOMS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_short_and_loading_is_safe(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 600
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{path}:{node.lineno}: bare except"
        if isinstance(node, ast.Call):
            call = ast.unparse(node.func)
            words = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if call.endswith("torch.load"):
                assert words.get("weights_only") == "True", f"{path}:{node.lineno}: torch.load without weights_only"
            assert call not in UNSAFE_CALLS, f"{path}:{node.lineno}: {call}"
            assert words.get("trust_remote_code") in (None, "False"), f"{path}:{node.lineno}: trust_remote_code"
            assert words.get("allow_pickle") in (None, "False"), f"{path}:{node.lineno}: allow_pickle"


def test_no_light_room_imports_torch_at_its_top() -> None:
    """`reidr --help`, `validate` and the loaders must not pay seconds for torch."""
    for path in [*(PACKAGE / "cli").glob("*.py"), *(PACKAGE / "data").rglob("*.py"), *(PACKAGE / "core").glob("*.py")]:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            heavy = [name for name in names if name.split(".")[0] in ("torch", "transformers", "matplotlib", "trl")]
            assert not heavy, f"{path}: imports {heavy} at its top"


def test_no_research_photo_is_tracked() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    assert not [line for line in listed.stdout.splitlines() if PHOTO.search(line)]


def test_weights_stay_within_their_budget() -> None:
    total = sum(path.stat().st_size for path in PACKAGE.rglob("*.safetensors"))
    assert total <= 40 * 2**20
