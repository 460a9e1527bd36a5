"""Comparing very many pairs of crops, into the cache that every later search takes scores and reasons from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from reidr.core.progress import progress
from reidr.data.pictures.images import read_picture
from reidr.data.types import Crop
from reidr.errors import ImageError
from reidr.reasoning.backends.loading import load_reasoner
from reidr.reasoning.backends.verdict_cache import Logits, VerdictCache, default_path, verdict_from_json
from reidr.reasoning.types import Pair, Verdict
from reidr.service.bulk.embedding import Done
from reidr.service.bulk.running import run_tasks
from reidr.service.bulk.tasks import Ledger, Pictures, Task


class Gathering(VerdictCache):
    """Keeps in memory what a reasoner computes, to be sent to where the job was started."""

    def __init__(self) -> None:
        self.kept_scores: dict[str, tuple[Logits, str]] = {}
        self.kept_verdicts: dict[str, Verdict] = {}

    def scores(self, keys: Iterable[str]) -> dict[str, Logits]:
        """As `VerdictCache.scores`."""
        return {key: self.kept_scores[key][0] for key in keys if key in self.kept_scores}

    def kinds(self, keys: Iterable[str]) -> dict[str, str]:
        """As `VerdictCache.kinds`."""
        return {key: self.kept_scores[key][1] for key in keys if key in self.kept_scores}

    def verdicts(self, keys: Iterable[str]) -> dict[str, Verdict]:
        """As `VerdictCache.verdicts`."""
        return {key: self.kept_verdicts[key] for key in keys if key in self.kept_verdicts}

    def keep_scores(self, scores: Mapping[str, Sequence[float]], *, kind: str = "read") -> None:
        """As `VerdictCache.keep_scores`."""
        for key, (yes, no, doubt) in scores.items():
            self.kept_scores[key] = ((float(yes), float(no), float(doubt)), kind)

    def keep_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        """As `VerdictCache.keep_verdicts`."""
        self.kept_verdicts |= {verdict.key: verdict for verdict in verdicts}

    def taken(self) -> str:
        """All that was kept, as JSON; nothing of it stays."""
        content = {
            "scores": [[key, list(logits), kind] for key, (logits, kind) in self.kept_scores.items()],
            "verdicts": [json.dumps(asdict(verdict)) for verdict in self.kept_verdicts.values()],
        }
        self.kept_scores, self.kept_verdicts = {}, {}
        return json.dumps(content)


class ComparePairs:
    """Scores the pairs of tasks, whose names are query and candidate in turn; with `reasons` it thinks as well."""

    def __init__(self, reasoner: str, reasons: bool) -> None:
        self._cache = Gathering()
        self._reasoner = load_reasoner(reasoner, cache=self._cache)
        self._reasons = reasons
        self._pictures = Pictures()

    def __call__(self, task: Task) -> bytes:
        """What a cache keeps of these pairs, and sentences about pictures that cannot be used."""
        crops: list[Crop | None] = []
        problems = []
        for name, picture in zip(task.names, self._pictures.of(task), strict=True):
            try:
                image = Path(picture) if isinstance(picture, Path) else read_picture(picture, name)
                if isinstance(image, Path):
                    read_picture(image, name)
                crops.append(Crop(name, image))
            except ImageError as error:
                problems.append(str(error))
                crops.append(None)
        both = zip(crops[::2], crops[1::2], strict=True)
        pairs = [Pair(query, candidate) for query, candidate in both if query is not None and candidate is not None]
        if pairs:
            self._reasoner.score(pairs)
            if self._reasons:
                self._reasoner.think(pairs)
        return json.dumps({"pairs": len(pairs), "problems": problems, "kept": self._cache.taken()}).encode()


def compare_pairs(
    reasoner: str, tasks: Iterable[Task], *, reasons: bool, workers: int, cluster: str | None = None
) -> Done:
    """Compare the pairs of tasks that are not done yet, into this machine's cache of scores and reasons.

    Raises WeightsError for an unknown reasoner, and as `run_tasks`; what was kept until then is not done again.
    """
    card = load_reasoner(reasoner).card
    ledger = Ledger(f"compare {card.weights or reasoner} {reasons}")
    every = list(tasks)
    todo = [task for task in every if task.id not in ledger.done]
    number, problems = 0, list[str]()
    make = partial(ComparePairs, reasoner, reasons)
    with VerdictCache(default_path()) as cache, progress("comparing", len(todo)) as advance:
        for id, result in run_tasks(todo, make, workers=workers, cluster=cluster):
            told = json.loads(result)
            kept = json.loads(told["kept"])
            for kind in sorted({kind for *_, kind in kept["scores"]}):
                cache.keep_scores({key: logits for key, logits, own in kept["scores"] if own == kind}, kind=kind)
            cache.keep_verdicts([verdict_from_json(text) for text in kept["verdicts"]])
            ledger.add([id])
            number += told["pairs"]
            problems += told["problems"]
            advance(1)
    return Done(len(every), len(every) - len(todo), number, tuple(problems))
