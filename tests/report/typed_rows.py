"""The typed fields of the rows that tests of pages make by hand."""

from __future__ import annotations

from typing import Any

KINDS: dict[str, tuple[str, str]] = {
    "retriever": ("retriever", ""),
    "baseline": ("baseline", "histogram"),
    "CSLS": ("reranker", "CSLS"),
    "k-reciprocal": ("reranker", "k-reciprocal"),
    "reasoner": ("reasoner", ""),
    "oracle": ("oracle", ""),
}


def typed(name: str) -> dict[str, Any]:
    """Role, variant and what it is built on, of rows called as `reidr evaluate` calls them."""
    first = name.replace("@", " ").replace(",", " ").split()[0]
    role, variant = KINDS.get(first, ("reranker", name))
    built_on: tuple[str, ...] = ()
    if ", then reasoner" in name:
        role, variant, built_on = "reasoner", "after k-reciprocal", ("k-reciprocal",)
    elif role == "reasoner" and name.endswith((" glance", "vision similarity")):
        role, variant = "reranker", "vision similarity"
    elif role == "oracle":
        variant = name.partition("@")[2]
    elif role == "reasoner":
        variant, built_on = " ".join(name.split()[1:]), ("retriever", "retriever nano", "CSLS")
    return {"role": role, "variant": variant, "built_on": built_on}
