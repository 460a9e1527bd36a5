"""Options of commands that work on a gallery store; which place is one is told without opening it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

ADDRESSES = ("postgresql://", "postgres://", "http://", "https://", "qdrant:")
FILE = "gallery.sqlite"
OPTIONS = (
    click.option("--camera", "cameras", multiple=True, help="Of a gallery: search this camera alone; may be repeated."),
    click.option(
        "--from", "since", metavar="TIME",
        help="Of a gallery: leave out what ended before, as 2026-11-30T09:15:00+01:00; without a zone local time.",
    ),
    click.option("--to", "until", metavar="TIME", help="Of a gallery: leave out what began later."),
    click.option("--max-matches", type=click.IntRange(1, 200), help="Of a gallery: appearances at most. [10]"),
    click.option(
        "--gap", type=click.FloatRange(0), metavar="SECONDS",
        help="Of a gallery: tracks of one camera within so many seconds are one appearance. [120]",
    ),
    click.option("--track", "tracks", multiple=True, help="Of a gallery: search by this track of it; may be repeated."),
    click.option(
        "--travel-times", type=click.Path(path_type=Path), metavar="CSV",
        help="Of a gallery: how long people take between cameras, with the columns from, to, least, usual, most.",
    ),
    click.option("--case", "case_name", metavar="NAME", help="Of a gallery: keep the search under this name, or repeat "
                 "the one that is kept, with all that was confirmed and rejected."),
    click.option("--by", metavar="WHO", help="Of a gallery: who asks. [the name of your account]"),
    click.option("--why", help="Of a gallery: the purpose; it is kept in the case and in the audit log."),
    click.option("--records", help="Of a gallery in Qdrant: folder or database with its cases. [the gallery]"),
)  # fmt: skip
NAMES = (
    "cameras", "since", "until", "max_matches", "gap", "tracks", "travel_times", "case_name", "by", "why", "records",
)  # fmt: skip
NOT_HERE = {
    "k": "--k: say --max-matches",
    "only": "--only",
    "describe": "--describe",
    "pattern": "--pattern: cameras and times are kept in the gallery",
    "fold": "--no-fold: crops are tracks already",
    "claim_check": "--no-claim-check",
    "reranker": "--reranker: the inference profile decides the order",
}
"""What means nothing in a search of a gallery, by the name of the parameter."""


class GalleryPlace(click.Path):
    """A path; the address of a database stays the text that it is, for a path would lose one of its slashes."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The address, or the path."""
        if isinstance(value, str) and value.startswith(ADDRESSES):
            return value
        return super().convert(value, param, ctx)


def gallery_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that adds the options of a search of a gallery to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def is_gallery(place: str | Path) -> bool:
    """Whether a place is a gallery store: the address of a database, or a folder that holds one."""
    return str(place).startswith(ADDRESSES) or (Path(place) / FILE).is_file()


def given(context: click.Context, name: str) -> bool:
    """Whether an option was typed."""
    return context.get_parameter_source(name) is not ParameterSource.DEFAULT


def gallery_option(context: click.Context) -> str:
    """The first option that was typed and that only a gallery has; empty where there is none."""
    typed = (each for each in context.command.params if each.name in NAMES and given(context, each.name))
    return next((each.opts[0] for each in typed), "")


def refuse_gallery_options(context: click.Context) -> None:
    """Raise click.UsageError where a folder of crops is searched with an option that only a gallery has."""
    if option := gallery_option(context):
        raise click.UsageError(
            f"{option} belongs to the search of a gallery (a folder that reidr index has filled, or the address of its "
            "database), and --in names none; folders of crops know no tracks and no cases",
            context,
        )


def check_gallery(context: click.Context) -> None:
    """Raise click.UsageError where the search of a gallery is asked for something that it has not, or for nobody."""
    if not context.params["galleries"]:
        raise click.MissingParameter("It names the gallery.", context, param_hint="'--in'", param_type="option")
    if len(context.params["galleries"]) > 1:
        raise click.UsageError("a gallery is searched alone; give --in once", context)
    for name, words in NOT_HERE.items():
        if given(context, name):
            raise click.UsageError(f"a search of a gallery has no {words}", context)
    someone = context.params["people"] or context.params["tracks"] or context.params["wearing"] is not None
    if not someone and context.params["case_name"] is None:
        raise click.MissingParameter(
            "Give a picture of the person, a track with --track, words with --words, or a kept search with --case.",
            context,
            param_hint="'PERSON...'",
            param_type="argument",
        )
    if context.params["overwrite"] and context.params["folder"] is None:
        raise click.UsageError("--overwrite belongs to --run: without --run every search gets a folder of its own")
