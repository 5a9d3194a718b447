"""Runs a plugin's command, and tells what it takes."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from devserver.core.errors import PermissionDenied, PluginHookFailed
from devserver.runtime.arguments import BadArguments, described, fitted
from devserver.runtime.generation import Command, Counters
from devserver.runtime.limited import LimitedWork
from devserver.runtime.loop import PluginLoop

_log = logging.getLogger("devserver.plugins")
_TO_DESCRIBE = 2.0  # seconds


def run_command(
    command: Command,
    arguments: Mapping[str, Any],
    loop: PluginLoop,
    *,
    plugin: str,
    counters: Counters,
    caller_left: Callable[[], bool],
) -> Any:
    """What the command returns; a coroutine is awaited on the plugin loop. Arguments are turned
    into what the signature is annotated with.

    Raises BadArguments, whatever the command raises, or PluginHookFailed: for one that tried to
    end the process, and for one that was ended because its caller had left.
    """

    def run() -> Any:
        fit = fitted(command.name, command.function, arguments)
        return command.function(*fit.args, **fit.kwargs)

    # It may take as long as whoever asked for it waits.
    work = LimitedWork(loop, f"command-{plugin}.{command.name}", gives_up=caller_left)
    try:
        return work.call(run, plugin=plugin, label=f"command {command.name}", timeout=math.inf)
    except PluginHookFailed as failure:
        cause = failure.__cause__
        counters.errors += not isinstance(cause, (BadArguments, PermissionDenied))
        if isinstance(cause, Exception):
            raise cause from None
        if failure.code == "RUN002" and caller_left():
            failure = _ended(command, plugin)
            _log.warning(failure.message)
            raise failure from cause
        raise
    finally:
        work.close()


def _ended(command: Command, plugin: str) -> PluginHookFailed:
    return PluginHookFailed(
        f"command {command.name!r} of {plugin!r} was ended: whoever asked for it has left",
        plugin=plugin,
        hook=f"command {command.name}",
        code="RUN002",
    )


def describe_command(command: Command, loop: PluginLoop, *, plugin: str) -> dict[str, Any]:
    """`{name, help, parameters}`, with `described` for the two; `problem` says why it cannot be
    told what the command takes."""
    work = LimitedWork(loop, f"command-{plugin}.{command.name}")
    try:
        label = f"signature of {command.name}"
        told = work.call(
            described, command.function, plugin=plugin, label=label, timeout=_TO_DESCRIBE
        )
    except PluginHookFailed as failure:
        return {
            "name": command.name,
            "help": command.help,
            "parameters": [],
            "problem": failure.message,
        }
    finally:
        work.close()
    written = told["help"].startswith(command.help)  # then that is the first line of it
    return {"name": command.name, **told, "help": told["help"] if written else command.help}
