"""How many described people does it take to read strangers' attributes: linear probes taught on more and more of them.

python research/scripts/reading_people.py        writes research/attribute-probe/reading-people.json and .png; nobody of a test set is looked at
python research/scripts/results.py --only described-people        puts what stands there into research/measurements/results.md

Probes on the shipped retriever's features and on what the vision encoder of `nano` sees (whole body and mean cell), each taught
on a number of training people drawn by lot, ask held-out people's photos. Where the curve still climbs at its end, more
people would help; where it has gone flat, they would not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import stdev

import numpy as np
from probe_decay import described_people, read_by_probe

REPOSITORY = Path(__file__).resolve().parents[2]
OUT = REPOSITORY / "research" / "attribute-probe" / "reading-people.json"
NUMBERS = (25, 50, 100, 200)  # and all of them
DRAWS = 8


def main() -> None:
    from reidr.core.run import write_json
    from reidr.data.types import Crop
    from reidr.evaluation.explanations.probe import DECAY_FOR_STRANGERS
    from reidr.reasoning.backends.reference import Reasoner
    from reidr.reasoning.inference.crop_features import CropFeatures
    from reidr.retrieval.embedders.embedder import embed_crops
    from reidr.retrieval.embedders.retriever import Retriever

    known, new = described_people()
    retriever, reasoner = Retriever.load(), Reasoner.load("nano")

    def seen_by_vision_encoder(crops: Sequence[Crop]) -> np.ndarray:
        seen = CropFeatures(reasoner.model, reasoner.processor, [crop.open for crop in crops], learning="connector")
        cell, whole, *_ = reasoner.model.model.visual.sizes
        raw = [seen.kept(place).float().cpu().numpy() for place in range(len(crops))]
        return np.stack([np.concatenate([each[:, :cell].mean(axis=0), each[0, cell : cell + whole]]) for each in raw])

    features = {
        "the retriever's features": (embed_crops(retriever, known), embed_crops(retriever, new)),
        "what nano's vision encoder sees": (seen_by_vision_encoder(known), seen_by_vision_encoder(new)),
    }
    person = np.array([str(crop.person) for crop in known])
    everybody = sorted(set(person.tolist()))
    found: dict[str, dict[str, list[float]]] = {title: {} for title in features}
    for number in (*NUMBERS, len(everybody)):
        for draw in range(DRAWS if number < len(everybody) else 1):
            chosen = np.random.default_rng((draw, number)).permutation(everybody)[:number]
            rows = np.flatnonzero(np.isin(person, chosen))
            some = [known[row] for row in rows]
            for title, (own, others) in features.items():
                read = read_by_probe(some, own[rows], new, others, DECAY_FOR_STRANGERS)
                found[title].setdefault(str(number), []).append(float(np.mean(list(read.values()))))
        each = ", ".join(f"{title} {100 * np.mean(own[str(number)]):.1f}" for title, own in found.items())
        print(f"{number} people: {each}", flush=True)
    held_out = {"crops": len(new), "people": len({crop.person for crop in new})}
    write_json(OUT, {"read": found, "held_out": held_out, "draws": DRAWS})
    draw_curve(found, OUT.with_suffix(".png"))


def draw_curve(found: dict[str, dict[str, list[float]]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.2), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for (title, own), color in zip(found.items(), ("#1f6f8b", "#c8553d"), strict=True):
        numbers = [int(number) for number in own]
        means = np.array([100 * np.mean(values) for values in own.values()])
        spread = np.array([100 * stdev(values) if len(values) > 1 else 0.0 for values in own.values()])
        axes.fill_between(numbers, means - spread, means + spread, color=color, alpha=0.15, linewidth=0)
        axes.plot(numbers, means, "o-", color=color, markersize=4, linewidth=1.6, label=title)
    axes.set_xscale("log")
    numbers = [int(number) for number in next(iter(found.values()))]
    axes.set_xticks(numbers, [str(number) for number in numbers])
    axes.minorticks_off()
    axes.set_xlabel("described training people (log scale)")
    axes.set_ylabel("held-out photos read, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(path)


if __name__ == "__main__":
    main()
