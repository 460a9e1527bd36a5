"""What all commands are made of: an option given twice is never half obeyed, and options of recipes come late."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from reidr.core.process.several import refuse_to_share


def refuse_repeats(command: click.Command, context: click.Context, args: list[str]) -> None:
    """Raise UsageError where an option that has one value is given more than once: click would keep the last alone; and
    where an argument is empty: as a path that would be the current folder.

    Options that may be repeated (`multiple`) or counted are left alone.
    """
    empty = next(
        (each for each in args if not each or (each.startswith("--") and each.find("=") == len(each) - 1)), None
    )
    if empty is not None:
        what = f"{empty} has no value" if empty else "one of the arguments is empty"
        raise click.UsageError(f"{what} (a shell variable that is not set?); leave it out or fill it in", context)
    # What cannot be parsed is said by the parsing that follows, in click's own words.
    if context.resilient_parsing:
        return
    _, _, order = command.make_parser(context).parse_args(args=list(args))
    for parameter, times in Counter(order).items():
        if not isinstance(parameter, click.Option) or parameter.is_eager:
            continue
        if times > 1 and not (parameter.multiple or parameter.count):
            raise click.UsageError(
                f"{' / '.join((*parameter.opts, *parameter.secondary_opts))} is given {times} times; give it once",
                context,
            )


class Command(click.Command):
    """A command of `reidr`. Options that `options.recipe_options` promised are made when somebody looks at them."""

    def get_params(self, context: click.Context) -> list[click.Parameter]:
        make = getattr(self.callback, "late_options", None)
        if make is not None and not getattr(self, "_complete", False):
            self._complete = True
            self.params += make()
        return super().get_params(context)

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        for parameter in self.get_params(context):
            if isinstance(parameter.type, click.Path):
                # Whoever reads a file says in one sentence why that is impossible; click would call it a wrong option.
                parameter.type.readable = False
        if args or not self.no_args_is_help:
            refuse_repeats(self, context, args)
        return super().parse_args(context, args)

    def invoke(self, context: click.Context) -> Any:
        refuse_to_share(name_of(context))
        return super().invoke(context)


def name_of(context: click.Context) -> str:
    """A command by its words: "train rl"."""
    words: list[str] = []
    at: click.Context | None = context
    while at is not None and at.parent is not None:
        words.insert(0, str(at.info_name))
        at = at.parent
    return " ".join(words)


class Group(click.Group):
    """A command with commands below it, all of them ours."""

    command_class = Command

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        if args or not self.no_args_is_help:
            refuse_repeats(self, context, args)
        return super().parse_args(context, args)
