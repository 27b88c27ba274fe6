"""The `artgen` command: subcommands, and errors as one line with the right exit status.

A subcommand's module is imported only when it is called or its help is asked for, and imports torch only when it works, so
`artgen --help` answers at once.
"""

from __future__ import annotations

import errno
import importlib
import os
import re
import sys
import traceback
from typing import Any

import typer
from typer.core import TyperGroup

from artgen import __version__
from artgen.engine.launch import share_cores_politely
from artgen.errors import ArtgenError, did_you_mean

# Newer releases of Typer carry Click inside, older ones import it; its exceptions are reached the same way in both.
ClickUsageError: Any = typer.BadParameter.__bases__[0]
ClickException: Any = ClickUsageError.__bases__[0]

COMMANDS = {
    "train": "Train a model on your work, into a run folder.",
    "sample": "Make new work with a trained run.",
    "harmonize": "Give a melody three more voices, or write a piece in four voices anew in part.",
    "style-transfer": "Make a picture in the style of others.",
    "interpolate": "Walk from sample to sample: a video, an animation, or frames.",
    "edit": "Change a picture, or a sample, with a trained run.",
    "evaluate": "Score a trained run, or a result of style transfer: quality, variety, and whether it copies.",
    "show": "Print how a file was made, or what a run is.",
    "reproduce": "Make a file again, byte for byte, from its recipe.",
    "families": "List the kinds of model there are.",
    "configs": "List the recipes that come with artgen, print or copy one.",
    "doctor": "Tell what this machine can do, and what to mend.",
}


class ReaderGone(Exception):
    """What a BrokenPipeError becomes, of which Click would make an exit status of 1."""


class Interrupted(Exception):
    """What a KeyboardInterrupt becomes, of which Typer would make an exit status without a word."""


class LazyGroup(TyperGroup):
    """Knows the subcommands by name, and imports one when it is needed. Lists them in the order of a first use."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f"artgen.cli.{name}")
        single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        single.command(cmd_name, cls=getattr(module, "Command", None))(getattr(module, name))
        return typer.main.get_command(single)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            ctx.fail(f"there is no command {args[0]!r}, {did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise ReaderGone from None
        except KeyboardInterrupt:
            raise Interrupted from None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


app = typer.Typer(cls=LazyGroup, no_args_is_help=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def _show_version(value: bool) -> None:
    if value:
        print(f"artgen {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Print the version."),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error. May stand anywhere."),
) -> None:
    """Train small generative models on your own art, and make new work with them."""
    if context.invoked_subcommand is None:
        print(context.get_help())


def main() -> None:
    """Runs the command line and exits: 0 done, 1 the work failed, 2 the call is wrong, 130 interrupted."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # a caller closed it, and wants to hear nothing
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (open as long as the process)
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    share_cores_politely()
    sys.exit(_run(arguments, debug))


def _run(arguments: list[str], debug: bool) -> int:
    try:
        result = app(args=arguments, prog_name="artgen", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except typer.Exit as stop:
        return stop.exit_code
    except ClickUsageError as error:
        return _say(_usage_line(error), 2)
    except ClickException as error:
        return _say(error.format_message(), 2)
    except (Interrupted, KeyboardInterrupt, typer.Abort):
        return _say("interrupted", 130)
    except (BrokenPipeError, ReaderGone):
        # The reader (such as `head`) has seen enough. Python would complain again when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # every mistake ends in one line; --debug shows where
        if debug:
            traceback.print_exc()
        return _say(*_explain(error))


def _explain(error: Exception) -> tuple[str, int]:
    """(line, exit status) of an error."""
    if isinstance(error, ArtgenError):
        return str(error), error.status
    first = (str(error).splitlines() or [""])[0]
    no_memory = "not enough memory" in first or "can't allocate memory" in first  # how torch says it, on one system or another
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or no_memory:
        smaller = "train.batch_size, model.context, model.d_model or --max-tokens (of pictures data.size or sample.batch)"
        return f"out of memory: a smaller {smaller} needs less, or a larger train.accumulate", 1
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EFBIG, errno.EDQUOT):
        return f"{error.filename or 'output'}: {os.strerror(error.errno)}", 1
    return f"internal error: {type(error).__name__}: {first}; run again with --debug for the traceback", 1


def _usage_line(error: Any) -> str:
    message = error.format_message()
    message = message[:1].lower() + message[1:].rstrip(".").replace("\n", " ")
    where = error.ctx.command_path if error.ctx else "artgen"
    if type(error).__name__ == "NoSuchOption" and error.ctx:
        options = ["--help", *(name for parameter in error.ctx.command.params for name in parameter.opts)]
        message = f"there is no option {error.option_name}, {did_you_mean(error.option_name, options)}"
    return f"{message}{_quote_the_glob(message)} ({where} --help tells more)"


def _quote_the_glob(message: str) -> str:
    """Advice where the arguments too many are files, as when the shell has put them for a glob."""
    extra = re.fullmatch(r"got unexpected extra argument(?:s|\(s\))? \((.*)\)", message)
    names = [extra[1], *extra[1].split()] if extra else []
    files = any(os.path.isfile(name) for name in names)
    return ": were they a glob? Quote it, as in --data '*.txt', or give --data before each" if files else ""


def _say(line: str, status: int) -> int:
    from artgen.engine.launch import global_rank

    if global_rank() == 0 or status == 1:
        print(f"artgen: {line}", file=sys.stderr, flush=True)
    return status
