"""Write research/street-pairs/README.md: ten pairs of drawn people, what a reasoner says of them, and the truth.

python research/scripts/street_pairs.py [--reasoner nano]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reidr.reasoning.rationales.regions import Region

REPOSITORY = Path(__file__).resolve().parents[2]
SEED = 4242  # of a street that nothing was trained on


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reasoner", default="nano")
    arguments = parser.parse_args()
    import numpy as np
    from PIL import Image

    from reidr.core.run import environment
    from reidr.data.synthetic.settings import StreetSettings
    from reidr.data.synthetic.street import street_crops
    from reidr.reasoning.backends.reference import Reasoner
    from reidr.reasoning.inference.generation_settings import Thinking
    from reidr.reasoning.rationales.regions import REGIONS
    from reidr.reasoning.types import Pair

    random = np.random.default_rng(SEED)
    crops = list(street_crops(StreetSettings(seed=SEED, train_people=24, crops_per_camera=1), "train"))
    pairs = []
    people = sorted({str(crop.person) for crop in crops})
    for number, person in enumerate(random.permutation(people)[:10].tolist()):
        own = [crop for crop in crops if crop.person == person]
        first = own[int(random.integers(len(own)))]
        if number % 2 == 0:
            others = [crop for crop in own if crop.camera != first.camera]
        else:
            # Look-alikes are drawn one after the other: the neighbours share the colours of their clothes.
            near = {f"{int(person) + step:04d}" for step in (-2, -1, 1, 2)}
            others = [crop for crop in crops if crop.person in near and crop.camera != first.camera]
        pairs.append(Pair(first, others[int(random.integers(len(others)))], label=number % 2 == 0))
    reasoner = Reasoner.load(arguments.reasoner)
    scores = reasoner.score(pairs)
    verdicts = reasoner.think(pairs, Thinking(max_new_tokens=200))
    told = reasoner.ask_about_crops([crop for pair in pairs for crop in (pair.query, pair.candidate)])
    folder = REPOSITORY / "research" / "street-pairs"
    folder.mkdir(exist_ok=True)
    facts = environment()
    lines = [
        "# Ten pairs from the street",
        "",
        f"Written by `python research/scripts/street_pairs.py --reasoner {arguments.reasoner}` at commit "
        f"`{facts.get('commit')}`: people of a street that nothing was trained on, drawn by lot and not chosen. Every "
        "second pair shows two look-alikes.",
        "",
    ]
    for number, (pair, score, verdict) in enumerate(zip(pairs, scores, verdicts, strict=True), start=1):
        sheet = Image.new("RGB", (268, 256), "white")
        for place, crop in enumerate((pair.query, pair.candidate)):
            sheet.paste(crop.open().resize((128, 256), Image.Resampling.BICUBIC), (140 * place, 0))
        sheet.save(folder / f"{number:02d}.jpg", quality=88)
        lines += [
            f"## {number}. {'one person' if pair.label else 'two people'}",
            "",
            f"![crop A left, crop B right]({number:02d}.jpg)",
            "",
            f"- **A, as described:** {told[2 * number - 2]}",
            f"- **A, true and in view:** {truth(pair.query.attributes, REGIONS)}",
            f"- **B, as described:** {told[2 * number - 1]}",
            f"- **B, true and in view:** {truth(pair.candidate.attributes, REGIONS)}",
            f"- **compared:** {verdict.reasoning}",
            f"- answer after thinking: {verdict.answer}; direct score (uncalibrated): {score:.2f}",
            "",
        ]
    (REPOSITORY / "research" / "street-pairs" / "README.md").write_text("\n".join(lines), encoding="utf-8")
    print("wrote research/street-pairs/README.md")


def truth(attributes: Mapping[str, str], regions: Sequence[Region]) -> str:
    """What is true and in view, region by region."""
    said = [region.say(region.visible(attributes)) for region in regions]
    return ", ".join(text for text in said if text) + "."


if __name__ == "__main__":
    main()
