"""What recognised attributes are worth for finding, alone and beside the distance of `lite`, on held-out people.

    python research/attributes/fused.py --data ../shared/data

One query for each held-out person and camera. The evidence for one person is the likelihood ratio of the two crops'
probabilities, summed over values as if they were independent: p q / s + (1 - p) (1 - q) / (1 - s), s the value's share.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reidr.data.join import join_training
from reidr.data.load import load_dataset
from reidr.evaluation import evaluate_ranking
from reidr.retrieval.embedders.attribute_recognition import AttributeRecogniser
from reidr.retrieval.embedders.embedder import embed_crops
from reidr.retrieval.embedders.retriever import Retriever
from reidr.training.common.identities import hold_out_identities

Reals = NDArray[np.float64]
WEIGHTS = (0.002, 0.005, 0.01, 0.02, 0.04)


def evidence(rows: Reals, others: Reals, shares: Reals) -> Reals:
    """(Q, N) log-likelihood ratios of one person against two, of (Q, V) and (N, V) probabilities."""
    total = np.zeros((len(rows), len(others)))
    for value, share in enumerate(shares):
        own, other = rows[:, value][:, None], others[:, value][None]
        total += np.log(own * other / share + (1 - own) * (1 - other) / (1 - share))
    return total


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    wanted.add_argument("--data", type=Path, required=True)
    data = wanted.parse_args().data
    retriever, recogniser = Retriever.load("lite"), AttributeRecogniser(Retriever.load("attributes"))
    for name in ("market1501", "cuhk03-np-train"):
        held = list(hold_out_identities(join_training([load_dataset(data / name)]), 0.1, 0)[1])
        features = embed_crops(retriever, held).astype(np.float64)
        table = recogniser.table(embed_crops(recogniser, held))
        expected = table.expected().astype(np.float64)
        known = np.isfinite(expected[0])
        probability = np.clip(expected[:, known], 0.001, 0.999)
        shares = np.clip(table.shares.astype(np.float64)[known], 0.005, 0.995)
        persons, cameras = [str(crop.person) for crop in held], [str(crop.camera) for crop in held]
        groups: dict[tuple[str, str], list[int]] = {}
        for place, group in enumerate(zip(persons, cameras, strict=True)):
            groups.setdefault(group, []).append(place)
        random = np.random.default_rng(0)
        rows = [own[random.integers(len(own))] for _, own in sorted(groups.items())]
        distance = 1 - features[rows] @ features.T
        ratio = evidence(probability[rows], probability, shares)
        of_rows = [persons[row] for row in rows], persons, [cameras[row] for row in rows], cameras
        for title, scores in [
            ("distance", distance),
            ("attributes alone", -ratio),
            *((f"distance - {weight} x attributes", distance - weight * ratio) for weight in WEIGHTS),
        ]:
            result = evaluate_ranking(scores, *of_rows)
            print(f"{name}, {title}: Rank-1 {result.rank(1):.3f}, mAP {result.mean_average_precision:.3f}", flush=True)


if __name__ == "__main__":
    main()
