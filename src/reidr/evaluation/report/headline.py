"""What the run found, in plain words, computed from the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from reidr.evaluation.report.content import MetricRow, QueryCard, Report


def headline(report: Report) -> str:
    """One sentence for the top of the page."""
    if report.headline:
        return report.headline
    base, reasoner = first_row(report, "retriever"), first_row(report, "reasoner")
    if base is None:
        return "No metrics were computed in this run." if not report.metric_rows else "The metrics of this run."
    if reasoner is None:
        return found(base, "rank1", "The retriever alone puts the right person first")
    return compared(base, reasoner)


def compared(base: MetricRow, reasoner: MetricRow) -> str:
    """The sentence about the reasoner's row beside the retriever's: by Rank-1 where both have it, else by mAP."""
    metric = "rank1" if "rank1" in base.metrics and "rank1" in reasoner.metrics else "mAP"
    if metric not in base.metrics or metric not in reasoner.metrics:
        return "The retriever's row and the reasoner's row share no metric."
    old, new = percent(base.metrics[metric]), percent(reasoner.metrics[metric])
    kind = reasoner.name.removeprefix("reasoner").strip()
    subject = f"With the reasoner ({kind}), " if kind else "With the reasoner, "
    if metric == "rank1":
        subject += f"the first candidate is the right person for {new}\u202f% of {queries(reasoner)}"
    else:
        subject += f"mean average precision is {new}\u202f%"
    if old == new:
        return f"{subject}: as often as with the retriever alone."
    change = "up" if reasoner.metrics[metric] > base.metrics[metric] else "down"
    sentence = f"{subject}, {change} from {old}\u202f% with the retriever alone"
    gain = reasoner.gains.get(metric)
    if gain is not None and gain[0] <= 0.0 <= gain[1]:
        sentence += ", a difference that this many queries cannot tell from chance"
    return sentence + "."


def found(row: MetricRow, metric: str, start: str) -> str:
    """A sentence for a run that has a retriever and nothing else."""
    if metric not in row.metrics:
        return "The retriever alone was measured."
    return f"{start} for {percent(row.metrics[metric])}\u202f% of {queries(row)}."


def support(report: Report) -> str:
    """The sentence below the headline: mAP and the share of the oracle's headroom captured, where the rows tell."""
    base, reasoner, oracle = (first_row(report, name) for name in ("retriever", "reasoner", "oracle"))
    if base is None or reasoner is None or "mAP" not in base.metrics or "mAP" not in reasoner.metrics:
        return ""
    old, new = base.metrics["mAP"], reasoner.metrics["mAP"]
    sentence = f"Mean average precision went from {percent(old)} to {percent(new)}\u202f%."
    if percent(old) == percent(new):
        sentence = f"Mean average precision stayed at {percent(new)}\u202f%."
    if oracle is None or "mAP" not in oracle.metrics:
        return sentence
    ceiling = oracle.metrics["mAP"]
    sentence += f" A judge who never errs on the same candidates ({oracle.name}) would reach {percent(ceiling)}\u202f%"
    if new < old:
        return f"{sentence}; the reasoner lost ground instead."
    if ceiling > old:
        share = (new - old) / (ceiling - old)
        return f"{sentence}; the reasoner took {share * 100:.0f}\u202f% of that room."
    return f"{sentence}: there was no room to gain."


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


def first_row(report: Report, start: str) -> MetricRow | None:
    """The first row whose name starts with `start`."""
    return next((row for row in report.metric_rows if row.name.startswith(start)), None)


def percent(share: float) -> str:
    """A share of 1 as a percentage with one decimal, without its sign: the field's habit."""
    return f"{share * 100:.1f}"


def queries(row: MetricRow) -> str:
    """ "128 queries", or "queries" where their number is not known."""
    return "queries" if row.queries is None else f"{row.queries:,} queries"
