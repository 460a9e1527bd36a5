"""Experiment B of README.md: eyes, words and warm-up of one scene, judged on another that none of them ever saw.

    python research/reinforcement/unseen_eyes.py --model runs/b/warmup/model --pairs runs/b/pairs.parquet \\
        --retriever runs/b/retriever/model --test target=$REIDR_DATA/market1501 --test source=$REIDR_DATA/cuhk03-np \\
        --target $REIDR_DATA/market1501 --run runs/b/to-market --seeds 0 1 2 3 4
    python research/reinforcement/experiment_tables.py B runs/b/to-market

Resumable: what a seed's arm has written to results.jsonl is not done again. `--pairs` are of people of the source whom
neither the eyes nor the warm-up were trained on. The test called `target` decides; any other shows what is lost.
All arms take as many steps of as many pairs. The arms called `target` learn from pseudo-labels of the target's training
crops, whose identities are not read (`pseudo_labelled`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
import arms
from exact_rewards import UNDIVIDED, arguments, tests_of

from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.reasoning.types import Pair
from reidr.retrieval.embedders.embedder import embed_crops
from reidr.retrieval.embedders.retriever import Retriever
from reidr.training.pairs.table import read_pairs

KL = {"SFT": 40.0, "RL": 0.02}
"""Weights of the leash: the warm-up's own for supervised steps, that of experiment A for reinforced ones."""
PARTS = ("100", "20.9", "20.9-random")
LABELLED = tuple(f"{kind}-{part}{leash}" for kind in ("SFT", "RL") for part in PARTS for leash in ("", "-KL"))
ARMS = (*LABELLED, "RL-tossed-20.9", "SFT-target", "RL-target")
FRAME = re.compile(r"c(?P<camera>\d+)s(?P<sequence>\d+)_(?P<frame>\d+)_(?P<box>\d+)")


def pseudo_labelled(crops: Sequence[Crop], features: NDArray[np.float32]) -> list[Pair]:
    """Pairs across cameras whose labels come from time and likeness alone, as many of each label as can be.

    One person: two crops of different cameras, each the other's nearest among the crops of the other camera. Two
    persons: one of such a pair, and a crop that stands in the same frame as the other (names as Market-1501's say
    camera, sequence, frame and box): somebody cannot be in two boxes of one frame. So both kinds go across cameras, and
    none can be told by its scenery.

    Args:
        features: (N, D) unit vectors of the crops.

    Raises DataError where the names hold no frames, or nothing of one kind is found.
    """
    frames: dict[tuple[str, str, str], list[int]] = {}
    camera: list[str] = []
    for number, crop in enumerate(crops):
        told = FRAME.search(crop.id)
        if told is None:
            raise DataError(f"{crop.id}: its name does not say camera, sequence, frame and box as Market-1501's do")
        frames.setdefault((told["camera"], told["sequence"], told["frame"]), []).append(number)
        camera.append(told["camera"])
    beside = {number: [each for each in own if each != number] for own in frames.values() for number in own}
    likeness = features @ features.T
    others = np.array(camera)
    nearest = {
        (number, other): int(rows[np.argmax(likeness[number, rows])])
        for other in set(camera)
        for rows in [np.flatnonzero(others == other)]
        for number in range(len(crops))
        if camera[number] != other
    }
    found: dict[bool, list[Pair]] = {True: [], False: []}
    for (number, _), mate in nearest.items():
        if number > mate or nearest[mate, camera[number]] != number:
            continue
        found[True].append(pair_of(crops, features, number, mate, True))
        strangers = [(mate, each) for each in beside[number]] + [(number, each) for each in beside[mate]]
        found[False] += [pair_of(crops, features, one, other, False) for one, other in strangers]
    if not (found[True] and found[False]):
        raise DataError("no two crops are each other's nearest, or none of them has somebody else in its frame")
    return found[True] + found[False]


def pair_of(crops: Sequence[Crop], features: NDArray[np.float32], a: int, b: int, label: bool) -> Pair:
    """A pair with its distance."""
    return Pair(crops[a], crops[b], float(np.sqrt(max(0.0, 2 - 2 * float(features[a] @ features[b])))), label)


class Pairs:
    """What arms learn from, for one seed: each kind is made when it is first asked for."""

    def __init__(self, start: arms.Start, labelled: Sequence[Pair], target: list[Pair]) -> None:
        self.start, self.labelled, self.target = start, labelled, target
        self.kept: dict[str, list[Pair]] = {}

    def of(self, part: str) -> list[Pair]:
        """All, a fifth that is not trivial, a fifth at random, or the target's."""
        if part not in self.kept:
            random = np.random.default_rng((self.start.seed, 4))
            source = self.target if part == "target" else self.labelled
            mixed = [source[int(place)] for place in random.permutation(len(source))]
            number = round(arms.SHARE * len(mixed))
            if part == "20.9":
                self.kept[part] = arms.non_trivial(self.start, mixed, number)
            else:
                self.kept[part] = arms.balanced(mixed, number if part == "20.9-random" else len(mixed))
        return self.kept[part]


def train(name: str, start: arms.Start, pairs: Pairs, folder: Path, size: arms.Size) -> object:
    """The model of an arm."""
    kind, _, rest = name.partition("-")
    leash = KL[kind] if rest.endswith("-KL") else 0.0
    own = pairs.of(rest.removesuffix("-KL").removeprefix("tossed-"))
    if kind == "SFT":
        return arms.supervised(start, own, folder, size, leash)
    if rest.startswith("tossed"):
        return arms.reinforced(start, own, folder, size, arms.TOSSED)
    return arms.reinforced(start, own, folder, size, arms.EXACT, beta=leash, **UNDIVIDED)


def main() -> None:
    wanted = arguments(__doc__)
    wanted.add_argument("--target", type=Path, required=True, help="data set whose training crops are pseudo-labelled")
    wanted.add_argument("--target-crops", type=int, default=3000, help="at most so many of them, by name")
    wanted.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    asked = wanted.parse_args()
    torch.set_num_threads(1)
    tests, labelled = tests_of(asked), read_pairs(asked.pairs)
    if "target" not in {test.name for test in tests}:
        raise SystemExit("one --test must be called target")
    target: list[Pair] = []
    if any(name.endswith("target") for name in asked.arms):
        retriever = Retriever.load(asked.retriever)
        # Of people whom no test of --held-out shows: what is learned is the target's scenes, not its test people.
        others = arms.training_people(asked.target)[0]
        crops = sorted(others, key=lambda crop: crop.id)[: asked.target_crops]
        target = pseudo_labelled(crops, embed_crops(retriever, crops))
        right = [pair.label == (pair.query.person == pair.candidate.person) for pair in target]
        print(f"{len(target)} pairs with pseudo-labels, {np.mean(right):.1%} of them right", flush=True)
    size = arms.Size(steps=asked.steps, tokens=asked.tokens)
    results = arms.Results(asked.run, tests)
    measurer = arms.Measurer(arms.Start(asked.model, 0), tests, asked.rationales)
    for seed in asked.seeds:
        start = arms.Start(asked.model, seed)
        own = Pairs(start, labelled, target)
        results.take(start, "warm-up", lambda _, start=start: start.load()[0], measurer)
        for name in asked.arms:
            results.take(
                start,
                name,
                lambda folder, name=name, start=start, own=own: train(name, start, own, folder, size),
                measurer,
            )


if __name__ == "__main__":
    main()
