"""Which weight decay lets a linear probe read strangers best: held-out training people.

python scripts/probe_decay.py        shows how `STRANGERS` (evaluation/probe.py) was chosen, on no test people
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

DECAYS = (0.003, 0.01, 0.03, 0.1, 0.3)
FEWEST = 5  # held-out crops of a value below which its recall is noise


def main() -> None:
    from reidr.data.types import Crop
    from reidr.evaluation.probe import fit_probe
    from reidr.evaluation.reading import balanced_accuracy
    from reidr.reasoning.questions import QUESTIONS
    from reidr.reasoning.regions import UNSEEN
    from reidr.retrieval.embedder import embed_crops
    from reidr.retrieval.retriever import Retriever
    from reidr.training.base_stage import split_people
    from reidr.training.recipes import BaseRecipe
    from reidr.training.stages import stage_values

    def values_of(crops: Sequence[Crop], name: str) -> np.ndarray:
        return np.array([crop.attributes.get(name, UNSEEN) for crop in crops])

    people = split_people(BaseRecipe.from_values(*stage_values("nano", "base", {})))
    known = [crop for crop in (*people.tower, *people.reasoning) if crop.attributes]
    new = [crop for crop in people.held_out if crop.attributes]
    retriever = Retriever.load()
    features, others = embed_crops(retriever, known), embed_crops(retriever, new)
    print(f"{len(new)} crops of {len({crop.person for crop in new})} held-out people, balanced accuracy in percent")
    for decay in DECAYS:
        read = {}
        for name in QUESTIONS:
            taught, truth = values_of(known, name), values_of(new, name)
            usual = [value for value in np.unique(truth) if value != UNSEEN and (truth == value).sum() >= FEWEST]
            rows, asked = taught != UNSEEN, np.isin(truth, usual)
            if len(usual) > 1:
                said = fit_probe(features[rows], taught[rows], decay=decay).read(others[asked])
                read[name] = 100 * balanced_accuracy(truth[asked], said)
        each = ", ".join(f"{name} {value:.1f}" for name, value in read.items())
        print(f"decay {decay:g}: mean {np.mean(list(read.values())):.1f} ({each})", flush=True)


if __name__ == "__main__":
    main()
