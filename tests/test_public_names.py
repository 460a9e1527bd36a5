"""What a person imports exists, and importing the package loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

import reidr
import reidr.evaluation


def test_importing_the_package_is_light() -> None:
    code = "import reidr.evaluation, sys; print([m for m in ('torch', 'numpy', 'transformers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("package", [reidr, reidr.evaluation], ids=lambda package: package.__name__)
def test_every_public_name_resolves(package: ModuleType) -> None:
    for name in package.__all__:
        assert getattr(package, name) is not None


def test_the_evaluator_needs_no_torch() -> None:
    code = "from reidr.evaluation import *; import sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(reidr, "nothing_of_that_name")
    assert not hasattr(reidr.evaluation, "nothing_of_that_name")
