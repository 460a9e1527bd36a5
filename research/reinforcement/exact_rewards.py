"""Experiment C of README.md: exact rewards in the present recipe, against supervision and against shuffled rewards.

    python research/reinforcement/exact_rewards.py --model runs/warmup/model --pairs runs/sample/sampled.parquet \\
        --retriever runs/retriever/model --test market=$REIDR_DATA/market1501 --held-out market \\
        --run runs/exact --seeds 0 1 2 3 4
    python research/reinforcement/experiment_tables.py C runs/exact

Resumable: what a seed's arm has written to results.jsonl is not done again. All arms begin at one warm-up and see the
same pairs; of the file of pairs at most `--number` are taken, the first of each label.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))
import arms

from reidr.retrieval.embedders.retriever import Retriever
from reidr.training.pairs.table import read_pairs

ARMS = ("RL-exact", "SFT", "RL-shuffled")
UNDIVIDED = {"advantage": "leave-one-out", "answer_loss": 1.0}


def trainer_of(name: str, start: arms.Start, pairs: Any, size: arms.Size) -> Any:
    """What trains an arm in a folder."""
    if name == "SFT":
        return lambda folder: arms.supervised(start, pairs, folder, size)
    rewards = arms.EXACT if name == "RL-exact" else {"arms:shuffled": 1.0}
    return lambda folder: arms.reinforced(start, pairs, folder, size, rewards, **UNDIVIDED)


def arguments(description: str | None) -> argparse.ArgumentParser:
    """What B and C are both told."""
    wanted = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    wanted.add_argument("--model", type=Path, required=True, help="folder of the warm-up")
    wanted.add_argument("--pairs", type=Path, required=True, help="file of labelled pairs to train on")
    wanted.add_argument("--retriever", required=True, help="who orders the first ten: a preset or a folder")
    wanted.add_argument("--test", action="append", required=True, metavar="NAME=FOLDER", help="a data set to measure")
    wanted.add_argument(
        "--held-out", nargs="+", default=[], metavar="NAME", help="of these, held-out training people, not the test"
    )
    wanted.add_argument("--queries", type=int, help="at most so many queries of each")
    wanted.add_argument("--run", type=Path, required=True)
    wanted.add_argument("--seeds", type=int, nargs="+", default=[0])
    wanted.add_argument("--steps", type=int, default=40)
    wanted.add_argument("--rationales", type=int, default=8, help="of each tested pair")
    wanted.add_argument("--tokens", type=int, default=arms.TOKENS)
    return wanted


def tests_of(asked: argparse.Namespace) -> list[arms.Test]:
    """The tests that were named."""
    retriever = Retriever.load(asked.retriever)
    named = [text.partition("=")[::2] for text in asked.test]
    return [
        arms.test_of(name, Path(folder), retriever, asked.queries, held_out=asked.held_out) for name, folder in named
    ]


def main() -> None:
    wanted = arguments(__doc__)
    wanted.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    wanted.add_argument("--number", type=int, default=208, help="pairs to train on")
    asked = wanted.parse_args()
    torch.set_num_threads(1)
    pairs = arms.balanced(read_pairs(asked.pairs), asked.number)
    size, tests = arms.Size(steps=asked.steps, tokens=asked.tokens), tests_of(asked)
    results = arms.Results(asked.run, tests)
    measurer = arms.Measurer(arms.Start(asked.model, 0), tests, asked.rationales)
    for seed in asked.seeds:
        start = arms.Start(asked.model, seed)
        results.take(start, "warm-up", lambda _, start=start: start.load()[0], measurer)
        for name in asked.arms:
            results.take(start, name, trainer_of(name, start, pairs, size), measurer)


if __name__ == "__main__":
    main()
