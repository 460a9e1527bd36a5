"""What reasoners say of held-out people's pairs: counted pair by pair, so that two of them can be compared.

Used by `scripts/ablations.py --words`, which keeps the counts of a model beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

COUNTS = ("right", "supported", "true", "tested", "differ", "none", "twice")
"""Per pair: whether the answer is right, and whether the words bear it out (`cues_reward` above 0); claims that are
true, of so many that can be tested against the attributes known; differences named, and those with one and the same
value on both sides; whether a region is claimed twice."""
SCENES = {"photos": "market1501", "drawn": "street"}  # what names of data sets begin with
EACH = 200


class Words:
    """Greedy rationales about the same pairs by any model with the same eyes: 200 of photos and 200 drawn."""

    def __init__(self, pairs: Path) -> None:
        from reidr.core.run import content_hash
        from reidr.data.person_key import dataset_of
        from reidr.training.pairs.attributes import facts_finder
        from reidr.training.pairs.table import read_pairs

        known = read_pairs(pairs, "held_out")
        self.facts = facts_finder(known)
        self.pairs: dict[str, list[Any]] = {}
        for scene, start in SCENES.items():
            own = [pair for pair in known if dataset_of(pair.query.person).startswith(start)]
            chosen = np.random.default_rng(0).permutation(len(own))[:EACH]
            self.pairs[scene] = [own[place] for place in chosen]
        self.seen: dict[str, Any] = {}
        self.asked = content_hash(
            [crop.id for own in self.pairs.values() for pair in own for crop in (pair.query, pair.candidate)]
        )

    def people(self, scene: str) -> np.ndarray:
        """The query's person of each pair."""
        return np.array([str(pair.query.person) for pair in self.pairs[scene]])

    def of(self, folder: Path) -> dict[str, dict[str, np.ndarray]]:
        """`COUNTS` by scene for the model in `folder`; kept beside it as words.npz."""
        kept = folder.parent / "words.npz"
        if kept.is_file():
            found = dict(np.load(kept))
            if str(found.pop("asked", "")) == self.asked:
                return {scene: {name: found[f"{scene} {name}"] for name in COUNTS} for scene in SCENES}
        from reidr.reasoning.backends.reference import Reasoner

        reasoner = Reasoner.load(folder)
        counts = {scene: self._count(reasoner, scene) for scene in SCENES}
        flat = {f"{scene} {name}": values for scene, own in counts.items() for name, values in own.items()}
        arrays: dict[str, Any] = {"asked": np.array(self.asked), **flat}
        np.savez(kept, **arrays)
        return counts

    def _count(self, reasoner: Any, scene: str) -> dict[str, np.ndarray]:
        from reidr.reasoning.inference.crop_features import CropFeatures
        from reidr.reasoning.prompting.grammar import try_parse
        from reidr.reasoning.rationales.claims import check_claim, parse_claims, self_contradictory
        from reidr.training.grpo.rewards.cues import cues_reward
        from reidr.training.warmup.rationales import write_rationales

        pairs = self.pairs[scene]
        crops = {crop.id: crop for pair in pairs for crop in (pair.query, pair.candidate)}
        if scene not in self.seen:
            openers = [crop.open for crop in crops.values()]
            self.seen[scene] = CropFeatures(reasoner.model, reasoner.processor, openers, learning="connector")
        seen = self.seen[scene]
        seen.serve(reasoner.model)
        place = {name: number for number, name in enumerate(crops)}
        asked = [(place[pair.query.id], place[pair.candidate.id]) for pair in pairs]
        counts = {name: np.zeros(len(pairs)) for name in COUNTS}
        for row, (pair, written) in enumerate(
            zip(pairs, write_rationales(seen, asked, temperature=0.0, max_new_tokens=110, seed=0), strict=True)
        ):
            parsed = try_parse(written.text)
            if parsed is None:
                continue
            claims, facts = parse_claims(parsed.reasoning), self.facts(pair)
            counts["right"][row] = parsed.answer == ("yes" if pair.label else "no")
            counts["supported"][row] = cues_reward(parsed.answer, parsed.reasoning) > 0
            counts["twice"][row] = len({claim.region for claim in claims}) < len(claims)
            counts["differ"][row] = sum(claim.agreement == "differ" for claim in claims)
            counts["none"][row] = sum(claim.agreement == "differ" and self_contradictory(claim) for claim in claims)
            if facts is not None:
                marks = [check_claim(claim, facts.a, facts.b, per_crop=facts.per_crop) for claim in claims]
                counts["true"][row] = marks.count("confirmed")
                counts["tested"][row] = marks.count("confirmed") + marks.count("contradicted")
        return counts


SHARES = {
    "right": ("right", None),
    "supported": ("supported", None),
    "true": ("true", "tested"),
    "differences": ("differ", None),
    "of them none": ("none", "differ"),
    "said twice": ("twice", None),
}
"""What is told of the counts: (of what, over what; None: over pairs)."""


def share(counts: dict[str, np.ndarray], of: str, over: str | None, rows: np.ndarray | None = None) -> float:
    """One of `SHARES` of some rows, or of all."""
    rows = np.arange(len(counts[of])) if rows is None else rows
    whole = len(rows) if over is None else counts[over][rows].sum()
    return float(counts[of][rows].sum() / max(1.0, whole))


def spoken(found: dict[str, dict[int, dict[str, np.ndarray]]], people: np.ndarray) -> dict[str, Any]:
    """One scene's shares by variant and seed, and what each variant's differ by from the variant it is held against.

    `found`: variant → seed → counts. Intervals: 95 % percentile bootstrap over persons, 1,000 draws, of the mean over
    the seeds that both have.
    """
    random = np.random.default_rng(0)
    names, numbers = np.unique(people, return_inverse=True)
    rows_of = [np.flatnonzero(numbers == number) for number in range(len(names))]
    draws = [
        np.concatenate([rows_of[number] for number in random.integers(len(names), size=len(names))])
        for _ in range(1000)
    ]

    def gap(ours: str, theirs: str, of: str, over: str | None, rows: np.ndarray | None) -> float:
        seeds = [seed for seed in found[ours] if seed in found[theirs]]
        return float(
            np.mean(
                [
                    share(found[ours][each], of, over, rows) - share(found[theirs][each], of, over, rows)
                    for each in seeds
                ]
            )
        )

    levels = {
        variant: {title: [share(counts, *told) for counts in seeds.values()] for title, told in SHARES.items()}
        for variant, seeds in found.items()
    }
    gaps = []
    for ours, theirs in AGAINST:
        if ours in found and theirs in found:
            row: dict[str, Any] = {"ours": ours, "theirs": theirs}
            for title, told in SHARES.items():
                low, high = np.quantile([gap(ours, theirs, *told, rows) for rows in draws], (0.025, 0.975))
                row[title] = [gap(ours, theirs, *told, None), float(low), float(high)]
            gaps.append(row)
    return {"pairs": len(people), "people": len(names), "levels": levels, "gaps": gaps}


AGAINST = (
    ("warm-up + RL", "warm-up"),
    ("identity and format rewards alone", "warm-up + RL"),
    ("truth reward too", "warm-up + RL"),
    ("text-only reward too", "warm-up + RL"),
    ("truth and text-only rewards too", "warm-up + RL"),
    ("warm-up on chosen words", "warm-up"),
    ("warm-up on chosen words + RL", "warm-up + RL"),
    ("warm-up on chosen words + RL", "warm-up on chosen words"),
)
"""Which variant's words are held against which."""
