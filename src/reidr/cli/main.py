"""The command `reidr`: one module per command, imported only when that command runs."""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module

import click

from reidr.cli.command import Group
from reidr.core.process.memory import keep_freed_memory
from reidr.core.process.several import is_first, keep_quiet, may_speak
from reidr.core.process.signals import interrupt_when_told, nothing_is_left_to_do, say_farewell, was_interrupted
from reidr.errors import ReIDError

COMMANDS = {
    "demo": "Render a street of drawn people, search it and write a report.",
    "find": "Find a person in a folder of crops or a gallery, with reasons.",
    "case": "Show, decide about and export searches of a gallery that were kept.",
    "index": "Find the people in videos and put them into a gallery.",
    "gallery": "Look at a gallery, index it, or move it to another database or model.",
    "validate": "Check a data set: files, names, identities, cameras, splits.",
    "plan": "Say what a training needs: data, pairs, GPU memory, hours, disk.",
    "train": "Train the retriever and, stage by stage, the reasoner.",
    "pairs": "Choose hard pairs of crops to train the reasoner on.",
    "sample": "Keep the pairs that the reasoner answers neither always nor never rightly.",
    "merge": "Merge LoRA weights into a copy of the checkpoint that they belong to.",
    "evaluate": "Measure retriever, re-rankers and reasoner on a data set.",
    "compare": "Compare result files: differences, intervals and tests.",
    "report": "Write the HTML report of a finished run again, without measuring.",
    "serve": "Serve a gallery: a page to find people on, and an HTTP API.",
    "bulk": "Embed and compare very many crops, on many cores or a Ray cluster.",
    "notify": "Tell other programs of matches, by webhook or MQTT.",
    "export-onnx": "Write a retriever or a vision encoder as an ONNX file.",
    "serve-model": "Serve a reasoner over an OpenAI-compatible API.",
    "inventory": "List stored data about people: embeddings, scores, reports.",
    "forget": "Remove stored data about given crops, with a receipt.",
    "keys": "Make, list and revoke keys with which a gallery is used over the network.",
    "audit": "Read, check and export the audit log of a gallery.",
    "retention": "Say how long crops of a camera are kept; erase older ones.",
    "erase": "Erase people from a gallery with all that is kept of them, with a receipt.",
    "doctor": "Say what is installed, what is missing and how fast this machine is.",
}


class LazyCommands(Group):
    """Lists every command from a table, so that `reidr --help` never imports torch."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"reidr.cli.{name.replace('-', '_')}").command
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"no command {args[0]!r}; there are: {', '.join(COMMANDS)}", context)
        return super().resolve_command(context, args)


def set_threads() -> None:
    """Thread settings that must be in place before torch is imported.

    With several OpenMP threads on a busy machine the default active waiting costs 10-20x; passive waiting does not.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("KMP_BLOCKTIME", "0")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


@click.command(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="reidr", prog_name="reidr")
def reidr() -> None:
    """ReID-R finds a person again in another camera and writes what it compared.

    Start with `reidr demo`, then `reidr find PERSON.jpg --in FOLDER`.
    """


def main() -> None:
    """Entry point: errors made for people are printed as one sentence, Ctrl-C leaves a resumable run."""
    set_threads()
    # Newer transformers say so in the midst of a run; the new name is not known to the oldest that we support.
    warnings.filterwarnings("ignore", "`past_key_values` is deprecated", FutureWarning)
    keep_freed_memory()
    try:
        keep_quiet()
        if is_first():  # of several the others have begun nothing before they meet, and end without a word until then
            interrupt_when_told()
        reidr(standalone_mode=False)
        nothing_is_left_to_do()
    except SystemExit as end:
        if not end.code:
            nothing_is_left_to_do()
        raise
    except ReIDError as error:
        if may_speak():
            say_error(str(error))
        sys.exit(1)
    except click.ClickException as error:
        if may_speak():
            error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(say_farewell())
    except BrokenPipeError:
        # The reader (`| head`) has gone: nothing is left to say, and Python must not try to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:  # of the system below us: a folder that was removed under us, a name that is too long
        if was_interrupted():
            sys.exit(say_farewell())
        place = f"{error.filename}: " if error.filename else ""
        say_error(
            f"{place}{error.strerror or error}; check that path, its rights, and that the current folder is there"
        )
        sys.exit(1)
    except Exception:  # an import that a signal has cut off ends in any of them
        if not was_interrupted():
            raise
        sys.exit(say_farewell())


def say_error(sentence: str) -> None:
    """One sentence to stderr. Names in it may come from anybody: what would move a terminal is escaped."""
    from reidr.core.text import shown_lines

    click.echo(f"reidr: {shown_lines(sentence)}", err=True)


if __name__ == "__main__":
    main()
