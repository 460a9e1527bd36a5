"""Where embedders are found: by name in this table, as a trained folder, a file (.onnx, .pth, .safetensors) or
`module:factory`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reidr.core.extensions import is_dotted_path, load_object, make_object
from reidr.errors import WeightsError
from reidr.retrieval.embedders.embedder import Embedder
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.retrieval.embedders.precision import Precision
from reidr.retrieval.embedders.published.embedder import is_published

EMBEDDERS: dict[str, Callable[[], Embedder]] = {"histogram": HistogramEmbedder}
"""Embedders by name. Trained ones that are shipped (`lite`) are folders of `retrieval/presets` and need no entry."""
NEEDED = ("name", "fingerprint", "embed_pictures")


def load_embedder(source: Embedder | str | Path | None = None, precision: Precision = "reference") -> Embedder:
    """An embedder by name of `EMBEDDERS` or of a shipped one, trained folder, file or `module:factory`.

    A file is an ONNX model or a checkpoint of another project (`published/`). None: the shipped default; an embedder is
    given back as it is.

    Args:
        precision: of a trained retriever; nothing else has another than its own.

    Raises WeightsError where there is none, where what `module:factory` makes is no `Embedder`, or where it has no such
    precision.
    """
    if source is None or isinstance(source, str | Path):
        check_precision(source, precision)
        return _load_by_name(source, precision)
    return source


def check_precision(source: str | Path | None, precision: Precision) -> None:
    """Raises WeightsError where an embedder that is no trained retriever is to be computed fast."""
    other = source in EMBEDDERS or is_outside(source) or str(source).endswith(".onnx") or is_published(source)
    if precision != "reference" and other:
        raise WeightsError(f"{source}: only a trained retriever can be computed with {precision} precision")


def _load_by_name(source: str | Path | None, precision: Precision) -> Embedder:
    if source in EMBEDDERS:
        return EMBEDDERS[str(source)]()
    if is_outside(source):
        return outside_embedder(str(source))
    if str(source).endswith(".onnx"):
        from reidr.retrieval.embedders.onnx import OnnxEmbedder

        return OnnxEmbedder.load(Path(str(source)))
    if is_published(source):
        from reidr.retrieval.embedders.published.embedder import PublishedEmbedder

        return PublishedEmbedder.load(str(source))
    from reidr.retrieval.embedders.retriever import Retriever

    return Retriever.load(source, precision)


def check_embedder(source: str | Path) -> None:
    """Find the embedder that is named, without loading it and without torch.

    Raises WeightsError where there is none.
    """
    if source in EMBEDDERS:
        return
    if is_outside(source):
        load_object(str(source), "embedder", WeightsError)
    elif str(source).endswith(".onnx"):
        if not Path(source).is_file():
            raise WeightsError(f"{source}: no such ONNX model")
    elif is_published(source):
        if not Path(source).is_file():
            raise WeightsError(f"{source}: no such checkpoint")
    else:
        from reidr.retrieval.embedders.retriever import find_model

        find_model(source)


def is_outside(source: object) -> bool:
    """Whether this names an embedder from outside the package; a folder of that name goes first."""
    return is_dotted_path(source) and not Path(str(source)).exists()


def outside_embedder(source: str) -> Embedder:
    """What the factory at `module:factory` makes. Raises WeightsError where that is no `Embedder`."""
    made: Embedder = make_object(source, "embedder", NEEDED, WeightsError)
    return made
