"""Does a reasoner read? Balanced accuracy of its answers per attribute, beside a linear probe and a constant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reidr.data.attributes import states
from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.evaluation.experiment.candidate_scoring import steps_of
from reidr.evaluation.experiment.outcome import Progress
from reidr.evaluation.explanations.probe import DECAY_FOR_STRANGERS, fit_probe
from reidr.reasoning.backends.reference import Reasoner
from reidr.reasoning.prompting.questions import QUESTIONS, value_of
from reidr.reasoning.rationales.regions import UNSEEN
from reidr.retrieval.embedders.embedder import Embedder, embed_crops

LEAST = 5  # crops of a value below which its recall is noise: such values are left out
MOST = 600  # crops asked per attribute
DRAWS, SEED = 300, 0
NOTHING = "no attribute of these crops is known with two values or more, so nothing can be asked"


@dataclass(frozen=True, eq=False)
class Reading:
    """How well one attribute is read on crops of unknown people, as shares of 1.

    Attributes:
        values: how many values are told apart. crops: asked. answered: balanced accuracy of the reasoner's answers.
        unsaid: share of the crops of which it said that this cannot be seen; an error as well, and a probe must guess.
        probe: of a linear probe on the retriever's features. majority: of always the commonest value (1 / values).
        spoken, probe_spoken: `answered` and `probe` on the other crops alone; NaN where there is none.
        probe_same_people: of a probe that was taught on the reasoner's own people alone; NaN where they are not named.
        gains: (draws,) answered - probe, bootstrap over persons. Draw i is of the same persons for every attribute, so
            that means over attributes can be taken draw by draw; NaN where a draw has nobody to ask about.
    """

    attribute: str
    values: int
    crops: int
    answered: float
    unsaid: float
    probe: float
    majority: float
    spoken: float
    probe_spoken: float
    probe_same_people: float
    gains: NDArray[np.float64]


def interval_of(gains: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """95 % percentile interval of the mean over attributes of their `Reading.gains`."""
    means = np.mean(list(gains), axis=0)
    low, high = np.nanquantile(means, (0.025, 0.975))
    return float(low), float(high)


def balanced_accuracy(truth: NDArray[np.str_], said: NDArray[np.str_]) -> float:
    """Mean over the values in `truth` of the share of their crops that are read rightly.

    Where several values are true, any of them is right; where it is one of several, each of those is.
    """
    right = {
        value: {each for each in np.unique(said[truth == value]).tolist() if each and states(each, value) is not False}
        for value in np.unique(truth).tolist()
    }
    return float(np.mean([np.isin(said[truth == value], list(own)).mean() for value, own in right.items()]))


def usable(crops: Sequence[Crop], attribute: str, seed: int) -> list[Crop]:
    """Crops whose `attribute` is known and in view, values with fewer than `LEAST` crops left out, at most `MOST`."""
    known = [crop for crop in crops if crop.attributes.get(attribute, UNSEEN) != UNSEEN]
    values, counts = np.unique([crop.attributes[attribute] for crop in known], return_counts=True)
    common = set(values[counts >= LEAST].tolist())
    kept = [crop for crop in known if crop.attributes[attribute] in common]
    if len(kept) > MOST:
        rows = np.sort(np.random.default_rng(seed).choice(len(kept), MOST, replace=False))
        kept = [kept[row] for row in rows]
    return kept


def measure_reading(
    reasoner: Reasoner,
    retriever: Embedder,
    training: Sequence[Crop],
    test: Sequence[Crop],
    progress: Progress,
    taught_on: NDArray[np.bool_] | None = None,
) -> list[Reading]:
    """Ask `reasoner` about every attribute of `test` that takes two values or more.

    Args:
        training: crops of other people, for the probe on the retriever's features. test: crops of people whom neither
            model has seen. Both with attributes in one vocabulary (`common_attributes`).
        taught_on: (training,) True for crops of people whom the reasoner was taught on; None: not known. A probe that
            has more people than the reasoner had tells less of what each of them makes of its own.

    Raises DataError when no attribute can be asked about.
    """
    chosen = {attribute: usable(test, attribute, SEED) for attribute in QUESTIONS}
    test = list({crop.id: crop for crops in chosen.values() for crop in crops}.values())  # others need no embedding
    if not test:
        raise DataError(NOTHING)
    with progress("embedding for the probe", len(training) + len(test)) as advance:
        known = embed_crops(retriever, training, advance=advance)
        new = embed_crops(retriever, test, advance=advance)
    drawn = persons_drawn(test)
    among = np.zeros(len(training), dtype=bool) if taught_on is None else taught_on
    row_of = {crop.id: row for row, crop in enumerate(test)}
    readings = []
    for attribute, questions in QUESTIONS.items():
        asked = chosen[attribute]
        rows = np.flatnonzero([crop.attributes.get(attribute, UNSEEN) != UNSEEN for crop in training])
        truth = np.array([crop.attributes[attribute] for crop in asked])
        taught = np.array([training[int(row)].attributes[attribute] for row in rows])
        if len(set(truth)) < 2 or len(set(taught)) < 2:
            continue
        with progress(f"asking: {questions[0]}", len(asked)) as advance:
            answers = reasoner.ask_about_crops(asked, questions[0], max_new_tokens=12, progress=steps_of(advance))
        asked_rows = [row_of[crop.id] for crop in asked]
        probed = fit_probe(known[rows], taught, decay=DECAY_FOR_STRANGERS).read(new[asked_rows])
        own, probe_same_people = among[rows], np.nan
        if len(set(taught[own])) > 1:
            same_people = fit_probe(known[rows[own]], taught[own], decay=DECAY_FOR_STRANGERS)
            probe_same_people = balanced_accuracy(truth, same_people.read(new[asked_rows]))
        said = np.array([value_of(answer) for answer in answers])
        readings.append(reading_of(attribute, truth, said, probed, probe_same_people, drawn[:, asked_rows]))
    if not readings:
        raise DataError(NOTHING)
    return readings


def persons_drawn(crops: Sequence[Crop]) -> NDArray[np.int64]:
    """(draws, crops): how often each crop's person is drawn in each draw of a bootstrap over persons."""
    people, number = np.unique(
        [crop.id if crop.person is None else str(crop.person) for crop in crops], return_inverse=True
    )
    random = np.random.default_rng(SEED)
    drawn: NDArray[np.int64] = random.multinomial(len(people), np.full(len(people), 1 / len(people)), size=DRAWS)
    return drawn[:, number]


def reading_of(
    attribute: str,
    truth: NDArray[np.str_],
    said: NDArray[np.str_],
    probed: NDArray[np.str_],
    probe_same_people: float,
    drawn: NDArray[np.int64],
) -> Reading:
    """The figures of one attribute over N crops, `drawn` (draws, N) times each."""
    draws = [np.repeat(np.arange(len(truth)), number) for number in drawn]
    gains = [
        balanced_accuracy(truth[rows], said[rows]) - balanced_accuracy(truth[rows], probed[rows])
        if len(rows)
        else np.nan
        for rows in draws
    ]
    speaks = np.flatnonzero(said != UNSEEN)
    spoken, probe_spoken = (
        balanced_accuracy(truth[speaks], words[speaks]) if len(speaks) else np.nan for words in (said, probed)
    )
    return Reading(
        attribute,
        len(set(truth)),
        len(truth),
        balanced_accuracy(truth, said),
        float((said == UNSEEN).mean()),
        balanced_accuracy(truth, probed),
        1 / len(set(truth)),
        spoken,
        probe_spoken,
        probe_same_people,
        np.array(gains),
    )
