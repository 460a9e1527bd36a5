"""`find`: pictures of one person, any gallery of crops, the likeliest matches with a reason each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reidr.core.defaults import DEFAULT_K
from reidr.core.lazy import loaded_when_used
from reidr.core.progress import progress

if TYPE_CHECKING:
    from reidr.reasoning.backends.local import Backend
    from reidr.retrieval.embedders.embedder import Embedder
    from reidr.retrieval.rerankers.reranker import Reranker
    from reidr.search.query.gallery import Searchable
    from reidr.search.query.query import Person
    from reidr.search.task import Progress, SearchOptions
    from reidr.search.types import Found, Match

__all__ = ["Found", "Match", "find", "search"]

__getattr__ = loaded_when_used(__name__, {"Found": "reidr.search.types", "Match": "reidr.search.types"})


def find(
    person: Person,
    gallery: Searchable,
    k: int = DEFAULT_K,
    *,
    retriever: Embedder | str | Path | None = None,
    reasoner: Backend | str | Path | None = "nano",
    think: int | None = None,
    claim_check: bool = True,
    fold: bool = True,
    pattern: str | None = None,
    reranker: str | Reranker | None = None,
    adaptive: bool = False,
) -> tuple[Match, ...]:
    """Find a person in a gallery of crops.

    Args:
        person: a picture of one person: a path, a Pillow image, an array (height, width, 3), encoded bytes or a `Crop`;
            or a list of several pictures of the same person.
        gallery: a folder (searched recursively), a manifest (.csv, .jsonl), or a list of folders, manifests, picture
            files, Pillow images, arrays and `Crop`s.
        k: number of matches, at least 1. think: how many of them the reasoner writes reasons for; all by default, but
            none where the picture can hardly be a crop of one person.
        retriever: the shipped one by default; a name, a trained folder, an .onnx file, or a loaded one.
        reasoner: a loaded one, a preset, a folder or the URL of a server; None ranks without one.
        claim_check: ask again what the reasons state, of each crop alone (`claim_check.check_claims`): some ten short
            questions per match. A reasoner behind a server is never asked so.
        fold: show near-duplicates as one match (`folding`). pattern: camera and time of files in folders
            (`data.path_pattern`).
        reranker: orders the candidates in place of the reasoner's inference profile: "csls", "k-reciprocal", a dotted
            path `module:factory`, or an object with `name` and `rerank`. adaptive: ask the reasoner only about the
            candidates in doubt, as its profile's policy says.

    Returns:
        Up to k matches, best first. Raises DataError, ImageError or WeightsError with one sentence.
    """
    from reidr.search.task import SearchOptions

    options = SearchOptions(retriever, reasoner, think, claim_check, fold, pattern, reranker, adaptive)
    return search(person, gallery, k, options).matches


def search(
    person: Person,
    gallery: Searchable,
    k: int = DEFAULT_K,
    options: SearchOptions | None = None,
    *,
    keep: bool = True,
    show: Progress = progress,
) -> Found:
    """`find` with everything the report needs.

    Args:
        options: the other arguments of `find`; None for its defaults.
        keep: whether the gallery's embeddings are cached in `cache_folder()`.
    """
    from reidr.search.task import SearchOptions, prepare

    task = prepare(person, gallery, k, SearchOptions() if options is None else options)
    # Only now what takes seconds to load.
    from reidr.search.searching import run

    return run(task, keep=keep, show=show)
