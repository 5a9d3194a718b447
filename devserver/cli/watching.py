"""Does something now and after every change of a project, until a signal ends it."""

from __future__ import annotations

import contextlib
import queue
import sys
from collections.abc import Callable, Sequence

from devserver.cli.failures import ExitCode, report
from devserver.cli.signals import StopSignals
from devserver.core.changes import ChangeBatch
from devserver.core.errors import DevServerError, PluginNotFound
from devserver.core.settings import Settings
from devserver.reload.watcher import Watcher
from devserver.runtime.project import Project
from devserver.runtime.settings_file import read_settings

_Waiting = queue.SimpleQueue[ChangeBatch | None]


def watch_project(
    project: Project,
    first: Callable[[], object],
    again: Callable[[ChangeBatch], object],
    *,
    further: Sequence[str] = (),
) -> ExitCode:
    """Calls `first()`, and `again(batch)` after every batch of changes to what the settings watch
    and to the `further` patterns. What `first` raises ends it; what `again` raises is told, if it
    is a DevServerError."""
    waiting: _Waiting = queue.SimpleQueue()

    def on_signal(_number: int, count: int) -> None:
        if count > 1:
            raise KeyboardInterrupt
        waiting.put(None)

    def on_problem(message: str, hint: str | None) -> None:
        print(f"warning: {message}" + (f"\nhint: {hint}" if hint else ""), file=sys.stderr)

    settings = read_settings(project.root)[0] or Settings()
    watch = settings.watch.model_copy(update={"patterns": [*settings.watch.patterns, *further]})
    watcher = Watcher(project.root, watch, on_batch=waiting.put, on_problem=on_problem)
    with StopSignals(on_signal) as signals:
        # The watch begins first: what is saved during the first run is not missed.
        watcher.start()
        try:
            first()
            while (batch := _next(waiting)) is not None:
                _call(again, batch)
        finally:
            watcher.stop()
    return signals.exit_code


def _got(waiting: _Waiting) -> ChangeBatch | None:
    """What comes next; a signal that arrives just before the wait is seen in the next round."""
    while True:
        with contextlib.suppress(queue.Empty):
            return waiting.get(timeout=0.2)


def _next(waiting: _Waiting) -> ChangeBatch | None:
    """The next batch, with all that came in meanwhile; None to end."""
    batch = _got(waiting)
    while batch is not None and not waiting.empty():
        more = waiting.get()
        batch = None if more is None else batch.merged(more)
    return batch


def _call(again: Callable[[ChangeBatch], object], batch: ChangeBatch) -> None:
    try:
        again(batch)
    except PluginNotFound:
        return  # it vanished while it was being read; the batch that tells of it is on its way
    except DevServerError as error:
        report(error.message, error.hint, as_json=False)
