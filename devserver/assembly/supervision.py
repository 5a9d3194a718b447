"""What looks after plugins that run: their health, their loop, and what stays of old versions."""

from __future__ import annotations

from collections.abc import Callable

from devserver.core.settings import Settings
from devserver.reload.health_watch import HealthWatch
from devserver.reload.leaks import Leak, LeakWatch
from devserver.reload.probe import HealthProbe
from devserver.reload.recorder import Recorder
from devserver.runtime.host_settings import HealthSettings
from devserver.runtime.loop_watch import LoopWatch
from devserver.runtime.stall import Stall
from devserver.runtime.system import PluginSystem


class Supervision:
    """Tells the recorder what it sees. `settings()` gives those in force."""

    def __init__(
        self,
        system: PluginSystem,
        *,
        health: HealthSettings,
        settings: Callable[[], Settings],
        recorder: Recorder,
    ) -> None:
        self._recorder = recorder
        self.probe = HealthProbe(system, timeout=health.timeout)
        self._health_watch = HealthWatch(
            system.registry, self.probe, interval=health.interval, tell=recorder.notice
        )
        self._loop_watch = LoopWatch(
            system.loop, limit=lambda: settings().reload.timeout, tell=self._loop_stalled
        )
        self.leaks = LeakWatch(system, tell=self._leaked)

    def start(self) -> None:
        """Before any plugin is loaded."""
        self._loop_watch.start()
        self.leaks.start()

    def watch_health(self) -> None:
        """Once the plugins are loaded."""
        self._health_watch.start()

    def stop(self) -> None:
        """Looks at nothing any more."""
        self._health_watch.stop()
        self.probe.stop()
        self._loop_watch.stop()
        self.leaks.stop()

    def _loop_stalled(self, stall: Stall) -> None:
        level = "warning" if stall.thread is None else "error"
        self._recorder.notice(level, stall.message, hint=stall.hint, plugin=stall.plugin)

    def _leaked(self, leak: Leak) -> None:
        self._recorder.notice("warning", leak.message, hint=leak.hint, plugin=leak.plugin)
