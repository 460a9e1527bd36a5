"""How long the paper's sampling takes with vLLM servers: chunk by chunk, and with rollouts kept in flight.

    python benchmarks/rollout_schedule.py                     # the table of docs/servers.md
    python benchmarks/rollout_schedule.py --median 60 --servers 4

Arithmetic, not a measurement: servers are simulated, token by token, from the numbers below. One step of decoding
takes a fixed time, which is that of reading the weights, and a little more for each sequence; what enters a batch is
read in first. Completions have the lengths of a log-normal distribution, cut at the limit. `client` is what this
process needs for each pair before it can be sent: decoding and encoding its pictures, laying out its prompt.

The defaults are those of a 7B in bfloat16 on one H100 (15 GB of weights, 3.35 TB/s, some 400 TFLOP/s in use): 4.5 ms
for the weights and as much again for everything that is no matrix product; 35 microseconds a sequence for its keys and
values (400 tokens of 57 KB) and its share of sampling; 12 ms for a prompt of 220 tokens and two crops, once for all
its completions.
"""

from __future__ import annotations

import argparse
import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Plan:
    """The sampling and the servers.

    Attributes:
        pairs, copies: how much is sampled. median, spread, limit: of a completion's tokens.
        servers, slots: how many, and sequences that each decodes at a time.
        step, sequence, prompt: seconds of one decoding step, of each sequence in it, of reading one pair's prompt.
        client: seconds of this process for each pair, one after the other.
    """

    pairs: int = 68_445
    copies: int = 8
    median: float = 90.0
    spread: float = 0.45
    limit: int = 256
    servers: int = 1
    slots: int = 256
    step: float = 0.009
    sequence: float = 35e-6
    prompt: float = 0.012
    client: float = 0.012


def lengths(plan: Plan, pairs: int, seed: int = 0) -> np.ndarray:
    """(pairs, copies) tokens of each completion."""
    drawn = np.random.default_rng(seed).lognormal(np.log(plan.median), plan.spread, (pairs, plan.copies))
    return np.clip(np.round(drawn), 1, plan.limit).astype(int)


class Server:
    """One simulated server: at each step it takes in what waits, as far as it has slots, and decodes one token each."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.time, self.steps = plan, 0.0, 0
        self.running: list[tuple[int, int]] = []  # (step at which it ends, pair)
        self.waiting: deque[tuple[float, int, int]] = deque()  # (time of arrival, pair, tokens)
        self.read: set[int] = set()
        self.left: dict[int, int] = {}

    def send(self, arrival: float, pair: int, tokens: np.ndarray) -> None:
        """Ask for the completions of a pair."""
        self.left[pair] = len(tokens)
        self.waiting.extend((arrival, pair, int(each)) for each in tokens)

    def ended(self) -> Iterator[tuple[float, int]]:
        """(time, pair) of the pairs that end, until one has ended or nothing is left to do."""
        while self.running or self.waiting:
            if not self.running and self.waiting[0][0] > self.time:
                self.time = self.waiting[0][0]
            while self.waiting and len(self.running) < self.plan.slots and self.waiting[0][0] <= self.time:
                _, pair, tokens = self.waiting.popleft()
                if pair not in self.read:
                    self.read.add(pair)
                    self.time += self.plan.prompt
                heapq.heappush(self.running, (self.steps + tokens, pair))
            # Nothing changes until the next one ends; what arrives meanwhile waits for that.
            ahead = self.running[0][0] - self.steps
            self.steps += ahead
            self.time += ahead * (self.plan.step + self.plan.sequence * len(self.running))
            done = False
            while self.running and self.running[0][0] == self.steps:
                _, pair = heapq.heappop(self.running)
                self.left[pair] -= 1
                if not self.left[pair]:
                    done = True
                    yield self.time, pair
            if done:
                return


def simulate(plan: Plan, chunk: int | None, pairs: int = 3000) -> float:
    """Hours that `plan` takes, from the simulation of so many of its pairs.

    Args:
        chunk: pairs that are asked for together, the next when all of them have come; None: always as many in flight as
            fill every server twice.
    """
    tokens = lengths(plan, pairs)
    servers = [Server(plan) for _ in range(plan.servers)]
    clock, following = 0.0, 0  # of this process; the next pair
    flying = [0] * len(servers)
    most = 2 * plan.slots // plan.copies

    def send(where: int) -> None:
        nonlocal clock, following
        clock += plan.client
        servers[where].send(clock, following, tokens[following])
        flying[where] += 1
        following += 1

    while following < pairs or any(flying):
        if chunk is None:
            for where in range(len(servers)):
                while flying[where] < most and following < pairs:
                    send(where)
        elif not any(flying):
            for _ in range(min(chunk, pairs - following)):
                send(int(np.argmin(flying)))
        # The server that is furthest behind goes on.
        where = min((one for one in range(len(servers)) if flying[one]), key=lambda one: servers[one].time)
        for time, _ in servers[where].ended():
            flying[where] -= 1
            clock = max(clock, time)
    return max(clock, *(server.time for server in servers)) / pairs * plan.pairs / 3600


def rows(plan: Plan) -> Iterator[tuple[str, float]]:
    """(way of asking, hours)."""
    for chunk in (8, 32, 128):
        yield f"{chunk} pairs at a time, the next when all have come", simulate(plan, chunk)
    yield "always as many in flight as fill the servers", simulate(plan, None)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in vars(Plan()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    plan = Plan(**vars(parser.parse_args()))
    total = plan.pairs * plan.copies
    mean = lengths(plan, 3000).mean()
    print(f"{total:,} completions of {mean:.0f} tokens on average; servers: {plan.servers}")
    for name, hours in rows(plan):
        print(f"{name:50} {hours:6.2f} h {total * mean / hours / 3600:8,.0f} tokens/s")


if __name__ == "__main__":
    main()
