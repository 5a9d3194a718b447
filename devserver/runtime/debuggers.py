"""What is known of debuggers that run in this process; none is imported here."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

_PROMPTS = frozenset({"interaction", "do_wait_suspend"})
"""Functions in which debuggers wait for their user."""
_DEBUGGERS = frozenset({"pdb", "pdbpp", "IPython", "pudb", "pydevd", "_pydevd_bundle"})


def at_prompt(trace: TracebackType | None) -> bool:
    """True when the code at the end of `trace` is stopped and a developer looks at it."""
    return any(
        frame.f_code.co_name in _PROMPTS
        and str(frame.f_globals.get("__name__", "")).partition(".")[0] in _DEBUGGERS
        for frame, _ in traceback.walk_tb(trace)
    )


def any_debugger() -> bool:
    """False as long as no debugger has been imported: what is asked first, as it costs nothing."""
    return "bdb" in sys.modules or "pydevd" in sys.modules


@contextmanager
def undebugged() -> Iterator[None]:
    """A process that this thread starts in the block is not taken over by debugpy: our own have
    one thread and nothing to look at."""
    pydevd = sys.modules.get("pydevd")
    skip = getattr(pydevd, "skip_subprocess_arg_patch", None)
    if skip is None:
        yield
    else:
        with skip():
            yield
