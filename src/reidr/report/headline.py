"""What the run found, in plain words, computed from the numbers.

A reasoner is credited with what it adds to the same list without it: where distances are CSLS, the row to
beat is CSLS, not the retriever alone. Direction words ("up", "down") follow from comparing the two numbers,
and a difference whose interval holds 0 is never said without that.
"""

from __future__ import annotations

from collections.abc import Sequence

from reidr.core.text import number_of
from reidr.evaluation.experiment.rows import VISION_SIMILARITY, Interval, MetricRow, Role, built_on
from reidr.evaluation.metrics.names import COMPARED
from reidr.report.content import QueryCard, Report

TITLES = {key: metric.title for key, metric in COMPARED.items()}
FEWEST_QUERIES = 10
"""Queries below which a bootstrap interval is far too narrow to tell a difference from chance."""


def headline(report: Report) -> str:
    """One sentence for the top of the page."""
    if report.headline:
        return report.headline
    base, reasoner = first_row(report, "retriever"), first_row(report, "reasoner")
    if base is None:
        return "No metrics were computed in this run." if not report.metric_rows else "The metrics of this run."
    if base.queries == 0:
        return "No query has a match in the gallery, so there is nothing to be found and nothing to measure."
    if reasoner is None:
        return found(base, "rank1", "The retriever alone puts the right person first")
    return compared(reasoner, built_on(reasoner, report.metric_rows))


def compared(reasoner: MetricRow, without: Sequence[MetricRow]) -> str:
    """The sentence about the reasoner's row beside those it starts from, `without` it: by Rank-1 where all have it.

    It is held against the best of them, and the others are named with it.
    """
    metric = "rank1" if "rank1" in reasoner.metrics and any("rank1" in row.metrics for row in without) else "mAP"
    others = [row for row in without if metric in row.metrics]
    if not others or metric not in reasoner.metrics:
        return "The retriever's row and the reasoner's row share no metric."
    best = best_of(others, metric)
    subject = f"With the reasoner ({reasoner.variant}), " if reasoner.variant else "With the reasoner, "
    if metric == "rank1":
        subject += f"the first candidate is the right person for {percent(reasoner.metrics[metric])}\u202f% of "
        subject += queries(reasoner)
    else:
        subject += f"mean average precision is {percent(reasoner.metrics[metric])}\u202f%"
    aside = "; ".join(f"{called(row)}: {percent(row.metrics[metric])}\u202f%" for row in others if row is not best)
    aside = f" ({aside})" if aside else ""
    return f"{subject}, {change(reasoner, best, metric)}{aside}{chance(reasoner, best, metric)}."


def change(reasoner: MetricRow, best: MetricRow, metric: str) -> str:
    """ "up from 87.7 % with CSLS, which asks no reasoner": the two numbers as they are printed, compared."""
    new, old = percent(reasoner.metrics[metric]), percent(best.metrics[metric])
    alone = called(best) if best.role == "retriever" else f"{called(best)}, which asks no reasoner"
    if new == old:
        return f"as often as with {alone}" if metric == "rank1" else f"the same as with {alone}"
    way = "up" if reasoner.metrics[metric] > best.metrics[metric] else "down"
    return f"{way} from {old}\u202f% with {alone}"


def chance(reasoner: MetricRow, best: MetricRow, metric: str) -> str:
    """What the interval of the difference allows to be said of it; empty where no interval is known."""
    if reasoner.queries is not None and reasoner.queries < FEWEST_QUERIES:
        return f"; {queries(reasoner)} cannot tell a difference from chance"
    gain = interval_over(reasoner, best, metric)
    if gain is None:
        return ""
    low, high = gain
    difference = reasoner.metrics[metric] - best.metrics[metric]
    sentence = f"; the difference is {points(difference)} points (95\u202f% interval {points(low)} to {points(high)})"
    # An interval without width comes of people who are all alike, or of one person: it is no certainty.
    if low <= 0.0 <= high or low == high:
        sentence += ", which may be chance"
    return sentence


def interval_over(row: MetricRow, other: MetricRow, metric: str) -> Interval | None:
    """Interval of the paired difference of `row` to `other`, None where it is not known."""
    known = row.gains if other.role == "retriever" else row.gains_over.get(other.name, {})
    return known.get(metric)


def found(row: MetricRow, metric: str, start: str) -> str:
    """A sentence for a run that has a retriever and nothing else."""
    if metric not in row.metrics:
        return "The retriever alone was measured."
    return f"{start} for {percent(row.metrics[metric])}\u202f% of {queries(row)}."


def support(report: Report) -> str:
    """The sentences below the headline: mAP, what of the oracle's gain is had without and with asking, other rows."""
    base, reasoner, oracle = (first_row(report, role) for role in ("retriever", "reasoner", "oracle"))
    if base is None or reasoner is None or "mAP" not in reasoner.metrics:
        return ""
    without = [row for row in built_on(reasoner, report.metric_rows) if "mAP" in row.metrics]
    if not without:
        return ""
    sentences = [precision(reasoner, without)]
    if oracle is not None and "mAP" in oracle.metrics and "mAP" in base.metrics:
        sentences.append(room(base, reasoner, best_of(without, "mAP"), oracle))
    sentences.append(unasked(reasoner, report.metric_rows, without))
    return " ".join(sentence for sentence in sentences if sentence)


def precision(reasoner: MetricRow, without: Sequence[MetricRow]) -> str:
    """Mean average precision with the reasoner, beside the best row without it and the others."""
    best = best_of(without, "mAP")
    old, new = percent(best.metrics["mAP"]), percent(reasoner.metrics["mAP"])
    scaled = "" if best.role == "retriever" else f" ({called(best)}, no reasoner asked)"
    others = "; ".join(f"{called(row)}: {percent(row.metrics['mAP'])}\u202f%" for row in without if row is not best)
    rest = f" ({others})" if others else ""
    if old == new:
        return f"Mean average precision stayed at {new}\u202f%{scaled}{rest}."
    unsure = interval_over(reasoner, best, "mAP")
    few = reasoner.queries is not None and reasoner.queries < FEWEST_QUERIES
    # As in `chance`, an interval without width is no certainty.
    doubtful = unsure is not None and (unsure[0] <= 0.0 <= unsure[1] or unsure[0] == unsure[1])
    doubt = ", no more than chance may do" if few or doubtful else ""
    return f"Mean average precision went from {old}\u202f%{scaled} to {new}\u202f%{doubt}{rest}."


def room(base: MetricRow, reasoner: MetricRow, best: MetricRow, oracle: MetricRow) -> str:
    """What the best order of the same first candidates would give, and how much of it is had without and with asking.

    No ceiling: a row that sorts more than the first k, as k-reciprocal re-ranking does, may lie above it.
    """
    old, new, most = (row.metrics["mAP"] for row in (base, reasoner, oracle))
    first = oracle.variant or "candidates"
    sentence = f"The best order of the same first {first} ({oracle.name}) has {percent(most)}\u202f%"
    if most <= old:
        return f"{sentence}: nothing could be gained."
    if new < old:
        return f"{sentence}; with the reasoner it fell instead."
    share = f"{(new - old) / (most - old) * 100:.0f}\u202f%"
    if best is base or best.metrics["mAP"] <= old:
        return f"{sentence}; the reasoner reached {share} of that gain."
    without = f"{(best.metrics['mAP'] - old) / (most - old) * 100:.0f}\u202f%"
    return f"{sentence}; {called(best)} alone reaches {without} of that gain, with the reasoner {share}."


def unasked(reasoner: MetricRow, rows: Sequence[MetricRow], named: Sequence[MetricRow]) -> str:
    """The rows that put no pair before a reasoner and do at least as well, where they are not `named` already."""
    told = []
    for row in rows:
        if row.role != "reranker" or row in named:
            continue
        better = [
            f"{title} {percent(row.metrics[metric])}\u202f%"
            for metric, title in TITLES.items()
            if metric in row.metrics and metric in reasoner.metrics and row.metrics[metric] >= reasoner.metrics[metric]
        ]
        if better:
            told.append(f"{called(row)} ({', '.join(better)})")
    return f"At least as good without asking about any pair: {'; '.join(told)}." if told else ""


def best_of(rows: Sequence[MetricRow], metric: str) -> MetricRow:
    """The row with the greatest value, as printed; of equals the first."""
    return max(rows, key=lambda row: float(percent(row.metrics[metric])))


def called(row: MetricRow) -> str:
    """What a row is called within a sentence."""
    if row.role == "retriever":
        return "the retriever alone"
    if row.variant == VISION_SIMILARITY:
        return f"the vision encoder's similarity alone, row \u201c{row.name}\u201d"
    return row.name


def taken(answers: Sequence[str], which: str) -> str:
    """How many of the candidates (`which` say) the reasoner takes for the person, from its `answers` (at least one)."""
    same, number = answers.count("same"), len(answers)
    if number == 1:
        return f"The reasoner {'takes' if same else 'does not take'} the one candidate {which} for the same person"
    count = "none" if not same else "all" if same == number else str(same)
    return f"The reasoner takes {count} of the {number} candidates {which} for the same person"


def outcome(card: QueryCard) -> str:
    """What happened to one query, in a sentence."""
    shown = sum(candidate.mark != "junk" for candidate in card.candidates)
    if not card.candidates:
        return "No candidate was ranked."
    if all(candidate.mark in ("unknown", "junk") for candidate in card.candidates):
        said = [candidate.answer for candidate in card.candidates if candidate.answer is not None]
        if not said:
            return "The reasoner was not asked."
        return f"{taken(said, 'it was asked about')}."
    before, after = card.first_right(before=True), card.first_right()
    if after is None:
        return (
            f"None of the {shown} candidates shown is the person."
            if shown > 1
            else "The candidate shown is not the person."
        )
    if not card.fused:
        return f"The first right candidate stands at rank {after}."
    if before == after:
        return f"The first right candidate stays at rank {after}."
    way = "up" if before is None or after < before else "down"
    return f"The first right candidate moves {way} from rank {before} to rank {after}."


def cost(card: QueryCard) -> str:
    """What one query cost, in a sentence; empty where the reasoner was not asked."""
    if not card.calls:
        return ""
    sentence = f"It cost {card.calls:,} call{'s' if card.calls != 1 else ''} of the reasoner"
    if card.tokens is None or card.seconds is None:
        return sentence + "."
    return f"{sentence}; its thoughts took {card.tokens:,} tokens and {seconds(card.seconds)}."


def seconds(value: float) -> str:
    """A duration for reading: "0.04 s", "3.1 s", "418 s"."""
    digits = 2 if value < 1 else 1 if value < 100 else 0
    return f"{value:,.{digits}f}\u202fs"


def first_row(report: Report, role: Role) -> MetricRow | None:
    """The first row of that role."""
    return next((row for row in report.metric_rows if row.role == role), None)


def percent(share: float) -> str:
    """A share of 1 as a percentage with one decimal, without its sign: the field's habit."""
    return f"{share * 100:.1f}"


def points(difference: float) -> str:
    """A difference of shares in percentage points with its sign: "+1.2", "-0.4"; "0.0" where nothing is left of it."""
    text = f"{difference * 100:+.1f}"
    return text[1:] if float(text) == 0 else text


def queries(row: MetricRow) -> str:
    """ "128 queries", "1 query", or "queries" where their number is not known."""
    return "queries" if row.queries is None else number_of(row.queries, "query")


def asked_alone(note: str) -> str:
    """What the claim check heard, as a sentence: of "A: None; A: Handbag; B: Red" what was said of A and of B alone."""
    said: dict[str, list[str]] = {}
    for part in note.split("; "):
        crop, _, value = part.partition(": ")
        said.setdefault(crop, []).append(value.lower())
    return "; ".join(f"asked about {crop} alone, the reasoner says: {', '.join(each)}" for crop, each in said.items())
