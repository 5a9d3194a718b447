"""How a listener is called with one event, and what is told of it."""

from __future__ import annotations

import time
from collections.abc import Callable

from devserver.core.errors import CommitFailed, DatabaseUnavailable, PluginHookFailed
from devserver.runtime.event_log import Delivery, EventLog
from devserver.runtime.limited import LimitedWork
from devserver.runtime.secrets import Secrets
from devserver.sdk.context import Event

_LATER = 0.5
"""Seconds. One that blocks the plugin loop is left to who watches that, with the same limit."""


class ListenerCalls:
    """Calls listeners; what they raise goes to `on_error` and, without secrets, into `log`."""

    def __init__(
        self,
        log: EventLog,
        *,
        secrets: Secrets,
        on_error: Callable[[str, str, BaseException], object],
    ) -> None:
        self._log = log
        self._secrets = secrets
        self._on_error = on_error
        self.time_limit: Callable[[], float] = lambda: 30.0
        """Seconds that a listener has for one event."""

    def call(
        self,
        event: Event,
        listener: Callable[..., object],
        plugin: str,
        name: str,
        work: LimitedWork,
    ) -> None:
        """Comes back when the listener has ended, or its time is up."""
        begun = time.monotonic()
        label = f"event {event.topic}"
        result, error = "delivered", None
        try:
            work.call(
                listener,
                event,
                plugin=plugin,
                label=label,
                timeout=self.time_limit(),
                slack=_LATER,
            )
        except PluginHookFailed as failure:
            hung = failure.code == "RUN002"
            result, error = "hung" if hung else "failed", failure.message
            cause = failure.__cause__
            self._on_error(plugin, label, cause if cause and not hung else failure)
        except (DatabaseUnavailable, CommitFailed) as lost:
            result, error = "failed", lost.message
            self._on_error(plugin, label, lost)
        ms = (time.monotonic() - begun) * 1000
        shown = None if error is None else self._secrets.mask_all(error)
        self._log.delivered(
            event, Delivery(plugin=plugin, listener=name, result=result, ms=ms, error=shown)
        )
