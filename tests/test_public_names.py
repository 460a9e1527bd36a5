"""What a person imports exists, and importing the package loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import reidr


def test_importing_the_package_is_light() -> None:
    code = "import reidr, sys; print([m for m in ('torch', 'numpy', 'transformers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_resolves() -> None:
    for name in reidr.__all__:
        assert getattr(reidr, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(reidr, "nothing_of_that_name")
