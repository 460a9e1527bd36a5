"""How processes share work, what launchers must tell them, and which settings they cannot share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from reidr.core.process.several import set_team
from reidr.errors import InUseError, MissingExtraError, RecipeError
from reidr.training.common.device import training_device
from reidr.training.grpo.arguments import rows_and_passes
from reidr.training.grpo.checkpoints import refuse_other_sharding
from reidr.training.processes.joining import join, refuse_shared_gpus
from reidr.training.processes.kinds import refuse_sharding
from reidr.training.processes.team import ALONE, Processes, processes
from reidr.training.recipes.grpo import ReinforcementRecipe


class Pretended(Processes):
    """One of several that are not there: what they give is what this one gives."""

    def gather(self, own: Any) -> list[Any]:
        return [own] * self.count


@pytest.fixture
def team() -> Any:
    def begin(rank: int, count: int) -> Processes:
        own = Pretended(rank, count)
        set_team(own)
        return own

    yield begin
    set_team(None)


def test_alone_one_does_everything() -> None:
    assert processes() is ALONE
    assert ALONE.spread(range(5), lambda number: number**2) == [0, 1, 4, 9, 16]
    assert list(ALONE.share("abc")) == ["a", "b", "c"]
    assert ALONE.from_first(lambda: 3) == ALONE.after_first(lambda: 3) == 3
    assert ALONE.sum({"a": 1.5}) == {"a": 1.5}
    assert ALONE.is_first


@pytest.mark.parametrize("count", [2, 3, 7])
def test_shares_are_all_of_it_once_and_nearly_equal(count: int) -> None:
    items = list(range(16))
    shares = [Processes(rank, count).share(items) for rank in range(count)]
    assert [each for share in shares for each in share] == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("number", [0, 1, 5, 6])
def test_what_is_spread_comes_back_in_order(number: int) -> None:
    parts = [[10 * each for each in range(number)[rank::3]] for rank in range(3)]

    class Three(Processes):
        def gather(self, own: Any) -> list[Any]:
            assert own == parts[self.rank]
            return parts

    for rank in range(3):
        assert Three(rank, 3).spread(range(number), lambda each: 10 * each) == [10 * each for each in range(number)]


def test_totals_that_do_not_divide_are_refused(team: Any) -> None:
    team(1, 3)
    recipe = ReinforcementRecipe(pairs=6, num_generations=4, backward_rows=4)
    assert rows_and_passes(recipe) == (4, 2)
    with pytest.raises(RecipeError, match=r"pairs per update is 8 over all processes together, which 3 processes"):
        rows_and_passes(recipe.model_copy(update={"pairs": 8}))
    with pytest.raises(RecipeError, match=r"backward_rows \(6\) must divide the 8 rollouts"):
        rows_and_passes(recipe.model_copy(update={"backward_rows": 6}))
    assert rows_and_passes(recipe.model_copy(update={"backward_rows": 24})) == (8, 1)


def test_a_launcher_that_names_no_meeting_point_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    with pytest.raises(InUseError, match="4 processes were started together, but not by torchrun"):
        join()


def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert training_device() == torch.device("cuda", 0)
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert training_device() == torch.device("cuda", 3)
    refuse_shared_gpus(4)
    with pytest.raises(InUseError, match=r"4 processes were started on host .*, which has 2 GPUs"):
        refuse_shared_gpus(2)


def test_kinds_of_sharding_that_do_not_work_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_sharding()
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(RecipeError, match="set fsdp_version: 2"):
        refuse_sharding()
    monkeypatch.setenv("FSDP_VERSION", "2")
    refuse_sharding()
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setattr("reidr.training.processes.kinds.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="pip install deepspeed"):
        refuse_sharding()


def test_a_checkpoint_of_another_sharding_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_other_sharding(tmp_path)
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    with pytest.raises(RecipeError, match="were sharded by nothing, and now by DeepSpeed"):
        refuse_other_sharding(tmp_path)
    (tmp_path / "global_step40").mkdir()
    refuse_other_sharding(tmp_path)
    (tmp_path / "global_step40").rmdir()
    (tmp_path / "pytorch_model_fsdp_0").mkdir()
    monkeypatch.delenv("ACCELERATE_USE_DEEPSPEED")
    with pytest.raises(RecipeError, match="were sharded by FSDP, and now by nothing"):
        refuse_other_sharding(tmp_path)


def test_no_option_of_a_shared_command_is_taken_for_the_launcher_s(tmp_path: Path) -> None:
    """torchrun takes the beginning of one of its own options for that option, wherever it stands."""
    import click
    from accelerate.commands.launch import launch_command_parser
    from torch.distributed.run import get_args_parser

    from reidr.cli.main import reidr
    from reidr.core.process.several import SHARED_COMMANDS

    ours: set[str] = set()
    for words in SHARED_COMMANDS:
        command: Any = reidr
        context = click.Context(command)
        for word in words.split():
            command = command.get_command(context, word)
            context = click.Context(command, parent=context)
        ours |= {option for each in command.get_params(context) for option in (*each.opts, *each.secondary_opts)}
    parser = get_args_parser()
    theirs = [option for action in parser._actions for option in action.option_strings]
    clashes = {own for own in ours if own.startswith("--") and any(option.startswith(own) for option in theirs)}
    assert clashes - {"--help"} == {"--run"}  # for which --folder stands (docs/many-gpus.md)
    assert "--folder" in ours
    assert not launch_command_parser().allow_abbrev
