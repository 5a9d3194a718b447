"""The root of all commands, and how a run ends."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
import threading
from collections.abc import Sequence

import click

from devserver.cli.commands import Group, Invocation, examples
from devserver.cli.failures import ExitCode, report, report_error
from devserver.cli.program import program_name, version
from devserver.core.errors import DevServerError

_ENDING = 2.0
"""Seconds that threads of plugins get to end after the last word."""

_EXAMPLES = ("dev server --hot-reload", "plugins list", "dev plugin validate --all")
_COMPLETION = """

\b
Shell completion (bash; zsh and fish alike):
  eval "$(_SYSCTL_COMPLETE=bash_source sysctl)"
"""


def _show_version(ctx: click.Context, _option: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"sysctl dev server {version()}")
        ctx.exit()


@click.group(
    cls=Group,
    lazy={
        "database": "devserver.cli.database:database",
        "dev": "devserver.cli.dev:dev",
        "doctor": "devserver.cli.doctor.command:doctor",
        "plugins": "devserver.cli.plugins:plugins",
        "plugin": "devserver.cli.plugins:plugins",
        "instances": "devserver.cli.instances:instances",
        "start": "devserver.cli.start:start",
    },
    hidden=("plugin",),
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    epilog=examples(*_EXAMPLES) + _COMPLETION,
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
@click.option("--dev-mode", is_flag=True, help="With `start`: reload what is saved.")
@click.pass_context
def root(ctx: click.Context, *, dev_mode: bool) -> None:
    """A dev server that reloads plugins as you save them.

    A call in the form of the kernel's sysctl (-a, -w, a.b.c, a.b=c, ...) runs that program.
    """
    if dev_mode and ctx.invoked_subcommand != "start":
        raise click.UsageError("--dev-mode is for `start`", ctx)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    ctx.ensure_object(Invocation).dev_mode = dev_mode


def run(arguments: Sequence[str]) -> int:
    """Runs a command; every failure becomes a message and an exit code."""
    as_json = _asks_for_json(arguments)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = _run(list(arguments), as_json=as_json)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`); the interpreter's own flush would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.FAILED
    return int(code)


def _asks_for_json(arguments: Sequence[str]) -> bool:
    """Known before the arguments are understood: a mistake in them is told as JSON too."""
    pairs = itertools.pairwise(arguments)
    return "--json" in arguments or "--format=json" in arguments or ("--format", "json") in pairs


def _run(arguments: list[str], *, as_json: bool) -> int:
    try:
        answer = root.main(arguments, prog_name=program_name(), standalone_mode=False)
        return answer if isinstance(answer, int) else ExitCode.OK
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return ExitCode.USAGE
    except click.UsageError as error:
        _report_usage(error, as_json=as_json)
        return ExitCode.USAGE
    except click.ClickException as error:
        report(error.format_message(), None, as_json=as_json)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except DevServerError as error:
        return report_error(error, as_json=as_json)
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        report(f"{where}{error.strerror or error}", None, as_json=as_json)
        return ExitCode.FAILED


def _report_usage(error: click.UsageError, *, as_json: bool) -> None:
    hint = None
    if error.ctx is not None:
        click.echo(error.ctx.get_usage(), err=True)
        hint = f"`{error.ctx.command_path} --help` shows how it is used"
    report(error.format_message(), hint, as_json=as_json)


def end_process(code: int) -> int:
    """Gives `code` back, and sees to it that the process ends with it even where a plugin left a
    thread behind that never does."""
    if threading.active_count() > 1:
        # From here on Ctrl-C ends the process instead of raising into the interpreter's own end.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        timer = threading.Timer(_ENDING, os._exit, (code,))
        timer.daemon = True
        timer.start()
    return code
