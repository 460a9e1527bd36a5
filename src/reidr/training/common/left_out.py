"""What the loaders left out of training data is said once, on the terminal, as it is in an evaluation."""

from __future__ import annotations

from collections.abc import Iterable

import click

from reidr.data.types import ReIDDataset

_said: set[str] = set()  # stages of one run load the same data sets several times


def say_left_out(datasets: Iterable[ReIDDataset]) -> None:
    """Print to stderr what is grave in the notes of data sets, each sentence once in a process."""
    for dataset in datasets:
        for note in dataset.notes:
            sentence = f"{dataset.name}: {note}"
            if note.level != "info" and sentence not in _said:
                _said.add(sentence)
                click.echo(sentence, err=True)
