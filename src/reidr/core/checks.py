"""Arguments looked at where they enter: every function that takes numbers says what is wrong with them in one sentence.

NumPy alone. A check returns the argument as the caller needs it and raises ReIDError with the argument's name in the
sentence. Lists, NumPy arrays and torch tensors (of any dtype and device, with a gradient or not) are all taken; torch
is never imported for that.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import index
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reidr.errors import ReIDError

Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]
Shape = tuple[int | None, ...]
"""None stands for any length."""


def as_array(values: Any, name: str, *, truths: bool = False) -> NDArray[Any]:
    """Real numbers as an array of their own dtype; with `truths` True and False are taken for 1 and 0.

    Raises ReIDError for rows of unequal length, masked values, and anything that is no number: text, None, objects,
    complex numbers, truth values.
    """
    array = plain_array(values, name)
    if truths and array.dtype == np.bool_:
        array = array.astype(np.float64)
    if array.dtype.kind not in "iuf":
        if array.size or array.dtype.kind not in "bO":
            raise ReIDError(f"{name} must be real numbers, not {_kind_of(array)}")
        array = array.astype(np.float64)
    return array


def plain_array(values: Any, name: str) -> NDArray[Any]:
    """`values` as an array, whatever it holds. Raises ReIDError for rows of unequal length and masked values."""
    if isinstance(values, np.ndarray):
        if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
            raise ReIDError(f"{name} has masked values; fill them or leave their rows out")
        return np.asarray(values)
    try:
        if _is_tensor(values):
            return _from_tensor(values)
        if isinstance(values, list | tuple):
            values = _without_tensors(values)
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        ragged = "inhomogeneous" in str(error) or "sequence" in str(error)
        what = "its rows have different lengths" if ragged else str(error)
        raise ReIDError(f"{name} cannot be read as an array of numbers: {what}") from None


def real_array(values: Any, name: str, shape: Shape, *, nan: bool = False, infinite: bool = False) -> Reals:
    """(…) float64. Raises ReIDError as `as_array`, for another shape, and (unless allowed) for NaN and infinity."""
    array = np.asarray(as_array(values, name), dtype=np.float64)
    check_shape(array, name, shape)
    bad = np.zeros(array.shape, dtype=bool)
    if not nan:
        bad |= np.isnan(array)
    if not infinite:
        bad |= np.isinf(array)
    if bad.any():
        place = np.argwhere(bad)[0].tolist()
        raise ReIDError(f"{name}: {_at(place)} is {_spell(array[tuple(place)])}; every value must be a finite number")
    return array


def check_shape(array: NDArray[Any], name: str, shape: Shape) -> None:
    """Raises ReIDError unless `array` has the shape, saying so where it is merely transposed."""
    fits = array.ndim == len(shape) and all(
        wanted in (None, found) for wanted, found in zip(shape, array.shape, strict=True)
    )
    if fits:
        return
    words = ", ".join("any" if length is None else str(length) for length in shape) + ("," if len(shape) == 1 else "")
    raise ReIDError(f"{name} must have the shape ({words}), not {array.shape}{_transposed(array.shape, shape)}")


def flag_array(values: Any, name: str, shape: Shape) -> Flags:
    """(…) truth values, given as such or as 0 and 1. Raises ReIDError for another shape and anything else."""
    array = plain_array(values, name)
    check_shape(array, name, shape)
    if array.dtype.kind == "O" and all(isinstance(item, bool | np.bool_ | int) for item in array.flat):
        array = array.astype(np.float64)  # a column of a table that once had gaps
    if array.dtype != np.bool_:
        if array.size and array.dtype.kind not in "iuf":
            raise ReIDError(f"{name} must be True or False, not {_kind_of(array)}")
        wrong = (array != 0) & (array != 1) if array.size else np.zeros(array.shape, dtype=bool)
        if wrong.any():
            place = np.argwhere(wrong)[0].tolist()
            raise ReIDError(f"{name}: {_at(place)} is {_spell(array[tuple(place)])}; say True or False (1 or 0)")
    return np.asarray(array, dtype=bool)


def mask_rows(mask: Any, name: str, rows: int, columns: int) -> Callable[[slice], Flags]:
    """A function of a slice of rows, from such a function or from a (rows, columns) bool mask.

    Raises ReIDError for another shape or dtype, of the mask now and of what the function gives when it is called.
    """
    if not callable(mask):
        whole = plain_array(mask, name)
        _check_mask(whole, name, rows, columns)
        return whole.__getitem__
    give = mask

    def checked(part: slice) -> Flags:
        found = plain_array(give(part), name)
        _check_mask(found, name, len(range(*part.indices(rows))), columns)
        return found

    return checked


def whole_number(value: Any, name: str, *, least: int | None = None, most: int | None = None) -> int:
    """An int, NumPy's among them. Raises ReIDError for truth values, fractions, text, and values out of range."""
    limits = f" of at least {least}" if least is not None else ""
    if most is not None:
        limits = f" from {least} to {most}"
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        number = index(value)
    except TypeError:
        raise ReIDError(f"{name} is {_spell(value)}; it must be a whole number{limits}") from None
    if (least is not None and number < least) or (most is not None and number > most):
        raise ReIDError(f"{name} is {number}; it must be a whole number{limits}")
    return number


def real_number(
    value: Any, name: str, *, least: float = -np.inf, most: float = np.inf, inside: bool = False, infinite: bool = False
) -> float:
    """A float within [least, most], or (least, most) where it must lie `inside`.

    Raises ReIDError for NaN, truth values, text, arrays, infinity unless allowed, and values out of range.
    """
    bounded = np.isfinite(least) or np.isfinite(most)
    limits = f" of at least {least:g}" if np.isfinite(least) else ""
    if np.isfinite(most):
        limits = f" between {least:g} and {most:g}, both left out" if inside else f" within [{least:g}, {most:g}]"
    number = _as_float(value)
    finite = number is not None and not np.isnan(number) and (infinite or not np.isinf(number))
    if number is None or not finite:
        raise ReIDError(f"{name} is {_spell(value)}; it must be a number{limits}")
    if not (least < number < most if inside and bounded else least <= number <= most):
        raise ReIDError(f"{name} is {number:g}; it must be a number{limits}")
    return number


def one_of(value: Any, name: str, choices: tuple[str, ...]) -> None:
    """Raises ReIDError unless `value` is one of the words."""
    if not isinstance(value, str) or value not in choices:
        *others, last = (f'"{choice}"' for choice in choices)
        raise ReIDError(f"{name} is {_spell(value)}; say {', '.join(others)} or {last}")


def group_numbers(groups: Any, name: str, number: int | None = None) -> tuple[NDArray[np.int64], int]:
    """(N,) each row's group as a number, in the order of the sorted labels; and how many groups there are.

    Raises ReIDError for labels that are unknown (None, NaN), of mixed kinds, or (unless None) not `number` of them.
    """
    if not isinstance(groups, np.ndarray) and not _is_tensor(groups):
        groups = one_list(groups, name)
        kinds = set()
        for place, label in enumerate(groups):
            kinds.add(_label_kind(label, name, place))
        if len(kinds) > 1:
            raise ReIDError(f"{name} are numbers and text in one list; use one kind for all")
    labels = plain_array(groups, name)
    if labels.dtype.kind == "f" and isinstance(groups, list):
        labels = np.array([_plain_number(label) for label in groups], dtype=object)  # floats skip large whole numbers
    if labels.ndim != 1 or number not in (None, len(labels)):
        raise ReIDError(f"{labels.shape} {name} do not fit ({'any' if number is None else number},) values")
    if labels.dtype.kind == "O":
        if len({_label_kind(label, name, place) for place, label in enumerate(labels.tolist())}) > 1:
            raise ReIDError(f"{name} are numbers and text in one list; use one kind for all")
    elif labels.size and labels.dtype.kind not in "iufU":
        raise ReIDError(f"{name} must be numbers or text, not {_kind_of(labels)}")
    elif labels.dtype.kind == "f" and not np.isfinite(labels).all():
        place = int(np.argmin(np.isfinite(labels)))
        raise ReIDError(f"{name}: label {place} is {_spell(labels[place])}; every row needs a group")
    names, places = np.unique(labels, return_inverse=True)
    return np.asarray(places, dtype=np.int64), len(names)


def one_list(values: Any, name: str) -> list[Any]:
    """The items of any sequence. Raises ReIDError for None, a single text, a single value."""
    if values is None or isinstance(values, str | bytes | dict | set | frozenset):
        raise ReIDError(f"{name} must be a list, not {_spell(values)}")
    try:
        return list(values)
    except TypeError:
        raise ReIDError(f"{name} must be a list, not {_spell(values)}") from None


def instance_of(value: Any, kind: type, name: str) -> None:
    """Raises ReIDError unless `value` is one of `kind`."""
    if not isinstance(value, kind):
        raise ReIDError(f"{name} must be a {kind.__name__}, not {type(value).__name__}")


def _plain_number(label: Any) -> int | float:
    """A number as Python's own: a whole one exactly, whatever its size."""
    try:
        return index(label)
    except TypeError:
        return float(label)


def _label_kind(label: Any, name: str, place: int) -> str:
    if isinstance(label, str):
        return "text"
    if label is not None and not isinstance(label, bool | np.bool_):
        number = _as_float(label)
        if number is not None and np.isfinite(number):
            return "number"
    raise ReIDError(f"{name}: label {place} is {_spell(label)}; labels are numbers or text, and every row needs one")


def _as_float(value: Any) -> float | None:
    """The value as a float, None where it is no number."""
    if value is None or isinstance(value, bool | np.bool_ | str | bytes | list | tuple | dict | set):
        return None
    if getattr(value, "ndim", 0):
        return None
    try:
        # A gradient has nothing to do with a value that is only read; torch warns of it.
        return float(value.detach() if _is_tensor(value) else value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None


def _check_mask(mask: NDArray[Any], name: str, rows: int, columns: int) -> None:
    if mask.shape != (rows, columns) or mask.dtype != np.bool_:
        hint = _transposed(mask.shape, (rows, columns))
        raise ReIDError(f"{name} must be ({rows}, {columns}) bool, not {mask.shape} {mask.dtype}{hint}")


def _is_tensor(values: Any) -> bool:
    return hasattr(values, "detach") and hasattr(values, "cpu") and hasattr(values, "numpy")


def _without_tensors(values: list[Any] | tuple[Any, ...]) -> list[Any] | tuple[Any, ...]:
    """The same with arrays for tensors, however deep they lie; lists of plain numbers are not copied."""
    if not values or not (_is_tensor(values[0]) or isinstance(values[0], list | tuple)):
        return [_from_tensor(v) if _is_tensor(v) else v for v in values] if any(map(_is_tensor, values)) else values
    return [
        _from_tensor(value) if _is_tensor(value)
        else _without_tensors(value) if isinstance(value, list | tuple) else value
        for value in values
    ]  # fmt: skip


def _from_tensor(tensor: Any) -> NDArray[Any]:
    """A tensor's numbers, without its gradient and on the CPU; single precision where NumPy lacks the dtype."""
    tensor = tensor.detach().cpu()
    try:
        return np.asarray(tensor.numpy())
    except TypeError:  # bfloat16 and the 8-bit floats, all of which single precision holds exactly
        return np.asarray(tensor.float().numpy())


def _transposed(found: tuple[int, ...], wanted: Shape) -> str:
    turned = found[::-1]
    fits = len(turned) == len(wanted) == 2 and all(w in (None, t) for w, t in zip(wanted, turned, strict=True))
    return "; it is transposed" if fits and None not in wanted else ""


def _at(place: list[int]) -> str:
    return f"value {place[0] if len(place) == 1 else tuple(place)}" if place else "it"


def _spell(value: Any) -> str:
    """A value as it should stand in a sentence: short, and NaN by its usual name."""
    if isinstance(value, float | np.floating) and np.isnan(value):
        return "NaN"
    if isinstance(value, np.generic):
        value = value.item()
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _kind_of(array: NDArray[Any]) -> str:
    words = {"b": "truth values", "O": "objects", "U": "text", "S": "bytes", "c": "complex numbers"}
    if array.dtype.kind == "O" and any(item is None for item in array.reshape(-1)[:1000]):
        return "objects (None among them)"
    return words.get(array.dtype.kind, str(array.dtype))


__all__ = [
    "ArrayLike", "as_array", "check_shape", "flag_array", "group_numbers", "instance_of", "mask_rows", "one_list",
    "one_of", "plain_array", "real_array", "real_number", "whole_number",
]  # fmt: skip
