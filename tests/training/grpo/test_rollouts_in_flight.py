"""Rollouts by several servers at a time: nobody waits for the slowest, and a server that is gone is left out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from test_vllm_rollouts import Vllm
from tiny_reasoners import TINY, lively, neighbour

from reidr.errors import ReIDError
from reidr.reasoning.inference.sampling import pair_prompts
from reidr.reasoning.models.architectures import adapt
from reidr.reasoning.prompting.prompt import open_pair
from reidr.training.grpo.rollouts.announcing import Announcing
from reidr.training.grpo.rollouts.in_flight import InFlight
from reidr.training.grpo.rollouts.vllm import Asked, RolloutServer


def test_each_result_is_computed_once_and_in_order() -> None:
    done: list[int] = []

    def work(numbers: Sequence[int]) -> dict[Any, Callable[[], int]]:
        def one(number: int) -> int:
            done.append(number)
            return number * number

        return {number: lambda number=number: one(number) for number in numbers}  # type: ignore[misc]

    flying: InFlight[int] = InFlight(3)
    assert flying.collect(work(range(5)), work(range(5, 9))) == [0, 1, 4, 9, 16]
    assert flying.collect(work(range(5, 9))) == [25, 36, 49, 64]
    assert sorted(done) == list(range(9))


def test_what_is_announced_fills_the_gaps_that_the_slowest_leaves() -> None:
    """Batches of eight of which one takes 20 times as long: alone, each batch takes as long as that one."""
    slow, fast = 0.1, 0.005

    def work(batch: int) -> dict[Any, Callable[[], None]]:
        return {(batch, i): lambda i=i: time.sleep(slow if i == 0 else fast) for i in range(8)}  # type: ignore[misc]

    def seconds(ahead: int) -> float:
        flying: InFlight[None] = InFlight(8)
        began = time.monotonic()
        for batch in range(8):
            later: dict[Any, Callable[[], None]] = {}
            for following in range(batch + 1, min(batch + 1 + ahead, 8)):
                later |= work(following)
            flying.collect(work(batch), later)
        return time.monotonic() - began

    waiting = seconds(ahead=0)
    assert waiting >= 8 * slow
    assert seconds(ahead=4) < 0.5 * waiting


def test_an_error_gives_up_what_has_not_begun() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 0:
            raise ReIDError("no")
        time.sleep(0.05)
        return number

    flying: InFlight[int] = InFlight(1)
    with pytest.raises(ReIDError, match="no"):
        flying.collect({n: lambda n=n: work(n) for n in range(20)})  # type: ignore[misc]
    assert len(begun) < 5
    assert flying.collect({7: lambda: work(7)}) == [7]


class Recorder:
    """Stands for the servers: what is asked, and what is announced."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, list[int]]] = []

    def capacity(self, copies: int) -> int:
        return 4

    def sample(
        self, pairs: Any, copies: Any, *, max_new_tokens: int, seed: int, announced: Sequence[Asked] = ()
    ) -> Any:
        assert all(len(one.pairs) == len(one.copies) for one in announced)
        self.asked.append((seed, [one.seed for one in announced]))
        return []


@pytest.mark.parametrize(
    ("starts", "expected"),
    [
        # One process: from the second chunk on, the next two chunks of two make four pairs; the last one is shorter.
        ([0, 2, 4, 6, 8], [[], [104, 106], [106, 108], [108], []]),
        # The first of two processes has every other chunk.
        ([0, 4, 8], [[], [108], []]),
    ],
)
def test_the_chunks_that_come_next_are_announced(starts: list[int], expected: list[list[int]]) -> None:
    pairs = TINY.noise_pairs(9)
    servers = Recorder()
    source = Announcing(servers, pairs, 100)  # type: ignore[arg-type]
    for start in starts:
        source.sample(pairs[start : start + 2], [3, 3], max_new_tokens=4, seed=100 + start)
    assert servers.asked == [(100 + start, then) for start, then in zip(starts, expected, strict=True)]


@pytest.fixture
def serve(start: Callable[[Any], Any]) -> Callable[..., Vllm]:
    """Starts a `Vllm`."""
    return lambda *given, **options: start(Vllm(*given, **options))


def test_several_servers_share_the_pairs_and_give_what_one_gives(serve: Callable[..., Vllm]) -> None:
    model, processor = lively("qwen3_vl")
    servers = [serve(model, processor) for _ in range(2)]
    pairs, copies = TINY.noise_pairs(6), [2] * 6
    alone = RolloutServer(servers[0].url, model, processor).sample(pairs, copies, max_new_tokens=6, seed=3)
    servers[0].asked.clear()
    both = RolloutServer(", ".join(server.url for server in servers), model, processor)
    together = both.sample(pairs, copies, max_new_tokens=6, seed=3)
    assert [[one.ids for one in group] for group in together] == [[one.ids for one in group] for group in alone]
    assert sorted(len(server.asked) for server in servers) == [3, 3]
    # How pairs are cut into batches, and what was announced, changes nothing.
    rest = Asked(pairs[2:], copies[2:], 5)
    parts = both.sample(pairs[:2], copies[:2], max_new_tokens=6, seed=3, announced=[rest])
    parts += both.sample(pairs[2:], copies[2:], max_new_tokens=6, seed=5)
    assert [[one.ids for one in group] for group in parts] == [[one.ids for one in group] for group in alone]
    assert sum(len(server.asked) for server in servers) == 12  # nothing was asked twice


def test_every_server_gets_the_adapter(serve: Callable[..., Vllm]) -> None:
    from peft import get_peft_model

    from reidr.training.common.lora import lora_config

    model, processor = lively("qwen3_vl")
    servers = [serve(model, processor) for _ in range(2)]
    both = RolloutServer(",".join(server.url for server in servers), model, processor)
    name = both.load_adapter(get_peft_model(model, lora_config(4, 8)))
    other = RolloutServer(",".join(server.url for server in servers), model, processor)  # of another process
    other.use_adapter(name)
    other.sample(TINY.noise_pairs(2), [1, 1], max_new_tokens=4, seed=0)
    assert {body["model"] for server in servers for body in server.asked} == {name}
    assert servers[0].told == servers[1].told
    assert [what for what, _ in servers[0].told] == ["load"]
    both.unload_adapter()
    assert [what for what, _ in servers[1].told] == ["load", "unload"]


def test_a_server_that_is_gone_is_left_out(
    serve: Callable[..., Vllm], monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr("reidr.reasoning.backends.chat_server.endpoint.LONGEST_PAUSE", 0.01)
    model, processor = lively("qwen3_vl")
    servers = [serve(model, processor) for _ in range(2)]
    both = RolloutServer(",".join(server.url for server in servers), model, processor)
    servers[1].shutdown()
    servers[1].server_close()
    found = both.sample(TINY.noise_pairs(4), [1] * 4, max_new_tokens=4, seed=0)
    assert [len(group) for group in found] == [1] * 4
    assert len(servers[0].asked) == 4
    servers[0].shutdown()
    servers[0].server_close()
    with pytest.raises(ReIDError, match="no usable answer"):
        both.sample(TINY.noise_pairs(1), [1], max_new_tokens=4, seed=0)


OTHER = neighbour("other_architectures")


@pytest.mark.parametrize("architecture", list(OTHER.OTHERS))
def test_prompts_of_other_architectures_are_known_here(architecture: str, start: Callable[[Any], Any]) -> None:
    """The tokens that a server must report as its prompt are those that the model here would see."""
    model, processor = OTHER.OTHERS[architecture]()
    pair = TINY.noise_pairs(1)[0]
    (prompt,) = pair_prompts(adapt(model, processor), [pair], "think")
    server = start(Vllm(model, processor))
    servers = RolloutServer(server.url, model, processor)
    np.testing.assert_array_equal(servers._prompt_ids(open_pair(pair)), prompt.ids.numpy())


def test_a_server_whose_template_opens_a_thought_is_refused(serve: Callable[..., Vllm]) -> None:
    model, processor = lively("qwen3_vl")
    server = serve(model, processor)
    opened = processor.tokenizer.encode("<think>\n", add_special_tokens=False)
    server.spoil = lambda answer: answer["prompt_token_ids"].extend(opened)
    with pytest.raises(ReIDError, match=r"opens a thought .* --chat-template"):
        RolloutServer(server.url, model, processor).sample(TINY.noise_pairs(1), [1], max_new_tokens=4, seed=0)
