"""No file of the package is written but by way of `reidr.core`: each other call that could is named here, and why."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent.parent / "src" / "reidr"
ATOMIC = "its file is a name that `writing`, `replacing`, `filling` or `new_folder` of reidr.core.storage.files gave"
MEMORY = "writes to memory"
SCRATCH = "a folder of its own for as long as it is needed, which no other process knows"
CHECKPOINT = "`training.common.checkpoint.Checkpoint.save`, which calls `torch_save`"

WRITERS = {
    "write_text", "write_bytes", "write", "writelines", "save", "savez", "savez_compressed", "savefig", "savetxt",
    "save_file", "save_pretrained", "save_model", "tofile", "to_csv", "to_json", "to_parquet", "to_pickle",
    "write_table", "dump", "export", "rename", "replace", "unlink", "rmdir", "rmtree", "copyfile", "copytree",
    "copy2", "move", "mkdir", "makedirs", "touch", "symlink_to", "hardlink_to", "connect", "mkstemp", "mkdtemp",
    "memmap", "NamedTemporaryFile", "TemporaryDirectory", "TemporaryFile", "open_memmap", "truncate", "ftruncate",
}  # fmt: skip
"""Methods and functions, called on something (`x.save()`), that make, change, move or remove a file somewhere."""

READERS = ("Image.open", "self._opener.open")  # Pillow's and urllib's, which take no mode of theirs

ALLOWED: dict[str, dict[str, str]] = {
    "cli/find_folder.py": {"folder.mkdir": "makes a search's own folder, which must be new: one call, nothing to tear"},
    "cli/main.py": {"os.open": "opens the null device"},
    "data/synthetic/picture/camera.py": {"picture.save": MEMORY},
    "data/synthetic/street.py": {
        "(partial / sighting.image).write_bytes": "of a folder that `new_folder` moves into its place as a whole",
    },
    "training/processes/optimiser_state.py": {
        "shutil.rmtree": "removes what DeepSpeed wrote for a checkpoint that another has replaced"
    },
    "training/sampling/rollouts.py": {"file.unlink": "removes parts that have been put together in another file"},
    "report/kept/forget.py": {
        "file.unlink": "removes reports whose people are to be forgotten",
        "folder.rmdir": "removes reports whose people are to be forgotten",
    },
    "report/kept/inventory.py": {
        "path.touch": "makes a private list of run folders",
        "path.open": "adds one line to it",
    },
    "evaluation/features/mat_arrays.py": {"archive.open": MEMORY},
    "report/files/figures.py": {"figure.savefig": MEMORY},
    "report/pictures.py": {"small.save": MEMORY},
    "report/plots.py": {"figure.savefig": MEMORY},
    "core/process/several.py": {"open": "opens the null device"},
    "core/run.py": {"tempfile.TemporaryFile": "asks whether a folder can be written to; has no name"},
    "core/storage/whole.py": {
        "kept.replace": "gives a second link to a whole file its name, in one step",
        "kept.unlink": "removes that link where the file was not replaced",
    },
    "reasoning/lora/saving.py": {"processor.save_pretrained": ATOMIC},
    "reasoning/lora/storage.py": {
        "model.save_pretrained": ATOMIC,
        "(Path(folder) / 'README.md').unlink": "PEFT's card, in the folder that is being filled",
    },
    "reasoning/models/checkpoint.py": {"model.save_pretrained": ATOMIC, "processor.save_pretrained": ATOMIC},
    "reasoning/backends/chat_server/data_urls.py": {"image.save": MEMORY},
    "reasoning/models/image_only.py": {"super().save_pretrained": "what is written where is the caller's"},
    "reasoning/backends/verdict_cache.py": {
        "path.touch": "SQLite's own files, which have a journal",
        "sqlite3.connect": "SQLite's own files, which have a journal",
    },
    "service/bulk/embedding.py": {"np.savez": MEMORY},
    "service/api/actions/exporting.py": {"tempfile.TemporaryDirectory": SCRATCH},
    "service/demo.py": {
        "tempfile.mkdtemp": "a street for this process alone, where the cache cannot be used",
        "(people / name).write_bytes": "of a folder that `new_folder` moves into its place as a whole",
        "(partial / FINISHED).write_text": "of the same folder",
    },
    "service/finding/exports/data_sets.py": {"labelled.picture.save": MEMORY},
    "service/ingest/ready_crops.py": {"picture.save": MEMORY},
    "service/ingest/sources/video.py": {"av.open": "opens a video for reading"},
    "service/ingest/tracking/pool.py": {"picture.save": MEMORY},
    "service/records/sqlite.py": {
        "sqlite3.connect": "SQLite's own files, which have a journal",
    },
    "service/store/sqlite/schema.py": {
        "sqlite3.connect": "SQLite's own files, which have a journal",
    },
    "service/store/sqlite/block.py": {
        "os.open": "a block that grows at its end; the database counts the rows that are whole and on the disk",
        "os.ftruncate": "cuts off rows that a killed process appended and the database does not count",
        "path.rename": "another name after an erasure, in one step",
        "path.unlink": "removes blocks of which the database does not know",
    },
    "service/store/sqlite/erasing.py": {
        "(folder / codes.FILE).unlink": "removes an index that may speak of erased crops; it can be made anew",
    },
    "service/store/sqlite/codes.py": {"np.savez": ATOMIC},
    "retrieval/embedding_cache.py": {
        "np.savez": MEMORY,
        "path.unlink": "removes cache files that are of no use, or whose people are to be forgotten",
    },
    "retrieval/embedders/onnx.py": {"torch.onnx.export": ATOMIC, "partial.write_bytes": ATOMIC},
    "training/pretraining/reasoner.py": {
        "processor.save_pretrained": ATOMIC,
        "tempfile.TemporaryDirectory": SCRATCH,
    },
    "training/pairs/table.py": {"parquet.write_table": ATOMIC},
    "training/warmup/figures.py": {"figure.savefig": ATOMIC},
    "training/retriever/train.py": {"trainer.checkpoint.save": CHECKPOINT},
    "training/grpo/rollouts/vllm.py": {"tempfile.TemporaryDirectory": SCRATCH},
    "training/warmup/train.py": {"trainer.checkpoint.save": CHECKPOINT},
    "training/pretraining/language_model.py": {"checkpoint.save": CHECKPOINT},
}  # fmt: skip


def opens_to_write(call: ast.Call) -> bool:
    """Whether an `open` names a mode that writes, or one that cannot be told here."""
    given = [word.value for word in call.keywords if word.arg == "mode"]
    place = 1 if isinstance(call.func, ast.Name) or ast.unparse(call.func) in ("io.open", "gzip.open") else 0
    given += call.args[place : place + 1]
    if not given:
        return False
    mode = given[0]
    return not isinstance(mode, ast.Constant) or (isinstance(mode.value, str) and bool(set(mode.value) & set("wax+")))


def writes(call: ast.Call) -> bool:
    """Whether a call may make, change, move or remove a file."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "open" and ast.unparse(call.func) in READERS:
        return False
    if name == "connect":
        return ast.unparse(call.func) == "sqlite3.connect"
    if name == "open":
        if ast.unparse(call.func) == "os.open":
            return any(flag in ast.unparse(call) for flag in ("O_WRONLY", "O_RDWR", "O_CREAT", "O_APPEND", "O_TRUNC"))
        return opens_to_write(call)
    if not isinstance(call.func, ast.Attribute) or name not in WRITERS:
        return False
    if name == "replace":  # text.replace(a, b) has two arguments, path.replace(to) has one
        return (len(call.args) == 1 and not call.keywords) or ast.unparse(call.func) == "os.replace"
    return True


def writing_calls(path: Path) -> set[str]:
    """What is called in a file that may write."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call) and writes(node)}
    # Files that these opened themselves: a handle is not a way to open one.
    return {name for name in found if not name.endswith((".write", ".writelines"))}


OWN = {"core/storage/files.py", "core/storage/json_lines.py", "core/storage/lock.py", "core/process/signals.py"}
SOURCES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.relative_to(PACKAGE).as_posix() not in OWN]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_files_are_written_in_one_way(path: Path) -> None:
    allowed = ALLOWED.get(path.relative_to(PACKAGE).as_posix(), {})
    assert writing_calls(path) <= set(allowed), "use reidr.core.storage.files, or say in ALLOWED why not"


def test_nothing_is_allowed_that_is_not_there() -> None:
    for name, calls in ALLOWED.items():
        assert set(calls) <= writing_calls(PACKAGE / name), name


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("open('x', 'w')", True),
        ("open('x')", False),
        ("open('x', mode='ab')", True),
        ("p.open('rb')", False),
        ("p.open('w', encoding='utf-8')", True),
        ("crop.open()", False),
        ("p.open(mode)", True),
        ("os.open(p, os.O_RDONLY)", False),
        ("os.open(p, os.O_CREAT | os.O_RDWR)", True),
        ("moment.replace(tzinfo=None)", False),
        ("p.write_text('x')", True),
        ("write_text(p, 'x')", False),
        ("json.dump(x, f)", True),
        ("json.dumps(x)", False),
        ("'ab'.replace('a', 'b')", False),
        ("p.replace(q)", True),
        ("os.replace(p, q)", True),
        ("replace(crop, id=1)", False),
        ("torch.save(x, p)", True),
        ("np.savez(p, a=a)", True),
    ],
)
def test_what_counts_as_writing(text: str, found: bool) -> None:
    (call,) = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    assert writes(call) is found
