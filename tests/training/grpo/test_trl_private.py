"""What the trainer uses of TRL beyond its promises: listed in one file, used in that file alone, there in this TRL."""

from __future__ import annotations

import inspect
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from tiny_reasoners import lively

pytest.importorskip("trl")

from trl import GRPOTrainer

from reidr.training.grpo import trl_private

REPOSITORY = Path(__file__).parents[3]
TRAINING = REPOSITORY / "src" / "reidr" / "training"
SOURCE = inspect.getsource(GRPOTrainer)
OF_TRL_ALONE = [name for name in trl_private.PRIVATE if name not in ("beta", "rollout_func")]
"""Names that mean nothing but TRL's: `beta` is also a field of our recipe."""


@pytest.mark.parametrize("name", trl_private.PRIVATE)
def test_each_name_is_there(name: str) -> None:
    if hasattr(trl_private, name):
        assert callable(getattr(trl_private, name))
    elif name == "rollout_func":
        assert name in inspect.signature(GRPOTrainer).parameters
    elif callable(getattr(GRPOTrainer, name, None)):
        assert name in GRPOTrainer.__dict__
    else:
        assert re.search(rf"\bself\.{name}\b", SOURCE), f"GRPOTrainer has no attribute {name} any more"


@pytest.mark.parametrize("key", trl_private.KEYS)
def test_each_key_is_there(key: str) -> None:
    assert f'"{key}"' in inspect.getsource(GRPOTrainer._generate_and_score_completions)


def test_a_trained_model_gets_its_own_forward_back() -> None:
    model, _ = lively("qwen3_vl")
    own = model.forward
    trl_private.add_fused_lm_head(model, temperature=1.0)
    assert model.forward != own
    trl_private.restore_forward(model)
    assert model.forward == own


def test_the_private_methods_have_the_arguments_that_are_replaced() -> None:
    arguments = {
        "_generate_and_score_completions": ["self", "inputs"],
        "_compute_loss": ["self", "model", "inputs"],
        "_get_per_token_logps_and_entropies": ["self", "model", "input_ids", "attention_mask", "logits_to_keep"],
    }
    for name, expected in arguments.items():
        found = list(inspect.signature(getattr(GRPOTrainer, name)).parameters)
        assert found[: len(expected)] == expected, name
    # The weights are handed over before a batch of rollouts by this very call.
    assert "self.vllm_generation.sync_weights()" in inspect.getsource(GRPOTrainer._generate)


def test_no_other_file_uses_them() -> None:
    private = re.compile(r"\b(" + "|".join(OF_TRL_ALONE) + r")\b")
    files = [path for path in TRAINING.rglob("*.py") if private.search(path.read_text(encoding="utf-8"))]
    assert [path.relative_to(TRAINING).as_posix() for path in files] == ["grpo/trl_private.py"]


def test_every_private_name_in_that_file_is_explained() -> None:
    code = inspect.getsource(trl_private)
    touched = set(re.findall(r"\b(?:super\(\)|self)\.(_[a-z]\w+)", code))
    assert touched <= set(trl_private.PRIVATE)


def test_the_minor_version_is_pinned() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = [*project["dependencies"], *(name for own in project["optional-dependencies"].values() for name in own)]
    pins = {name for name in listed if re.match(r"trl\b", name)}
    assert len(pins) == 1
    least, most = re.fullmatch(r"trl>=(\d+\.\d+),<(\d+\.\d+)", pins.pop()).groups()  # type: ignore[union-attr]
    assert version("trl").startswith(f"{least}.")
    assert [int(part) for part in most.split(".")] == [int(least.split(".")[0]), int(least.split(".")[1]) + 1]
