"""What is said of canaries, and when there can be none."""

from __future__ import annotations

import time
from typing import Any

from devserver.core.errors import CanaryRefused, PluginNotFound, PluginUnavailable
from devserver.core.graph import DependencyGraph
from devserver.reload.catalog import Reading
from devserver.runtime.canary import Canary
from devserver.runtime.registry import SystemView


def refuse_canary(reading: Reading, view: SystemView, graph: DependencyGraph) -> None:
    """Raises PluginNotFound, PluginUnavailable or CanaryRefused where there can be none."""
    record = view.find(reading.key)
    if record is None or reading.candidate is None:
        raise PluginNotFound(reading.name)
    if record.generation is None:
        raise PluginUnavailable(
            f"plugin {record.name!r} is {record.status}: there is nothing that a canary "
            "could stand beside",
            hint=f"`sysctl plugins enable {record.name}` or `reload {record.name}` loads it",
        )
    along = graph.all_dependents([reading.key]) | {reading.key}
    serving = [g for g in map(view.generation, sorted(along)) if g is not None]
    exclusive = {g.name for g in serving if g.manifest.exclusive}
    if reading.candidate.manifest.exclusive:
        exclusive.add(record.name)
    if exclusive:
        named = ", ".join(sorted(exclusive))
        reason = f"{named}: exclusive, so two versions cannot run side by side"
        raise CanaryRefused(
            f"no canary of {record.name!r}: {reason}",
            hint=f"`sysctl plugins reload {record.name}` replaces it at once",
            reasons=(reason,),
        )


def terms_of(canary: Canary) -> str:
    """Who is answered by it, and how it ends."""
    sticky = ", the same for a client" if canary.sticky else ""
    until = f"after {canary.requests} good ones" if canary.requests else "by word"
    return (
        f"g{canary.number} answers {canary.percent:g} % of the requests{sticky}; promoted {until}: "
        f"`sysctl plugins canary {canary.name}`"
    )


def no_canary(view: SystemView, name: str) -> Exception:
    """What stands for a canary that is not there."""
    record = view.find(name)
    if record is None:
        return PluginNotFound(name)
    reason = f"plugin {record.name!r} has no canary"
    hint = f"`sysctl plugins reload {record.name} --canary 10%` begins one"
    return CanaryRefused(reason, hint=hint, reasons=(reason,))


def describe_canary(canary: Canary) -> dict[str, Any]:
    """What is told of a canary over HTTP."""
    return canary.to_json() | {"seconds": round(time.time() - canary.started, 3)}
