"""Which weight decay lets a linear probe read strangers best: held-out training people.

python research/scripts/probe_decay.py        shows how `DECAY_FOR_STRANGERS` of `reidr.evaluation.explanations.probe` was chosen
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from shipped_people import unseen_people

if TYPE_CHECKING:
    from reidr.data.types import Crop

DECAYS = (0.003, 0.01, 0.03, 0.1, 0.3)


def described_people() -> tuple[list[Crop], list[Crop]]:
    """Crops with attributes of the training people that the shipped models may have seen, and of those held out."""
    from dataclasses import replace

    from reidr.data.attributes import common_attributes
    from reidr.retrieval.embedders.retriever import Retriever

    known, new = (
        [replace(crop, attributes=common_attributes(crop.attributes)) for crop in crops if crop.attributes]
        for crops in unseen_people(Retriever.load())
    )
    return known, new


def read_by_probe(
    known: list[Crop], features: np.ndarray, new: list[Crop], others: np.ndarray, decay: float
) -> dict[str, float]:
    """Balanced accuracy per attribute on `new` of probes taught on `known`; `features` and `others`: one row a crop.

    Of attributes of which `new` has two values or more, always the same ones: a probe that was taught one value alone
    says it of everybody.
    """
    from reidr.evaluation.explanations.attribute_recognition import LEAST, balanced_accuracy
    from reidr.evaluation.explanations.probe import fit_probe
    from reidr.reasoning.prompting.questions import QUESTIONS
    from reidr.reasoning.rationales.regions import UNSEEN

    found = {}
    for name in QUESTIONS:
        taught, truth = (np.array([crop.attributes.get(name, UNSEEN) for crop in crops]) for crops in (known, new))
        usual = [value for value in np.unique(truth) if value != UNSEEN and (truth == value).sum() >= LEAST]
        rows, asked = taught != UNSEEN, np.isin(truth, usual)
        if len(usual) > 1:
            values = np.unique(taught[rows])
            if len(values) > 1:
                said = fit_probe(features[rows], taught[rows], decay=decay).read(others[asked])
            else:
                said = np.full(asked.sum(), values[0])
            found[name] = balanced_accuracy(truth[asked], said)
    return found


def main() -> None:
    from reidr.retrieval.embedders.embedder import embed_crops
    from reidr.retrieval.embedders.retriever import Retriever

    known, new = described_people()
    retriever = Retriever.load()
    features, others = embed_crops(retriever, known), embed_crops(retriever, new)
    print(f"{len(new)} crops of {len({crop.person for crop in new})} held-out people, balanced accuracy in percent")
    for decay in DECAYS:
        read = read_by_probe(known, features, new, others, decay)
        each = ", ".join(f"{name} {100 * value:.1f}" for name, value in read.items())
        print(f"decay {decay:g}: mean {100 * np.mean(list(read.values())):.1f} ({each})", flush=True)


if __name__ == "__main__":
    main()
