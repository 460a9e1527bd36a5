"""Evaluation protocols as data: which crops are queries, which are gallery, what is ignored for a query.

The field's papers differ here more than in their methods (docs/datasets.md), so every table and file of ReID-R carries
the protocol's name. Add one to `PROTOCOLS` here; one from outside the package is named `module:rule` (a `Protocol`, or
a function that makes one). `reidr.data.protocols.trial.trials` turns a data set and a protocol into what an evaluator
needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from reidr.core.extensions import is_dotted_path, load_object
from reidr.data.checks.official_counts import TITLES
from reidr.data.protocols.matching_rule import Clothes
from reidr.errors import DataError

Draw = Literal["per trial", "per query"]


@dataclass(frozen=True)
class Protocol:
    """One evaluation rule.

    Attributes:
        name: stands in every table and file.
        description: one sentence.
        clothes: "changed" also ignores gallery crops of the same person in the same outfit, "same" those in another
            outfit; None ignores neither.
        ignore_same_camera: ignore gallery crops of the same person and camera (the field's standard rule).
        query_cameras, gallery_cameras: only crops of these cameras take part; None: all.
        draws: 0 searches the whole gallery; n > 0 repeats n times with one random gallery crop per person.
        draw: "per trial" draws one small gallery for all queries (PRCC); "per query" draws for each query among the
            crops that are not ignored for it (single-gallery-shot of the old CUHK03 protocol).
        withheld: share of the query persons whose gallery crops are taken out, so that their searches are non-mated.
        open_set: queries whose person is not in the gallery count (as non-mated searches) instead of being left out.
        unseen: the models may not have been trained on this data set (`families.check_unseen`).
        pooled: queries and gallery are put together, each crop is searched for among all the others (`data.pooled`).
        tracklets: queries and candidates are tracklets (`reidr.data.tracks`), each the mean of its crops' embeddings.
        data_set: the one of `reidr.data.checks.official_counts` whose rule this is; None for a rule that fits any.
    """

    name: str
    description: str
    clothes: Clothes | None = None
    ignore_same_camera: bool = True
    query_cameras: tuple[str, ...] | None = None
    gallery_cameras: tuple[str, ...] | None = None
    draws: int = 0
    draw: Draw = "per trial"
    withheld: float = 0.0
    open_set: bool = False
    unseen: bool = False
    pooled: bool = False
    tracklets: bool = False
    data_set: str | None = None


def _prcc(query: str, kind: str, draws: int) -> Protocol:
    clothes = "same-clothes" if query == "B" else "clothes-changing"
    gallery = (
        f"one random crop of camera A per person as gallery, mean of {draws} draws (the original paper)"
        if draws
        else "all of camera A as gallery (Simple-CCReID and followers)"
    )
    description = f"Queries of camera {query}, {gallery}."
    name = f"prcc/{clothes}/{kind}"
    return Protocol(name, description, query_cameras=(query,), gallery_cameras=("A",), draws=draws, data_set="prcc")


def _vc_clothes(name: str, cameras: tuple[str, str], what: str) -> Protocol:
    description = f"Cameras {cameras[0]} and {cameras[1]}, between which people {what}; standard rule."
    name = f"vc-clothes/{name}"
    return Protocol(name, description, query_cameras=cameras, gallery_cameras=cameras, data_set="vc-clothes")


def _cuhk03(boxes: str, drawn: str) -> Protocol:
    name = f"cuhk03-np/{boxes}"
    return Protocol(name, f"CUHK03 767/700 split, {drawn} boxes; standard rule.", data_set=name)


def _ltcc(name: str, rule: str, clothes: Clothes | None = None) -> Protocol:
    return Protocol(f"ltcc/{name}", f"Standard rule{rule}.", clothes=clothes, data_set="ltcc")


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol("standard", "Gallery crops of the query's person and camera are ignored, junk is dropped."),
        _cuhk03("detected", "detected"),
        _cuhk03("labelled", "hand-drawn"),
        Protocol(
            "single-gallery-shot",
            "Standard rule, then one random gallery crop per person and query, mean of 10 draws (old CUHK03 protocol).",
            draws=10,
            draw="per query",
        ),
        Protocol("cross-domain", "Standard rule on a data set that no model was trained on.", unseen=True),
        Protocol(
            "open-set",
            "Standard rule; half of the query persons are taken out of the gallery, their searches are non-mated.",
            withheld=0.5,
            open_set=True,
        ),
        Protocol(
            "leave-one-out",
            "Every crop of query and gallery is searched for among all the others; nothing else is ignored but junk.",
            ignore_same_camera=False,
            pooled=True,
        ),
        Protocol("any-camera", "Nothing is ignored but junk: search within one camera.", ignore_same_camera=False),
        Protocol(
            "tracklets", "Standard rule between tracklets, each the mean embedding of its crops (MARS).", tracklets=True
        ),
        _prcc("C", "multi-shot", 0),
        _prcc("B", "multi-shot", 0),
        _prcc("C", "single-shot", 10),
        _prcc("B", "single-shot", 10),
        _ltcc("general", ", whatever is worn"),
        _ltcc("clothes-changing", "; same person in the same outfit ignored", "changed"),
        _ltcc("same-clothes", "; same person in another outfit ignored", "same"),
        Protocol("vc-clothes/all", "All four cameras; standard rule.", data_set="vc-clothes"),
        _vc_clothes("same-clothes", ("2", "3"), "wear the same"),
        _vc_clothes("clothes-changing", ("3", "4"), "change clothes"),
    )
}
SHORT = {"cc": "clothes-changing", "sc": "same-clothes", "labeled": "labelled"}


def find_protocol(name: str) -> Protocol:
    """The protocol of that name, or the one that `module:rule` names.

    The field's short forms `cc`, `sc` and `labeled` are understood as parts of a name.
    Raises DataError listing the names that come nearest, or saying what `module:rule` lacks.
    """
    if is_dotted_path(name):
        return outside_protocol(name)
    full = "/".join(SHORT.get(part, part) for part in name.strip().lower().split("/"))
    if full in PROTOCOLS:
        return PROTOCOLS[full]
    near = [known for known in PROTOCOLS if known.split("/")[0] == full.split("/")[0]]
    known = ", ".join(near or PROTOCOLS)
    raise DataError(f"no protocol {name!r}; there are: {known}, or one of your own as module:rule")


def outside_protocol(source: str) -> Protocol:
    """The `Protocol` that `module:rule` is or makes. Raises DataError where it is neither."""
    rule: Any = load_object(source, "protocol", DataError)
    if callable(rule):
        rule = rule()
    if not isinstance(rule, Protocol):
        raise DataError(
            f"protocol {source}: it is a {type(rule).__name__}, not a Protocol or a function that makes one"
        )
    return rule


def check_belongs(protocol: Protocol, name: str, kind: str | None) -> None:
    """Raise DataError where a protocol of one data set is asked for another (`kind` of `ReIDDataset`; None: any)."""
    if protocol.data_set is None or kind is None or protocol.data_set == kind:
        return
    general = ", ".join(known for known, each in PROTOCOLS.items() if each.data_set in (None, kind))
    raise DataError(
        f"protocol {protocol.name} is a rule of {TITLES[protocol.data_set]}, but {name} was read as "
        f"{TITLES.get(kind, kind)}; use one of {general}"
    )
