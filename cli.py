"""The `posebench` command line: commands by group, and user errors as one line each."""

from __future__ import annotations

import os
import sys

import typer

from .commands import (
    agree,
    audit,
    breakeven,
    check,
    choose,
    compare,
    counts,
    cuda,
    data,
    evaluate,
    explain,
    export,
    gate,
    measure,
    merge,
    paper,
    predict,
    search,
    status,
    sweep,
    train,
    weights,
)

#: of the click that typer uses, which may be a copy of its own
UsageError = typer.BadParameter.__base__

TRACEBACK = "POSEBENCH_TRACEBACK"
LONGEST_LINE = 2000  # characters of an error, which may quote what was given

HELP = """
What masking tokens costs a pose transformer, and what it really saves.

Start with  posebench sweep --mask semantic --ratios 0.2,0.4,0.6  : it renders a data set, trains, evaluates and
profiles masked and unmasked models, and writes a page about it.
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False)


def _version(show: bool) -> None:
    if show:
        from . import __version__

        typer.echo(f"posebench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="show the version"),
) -> None:
    pass


GROUPS = (
    sweep, choose, compare, paper, agree, status, merge, counts, search, measure, breakeven, cuda, explain, check, gate,
    audit, train, evaluate, predict, export, data, weights,
)  # fmt: skip
for group in GROUPS:
    group.register(app)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 a check or a cell failed, 2 wrong input."""
    from .pose.errors import InputError, NumericalError, ProcessLost, is_shortage

    try:
        _refuse_empty(sys.argv[1:])
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except UsageError as error:
        if type(error).__name__ != "NoArgsIsHelpError":  # which has shown the help
            _fail(error.format_message(), 2)
        code = 2
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(1) from None
    except InputError as error:
        _fail(error, 2)
    except OSError as error:  # a full disk, say, while standard output goes to a file
        _fail(f"{error.filename or 'the output'}: {error.strerror or error}", 2)
    except (NumericalError, ProcessLost) as error:
        _fail(error, 1)
    except (MemoryError, RuntimeError, ImportError) as error:
        if not is_shortage(error):
            _fail_lost_loader(error)
            _fail_undetermined(error)
            _fail_at_own_place(error)
            raise
        said = " ".join(str(error).split())[-120:] or type(error).__name__
        _fail(f"not enough memory ({said}); give smaller batches or sizes, or fewer processes", 2)
    except (Exception, SystemExit) as error:  # whatever a user's module raises while it runs
        _fail_at_own_place(error)
        raise
    if code:
        raise SystemExit(code)


def _fail_at_own_place(error: BaseException) -> None:
    """One line where an error comes out of a user's own code. POSEBENCH_TRACEBACK=1 shows the way there."""
    from .pose.plugins import place_of

    place = place_of(error)
    if place and not os.environ.get(TRACEBACK):
        hint = f"raised by code of yours; {TRACEBACK}=1 shows the way there"
        _fail(f"{place}: {type(error).__name__}: {error} ({hint})", 2)


def _fail_lost_loader(error: Exception) -> None:
    """One line where a process that loads images has ended."""
    from .pose.errors import lost_loader

    if lost := lost_loader(error):
        _fail(f"{lost} It loads images (out of memory?): give fewer --workers; --resume goes on with a training", 1)


def _fail_undetermined(error: Exception) -> None:
    """One line where --deterministic has found an operator that cannot be."""
    from .pose.errors import undetermined

    if operator := undetermined(error):
        _fail(f"--deterministic: {operator} has no deterministic algorithm on this device; leave the option out", 2)


def _refuse_empty(arguments: list[str]) -> None:
    """No empty value means anything here: it is a shell variable that is not set."""
    from .pose.errors import InputError

    for before, argument in zip(["", *arguments], arguments, strict=False):
        name = argument.removesuffix("=")
        if not argument or (argument.startswith("--") and name != argument):
            option = name or before
            raise InputError(f"{option if option.startswith('-') else 'an argument'} is empty: give a value")


def _fail(error: Exception | str, code: int) -> None:
    line = " ".join(str(error).split())
    line = line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE // 2]} ... {line[-LONGEST_LINE // 2 :]}"
    print(f"posebench: error: {line}", file=sys.stderr)
    raise SystemExit(code) from None
