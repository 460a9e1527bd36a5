"""Cutting work into chunks of rows of like length that fit the memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

Asked = tuple[str, str, int]
"""One prompt: digests of person A's and person B's picture, and a number that distinguishes repeated samples."""


def chunks(
    todo: Sequence[Asked], shapes: Mapping[str, tuple[float, float]], batch_size: int, *, shareable: bool
) -> Iterator[tuple[list[Asked], bool]]:
    """Batches of prompts of like length, and whether those of a batch begin with pictures that repeat.

    Prompts whose first picture no other prompt begins with come last, by themselves: sharing would cost them a second
    pass and save nothing.
    """
    groups: dict[str, list[Asked]] = {}
    for one in todo:
        groups.setdefault(one[0], []).append(one)
    together: list[Asked] = []
    alone: list[Asked] = []
    for group in sorted(groups.values(), key=lambda group: shapes[group[0][0]]):
        group.sort(key=lambda one: shapes[one[1]])
        (together if shareable and len(group) > 1 else alone).extend(group)
    alone.sort(key=lambda one: (shapes[one[0]], shapes[one[1]]))
    for rows, shared in ((together, True), (alone, False)):
        for start in range(0, len(rows), batch_size):
            yield rows[start : start + batch_size], shared
