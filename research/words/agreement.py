"""How well parsed captions agree with Market-1501's attributes, on training people (README.md beside this)."""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np

from reidr.data.attribute_sources import facts_of
from reidr.data.captions import crops_of_captions
from reidr.data.load import load_dataset
from reidr.data.vocabulary import VALUES, VOCABULARY, Facts
from reidr.search.words.parse import parse_description
from reidr.search.words.rank import rank_by_description
from reidr.search.words.types import DescriptionQuery, Term

SETS = ("market1501", "cuhk03-np-train")
TRUST = 0.85  # probability of a value that Market's table marks, about the agreement that is measured here
COMPARED = ("hair length", "upper colors", "sleeves", "lower garment", "lower length", "lower colors", "carried")
ENOUGH = 3  # terms of a caption that can be searched by


def verdict(term: Term, facts: Facts) -> bool | None:
    """Whether what a term asserts is so; None where nothing is known of its values.

    Values that are unknown are passed over, so a term of which all known values are false counts as wrong.
    """
    known = [facts[family][value] for family, value in term.values if value in facts.get(family, {})]
    return None if not known else any(known) is term.wanted


def queries_of(data: Path, name: str) -> list[tuple[str, DescriptionQuery, Facts]]:
    """Person, parsed sentence and the person's facts, for every sentence of a data set."""
    dataset = load_dataset(data / name)
    return [
        (caption.person, parse_description(sentence), facts_of(crops[0].attributes))
        for caption, crops in crops_of_captions(dataset.captions, dataset.train)
        for sentence in caption.sentences
    ]


def agreement_table(queries: list[tuple[str, DescriptionQuery, Facts]]) -> list[str]:
    """Per family: terms asserted, terms that Market's table can judge, and the share of those that are so."""
    said: Counter[str] = Counter()
    judged: dict[str, list[bool]] = defaultdict(list)
    people: dict[str, set[str]] = defaultdict(set)
    for person, query, facts in queries:
        for term in query.terms:
            family = term.families[0] if term.wanted else f"{term.families[0]}, negated"
            said[family] += 1
            true = verdict(term, facts)
            if true is not None:
                judged[family].append(true)
                people[family].add(person)
    lines = ["| family | terms | judged | people | precision % |", "| --- | --- | --- | --- | --- |"]
    order = [name for family in VOCABULARY for name in (family.name, f"{family.name}, negated") if said[name]]
    for name in order:
        own = judged[name]
        share = f"{100 * sum(own) / len(own):.1f}" if own else ""
        lines.append(f"| {name} | {said[name]:,} | {len(own):,} | {len(people[name])} | {share} |")
    every = [true for own in judged.values() for true in own]
    lines.append(f"| all | {sum(said.values()):,} | {len(every):,} | | {100 * sum(every) / len(every):.1f} |")
    return lines


def coverage_row(name: str, queries: list[DescriptionQuery]) -> str:
    """Sentences, terms a sentence, the share with enough terms, and the share of words that took part or were named."""
    terms = [len(query.terms) for query in queries]
    enough = sum(number >= ENOUGH for number in terms) / len(terms)
    left = sum(len(query.unmapped) for query in queries) / len(queries)
    return f"| {name} | {len(queries):,} | {sum(terms) / len(terms):.1f} | {100 * enough:.1f} | {left:.1f} |"


def color_table(queries: list[tuple[str, DescriptionQuery, Facts]]) -> list[str]:
    """Precision of colours: where a garment has one, where it has several, and of words for several ("dark")."""
    lines = ["| family | one colour % | several colours % | any one of several % |", "| --- | --- | --- | --- |"]
    for family in ("upper colors", "lower colors"):
        judged: dict[str, list[bool]] = {"one": [], "several": [], "any": []}
        for _, query, facts in queries:
            own = [term for term in query.terms if term.families[0] == family and term.wanted]
            for term in own:
                true = verdict(term, facts)
                kind = "any" if len(term.values) > 1 else "one" if len(own) == 1 else "several"
                if true is not None:
                    judged[kind].append(true)
        lines.append(f"| {family} | " + " | ".join(f"{100 * np.mean(own):.1f}" for own in judged.values()) + " |")
    return lines


def writers_agree(data: Path) -> list[str]:
    """Of two sentences about the same frame, both with one term of a family: how often a value fits both."""
    agree: dict[str, list[bool]] = defaultdict(list)
    for caption in load_dataset(data / "market1501").captions:
        queries = [parse_description(sentence) for sentence in caption.sentences]
        for first, second in combinations(queries, 2):
            for family in COMPARED:
                own, other = ([t for t in q.terms if t.families == (family,) and t.wanted] for q in (first, second))
                if len(own) == len(other) == 1:
                    agree[family].append(bool(set(own[0].values) & set(other[0].values)))
    lines = ["| family | pairs of sentences | in agreement % |", "| --- | --- | --- |"]
    return lines + [f"| {family} | {len(own):,} | {100 * np.mean(own):.1f} |" for family, own in agree.items()]


def people_found(data: Path, queries: list[tuple[str, DescriptionQuery, Facts]]) -> str:
    """Rank of the person a sentence is about, among all training persons, if their attributes were read as they are."""
    facts = {crop.person: facts_of(crop.attributes) for crop in load_dataset(data / "market1501").train}
    people = [str(person) for person in facts]
    table = np.full((len(people), len(VALUES)), np.nan)
    for row, known in enumerate(facts.values()):
        for column, (family, value) in enumerate(VALUES):
            if value in known.get(family, {}):
                table[row, column] = TRUST if known[family][value] else 1 - TRUST
    ranks = []
    for person, query, _ in queries:
        scores = rank_by_description(query, table).scores
        own = scores[people.index(person)]
        ranks.append(1 + (scores > own).sum() + ((scores == own).sum() - 1) / 2)  # the mean of equal scores
    return (
        f"| {len(people)} | {len(ranks):,} | "
        + " | ".join(f"{100 * np.mean(np.array(ranks) <= best):.1f}" for best in (1, 5, 10, 50))
        + f" | {np.median(ranks):.0f} |"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, default=Path("../shared/data"))
    options.add_argument("--unmapped", type=int, default=0, help="print so many of the words left over, with counts")
    chosen = options.parse_args()
    queries = {name: queries_of(chosen.data, name) for name in SETS}
    print("\n".join(agreement_table(queries["market1501"])))
    print("\n| sentences | number | terms each | with 3 terms or more % | words left over each |")
    print("| --- | --- | --- | --- | --- |")
    for name, own in queries.items():
        print(coverage_row(name, [query for _, query, _ in own]))
    print("\n" + "\n".join(color_table(queries["market1501"])))
    print("\n" + "\n".join(writers_agree(chosen.data)))
    print("\n| people | sentences | Rank-1 % | Rank-5 % | Rank-10 % | Rank-50 % | median rank |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    print(people_found(chosen.data, queries["market1501"]))
    if chosen.unmapped:
        left = Counter(w.text.lower() for own in queries.values() for _, query, _ in own for w in query.unmapped)
        print(" ".join(f"{word}:{number}" for word, number in left.most_common(chosen.unmapped)))


if __name__ == "__main__":
    main()
