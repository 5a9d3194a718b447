"""What is told of plugin code that blocks the plugin loop."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from types import TracebackType

from devserver.runtime.interrupt import hang_of, is_plugin_code, place_of
from devserver.runtime.modules import GenerationLoader
from devserver.runtime.tracebacks import format_error


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """One callback that blocks the loop. `plugin` is whose code it is in (None: nobody's),
    `where` its `file:line`, `stack` the plugin's frames as text, `seconds` how long it has
    blocked. `thread` is the name of the thread that the loop has left, None while it waits;
    `abandoned` is True when that thread could not be ended."""

    plugin: str | None
    where: str
    stack: str
    seconds: float
    thread: str | None = None
    abandoned: bool = False

    @property
    def message(self) -> str:
        """What happened, in one line."""
        who = "a coroutine" if self.plugin is None else f"{self.plugin!r}"
        if self.thread is None:
            return f"{who} blocks the plugin loop since {self.seconds:.1f} s at {self.where}"
        what = f"{who} blocked the plugin loop for {self.seconds:.1f} s at {self.where}"
        if self.abandoned:
            return f"{what}; its thread {self.thread!r} cannot be ended and was left behind"
        return what

    @property
    def hint(self) -> str:
        """The next step."""
        if self.thread is None:
            return (
                "coroutines of all plugins wait for it: await what takes time, "
                "or run it with asyncio.to_thread()"
            )
        return "all other coroutines go on where they were; this one has failed"

    @classmethod
    def at(cls, trace: TracebackType | None, seconds: float, *, thread: str | None = None) -> Stall:
        """For a thread whose stack is `trace`."""
        return cls(
            plugin=_plugin_of(trace),
            where=place_of(trace) or "an unknown place",
            stack=format_error(hang_of(trace)),
            seconds=seconds,
            thread=thread,
        )


def _plugin_of(trace: TracebackType | None) -> str | None:
    """The plugin that the innermost frame of plugin code belongs to."""
    own = [frame for frame, _ in traceback.walk_tb(trace) if is_plugin_code(frame)]
    loader = own[-1].f_globals["__loader__"] if own else None
    return loader.table.source.name if isinstance(loader, GenerationLoader) else None
