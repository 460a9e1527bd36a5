"""Write docs/attributes.md: the vocabulary of attributes, and what every word of every source means in it.

What a word means is found by asking the code that reads it, so the page cannot say anything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from reidr.data.attribute_sources import (
    LEFT_OUT,
    MARKET_LEFT_OUT,
    PETA_PASSED_OVER,
    PETA_WORDS,
    STREET_LEFT_OUT,
    facts_of_market,
    facts_of_peta,
    facts_of_street,
)
from reidr.data.attributes import LOWER_COLORS, TWO_VALUED, UPPER_COLORS
from reidr.data.synthetic.person.appearance import ATTRIBUTES
from reidr.data.vocabulary import COLORS, VOCABULARY, Facts

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "attributes.md"
Row = tuple[str, str]

INTRODUCTION = """# Attributes

What a person wears and carries is described in one vocabulary, whatever the source: Market-1501's table, PETA's
labels and the rendered street each use other words, and do not know the same things. This page lists the vocabulary,
and what each word of each source means in it. `scripts/attribute_page.py` writes it from the code.

**Unknown is not "no".** A value is true, false or unknown for a crop. It is false only where its source would have
marked it. Unknown values take part in no loss, no measurement and no ranking.

Nothing of gender, age, origin, religion or health is a value. Words of sources that speak of them are taken out when
the source is read. `reidr validate DATASET` counts what is known of a data set, family by family.

## The vocabulary
"""
PETA = """## PETA

Deng et al. 2014; one list of words a picture (`labels.jsonl`). Its annotators went through the list part by part. So
where anything is marked of a part, what is not marked is false; where nothing is marked, the part is unknown. Two
exceptions: `upperBodyOther` may be a shirt, and `carryingOther` may be a handbag, so these two values stay unknown
beside them. `beige` is unknown throughout: PETA has no word for it. Where two values are marked of a family of which
one is true, both are unknown.
"""
MARKET = """## Market-1501

Lin et al. 2019; one row a person (`attributes.csv`). The table marks at most one colour of a garment; where it marks
none, or several, nothing is known of its colours. Colours that it has no column for stay unknown, as do "bald" beside
short hair and "no sleeves" beside short sleeves. An attribute of the person may be hidden in a given crop.
"""
STREET = """## The rendered street

All is known of drawn people. What a crop hides has the value `not visible`, which becomes "cannot be seen" of the
family. A manifest of your own may use the same names as columns `attribute:NAME` ([data
sets](datasets.md#a-manifest-of-your-own)).
"""
CAPTIONS = """## Sentences

`captions.jsonl` beside a Market-1501 layout holds sentences that people wrote about training persons. They are kept
as they are (`ReIDDataset.captions`). `reidr.search.words.parse.parse_description` maps a sentence to the vocabulary,
and names the words that it could not map and those that it does not use.
"""


def meaning(facts: Facts) -> str:
    """What some facts say: of each family the values that are true; where none is, those that are false."""
    said = []
    for family, known in facts.items():
        true = [value for value, is_so in known.items() if is_so]
        said.append(f"{family}: {', '.join(true)}" if true else f"not {family}: {', '.join(known)}")
    return "; ".join(said)


def peta_rows() -> list[Row]:
    """PETA's words that are mapped, with the values that they make true."""
    rows = []
    for word in PETA_WORDS:
        if word not in LEFT_OUT:
            facts = facts_of_peta([word])
            rows.append((word, meaning({family: known for family, known in facts.items() if any(known.values())})))
    return rows


def market_rows() -> list[Row]:
    """Every column and code of Market-1501's table that is mapped, with its meaning."""
    rows = []
    for column, (name, *words) in TWO_VALUED.items():
        if column in ("down", "clothes"):
            continue
        rows += [(f"{column} = {code}", meaning(facts_of_market({name: word}))) for code, word in enumerate(words, 1)]
    for length_code, length in enumerate(TWO_VALUED["down"][1:], 1):
        for kind_code, kind in enumerate(TWO_VALUED["clothes"][1:], 1):
            facts = facts_of_market({"lower_kind": kind, "lower_length": length})
            rows.append((f"down = {length_code}, clothes = {kind_code}", meaning(facts)))
    for prefix, name, colors in (("up", "upper_color", UPPER_COLORS), ("down", "lower_color", LOWER_COLORS)):
        rows += [(f"{prefix}{color} = 2", meaning(facts_of_market({name: color}))) for color in colors]
    return rows


def street_rows() -> list[Row]:
    """Every attribute and value of the street that is mapped, with its meaning; colours that stay are one row."""
    rows = []
    for name, values in ATTRIBUTES.items():
        if name in STREET_LEFT_OUT:
            continue
        said = {value: meaning(facts_of_street({name: value})) for value in values}
        same: dict[str, list[str]] = {}
        for value, text in said.items():
            if value in COLORS and text.endswith(f": {value}"):
                same.setdefault(text.removesuffix(f": {value}"), []).append(value)
        for family, colors in same.items():
            rows.append((f"{name}: {', '.join(colors)}", f"{family}: the same"))
        together = {color for colors in same.values() for color in colors}
        rows += [
            (f"{name}: {value}", text or "nothing is known, as there is none")
            for value, text in said.items()
            if value not in together
        ]
    return rows


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return [*("| " + " | ".join(cells) + " |" for cells in lines), ""]


def mapped(rows: Iterable[Row]) -> list[str]:
    """A table of words and their meanings."""
    return table(("word", "family: value"), [(f"`{word}`", text) for word, text in rows])


def left_out(words: Mapping[str, str], *, ending: str = "") -> list[str]:
    """A table of words that are left out, and why."""
    return ["Left out:", "", *table(("word", "why"), [(f"`{word}{ending}`", why) for word, why in words.items()])]


def page() -> str:
    """The whole page."""
    families = [
        (family.name, ", ".join(family.values), "any number" if family.several else "one") for family in VOCABULARY
    ]
    lines = [INTRODUCTION, *table(("family", "values", "of which true"), families)]
    lines += [PETA, *mapped(peta_rows()), *left_out(LEFT_OUT)]
    lines += ["Words that begin so are taken out first:", ""]
    lines += table(("beginning", "why"), [(f"`{word}…`", why) for word, why in PETA_PASSED_OVER.items()])
    lines += [MARKET, *mapped(market_rows()), *left_out(MARKET_LEFT_OUT)]
    lines += [STREET, *mapped(street_rows()), *left_out(STREET_LEFT_OUT), CAPTIONS]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(REPOSITORY)}")


if __name__ == "__main__":
    main()
