"""What is told of a plugin beyond its record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from devserver.core.manifest import Manifest
from devserver.core.secrets import shown
from devserver.runtime.generation import Counters, Generation, Subscription
from devserver.runtime.registry import PluginRecord


def details_of(
    record: PluginRecord, *, published: Mapping[str, int], counters: Counters
) -> dict[str, Any]:
    """Configuration (secrets masked), permissions, services, events, commands and metrics; of one
    that does not serve what its manifest declares. `published` is how often the plugin published
    each topic."""
    generation = record.generation
    if generation is not None:
        return _live(generation, published)
    counted = {"uptime": 0.0, "requests": counters.requests, "errors": counters.errors}
    metrics = {**counted, "reloads": record.reload_count}
    return {**_declared(record.manifest), "metrics": metrics}


def routes_of(answering: Generation | None) -> dict[str, Any]:
    """What requests can go to: `{count, details: [{path, methods, name, summary}]}`."""
    known = () if answering is None else answering.routes
    return {
        "count": len(known),
        "details": [
            {"path": r.path, "methods": list(r.methods), "name": r.name, "summary": r.summary}
            for r in known
        ],
    }


def _declared(manifest: Manifest) -> dict[str, Any]:
    return {
        "config": {},
        "permissions": [],
        "services": sorted(manifest.services),
        "events": {
            "publishes": list(manifest.events.publishes),
            "subscribes": list(manifest.events.subscribes),
            "published": {},
            "undeclared": [],
        },
        "commands": [],
    }


def _live(generation: Generation, published: Mapping[str, int]) -> dict[str, Any]:
    return {
        "config": shown(generation.host.config(), generation.manifest),
        "permissions": [
            {"key": p.key, "description": p.description} for p in generation.permissions
        ],
        "services": sorted(generation.services),
        "events": _events(generation, published),
        "commands": [
            {"name": c.name, "help": c.help} for _, c in sorted(generation.commands.items())
        ],
        "metrics": generation.host.metrics(),
    }


def _events(generation: Generation, published: Mapping[str, int]) -> dict[str, Any]:
    """`publishes` is what the manifest declares, `subscribes` what is listened to, `published`
    how often each topic was. `undeclared` is what the manifest leaves out, if it declares any."""
    declared = generation.manifest.events
    subscribed = sorted({s.topic for s in generation.subscriptions})
    undeclared: list[str] = []
    if declared.publishes or declared.subscribes:
        told = [t for t in published if not _covered(t, declared.publishes)]
        undeclared = [*told, *(t for t in subscribed if not _covered(t, declared.subscribes))]
    return {
        "publishes": list(declared.publishes),
        "subscribes": subscribed,
        "published": dict(published),
        "undeclared": undeclared,
    }


def _covered(topic: str, declared: Iterable[str]) -> bool:
    return any(Subscription.covers(pattern, topic) for pattern in declared)
