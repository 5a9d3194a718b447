"""What web and command line may ask about canaries."""

from __future__ import annotations

from typing import Any

from devserver.core.canary import DEFAULT_REQUESTS, Verdict
from devserver.core.errors import PluginNotFound
from devserver.core.names import normalise
from devserver.core.outcome import Outcome
from devserver.reload.canary_terms import describe_canary, no_canary
from devserver.reload.commanding import Commanding
from devserver.reload.queue import EndCanary, StartCanary
from devserver.runtime.system import PluginSystem


class CanaryControl:
    """All calls may come from any thread; those that change something wait for the reloader."""

    def __init__(self, *, system: PluginSystem, commanding: Commanding) -> None:
        self._system = system
        self._commanding = commanding

    def start(
        self,
        name: str,
        *,
        percent: float,
        sticky: bool = False,
        requests: int = DEFAULT_REQUESTS,
        force: bool = False,
    ) -> Outcome:
        """Has what is on disk answer `percent` of the requests beside what serves.

        Raises PluginNotFound, PluginUnavailable, CanaryRefused.
        """
        command = StartCanary(
            key=self._key(name), percent=percent, sticky=sticky, requests=requests, force=force
        )
        return self._commanding.outcome_of(command)

    def end(self, name: str, verdict: Verdict) -> Outcome:
        """Promotes a canary, or rolls it back. Raises PluginNotFound, CanaryRefused."""
        command = EndCanary(key=self._key(name), verdict=verdict, reason="by word")
        return self._commanding.outcome_of(command)

    def status(self, name: str) -> dict[str, Any]:
        """`{plugin, plugins, generation, beside, percent, sticky, requests_needed, started,
        seconds, new: {requests, errors, rate}, old: {...}}`. Raises PluginNotFound,
        CanaryRefused."""
        canary = self._system.gate.canaries.find(self._key(name))
        if canary is None:
            raise no_canary(self._system.registry.view, name)
        return describe_canary(canary)

    def all(self) -> list[dict[str, Any]]:
        """The same of every canary that runs, by plugin's name."""
        running = sorted(self._system.gate.canaries.all(), key=lambda canary: canary.name)
        return [describe_canary(canary) for canary in running]

    def _key(self, name: str) -> str:
        if self._system.registry.view.find(name) is None:
            raise PluginNotFound(name)
        return normalise(name)
