"""What cannot be done is said before anything heavy is loaded: torch alone takes seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ASK = """
import sys
from reidr.cli.main import main
sys.argv = ["reidr", *sys.argv[1:]]
try:
    main()
finally:
    loaded = [name for name in ("torch", "transformers") if name in sys.modules]
    print(f"loaded: {loaded}")
"""
RECIPE = """
retriever: {data: [nowhere/market]}
pretraining: {data: [nowhere/market]}
pairs: {source: retriever, data: [nowhere/market]}
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("train frob", "frob: no such recipe file"),
        (
            "train own.yaml",
            "nowhere/market: no such folder or manifest; own.yaml: pretraining names it as training data",
        ),
        ("train retriever own.yaml", "nowhere/market: no such folder or manifest; own.yaml: retriever names it"),
        ("train pretraining own.yaml", "nowhere/market: no such folder or manifest; own.yaml: pretraining names it"),
        ("pairs own.yaml", "nowhere/market: no such folder or manifest; own.yaml: pairs names it"),
        ("train own.yaml --plan", "pretraining: data ['nowhere/market']"),
        ("train tune frob", "frob: no such recipe file"),
        ("train tune --model nowhere", "nowhere: no such checkpoint folder"),
        ("train warmup --stepz 3", "No such option"),
        ("evaluate nowhere", "nowhere: no such folder or manifest"),
        ("evaluate --features nowhere.npz", "nowhere.npz: no such file"),
        ("compare a.json b.json", "a.json: cannot be read"),
    ],
)
def test_no_torch_for_a_mistake(words: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(RECIPE)
    done = subprocess.run(
        [sys.executable, "-c", ASK, *words.split()], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "loaded: []" in done.stdout


def test_measuring_needs_no_torch() -> None:
    code = "import sys, reidr.evaluation; from reidr.evaluation import *; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
