"""What the API tells of plugins, as JSON-ready values."""

from __future__ import annotations

import inspect
import time
from collections import Counter
from typing import Any

from devserver.core.lifecycle import DesiredState, PluginStatus
from devserver.core.names import normalise
from devserver.runtime.registry import PluginRecord, SystemView
from devserver.web.ports import Control

_OUTCOMES_OF_ONE = 20


def records(view: SystemView) -> list[PluginRecord]:
    """All plugins, by name."""
    return sorted(view.plugins.values(), key=lambda r: r.name.lower())


def plugin_rows(control: Control, view: SystemView) -> list[dict[str, Any]]:
    """The list of plugins."""
    needs: dict[str, set[str]] = {}
    needed_by: dict[str, set[str]] = {}
    for edge in view.edges:
        needs.setdefault(normalise(edge.source), set()).add(_shown(view, edge.target))
        needed_by.setdefault(normalise(edge.target), set()).add(_shown(view, edge.source))
    return [
        {
            **_row(control, record),
            "dependencies": sorted(needs.get(record.key, ())),
            "dependents": sorted(needed_by.get(record.key, ())),
        }
        for record in records(view)
    ]


def _row(control: Control, record: PluginRecord) -> dict[str, Any]:
    return {
        **_identity(record),
        "last_loaded": _moment(record),
        "description": _said(record, "description"),
        "enabled": record.desired is DesiredState.ACTIVE,
        "health": dict(control.health(record.name)),
        "reload_count": record.reload_count,
        "routes_count": control.routes_count(record.name),
        "diagnostics": [d.to_json() for d in record.diagnostics],
    }


def plugin_status(control: Control, record: PluginRecord) -> dict[str, Any]:
    """The short answer about one plugin; its commands by name."""
    commands = control.plugin_details(record.name)["commands"]
    return {
        **_identity(record),
        "enabled": record.desired is DesiredState.ACTIVE,
        "health": dict(control.health(record.name)),
        "commands": [command["name"] for command in commands],
        "last_loaded": _moment(record),
        "reload_count": record.reload_count,
        "diagnostics": [d.to_json() for d in record.diagnostics],
    }


def plugin_info(control: Control, record: PluginRecord) -> dict[str, Any]:
    """All there is to say about one plugin."""
    return {
        **{name: _said(record, name) for name in ("description", "author", "category")},
        "is_core": bool(_said(record, "is_core")),
        **control.plugin_details(record.name),
        **_identity(record),
        "enabled": record.desired is DesiredState.ACTIVE,
        "last_loaded": _moment(record),
        "reload_count": record.reload_count,
        "health": dict(control.health(record.name)),
        "diagnostics": [d.to_json() for d in record.diagnostics],
    }


def reload_info(control: Control, record: PluginRecord) -> dict[str, Any]:
    """What reloading has to do with one plugin: generations and last outcomes."""
    outcomes = control.journal.outcomes(record.name, _OUTCOMES_OF_ONE)
    return {
        **_identity(record),
        "live_generations": list(control.live_generations(record.name)),
        "leaks": list(control.leaks(record.name)),
        "last_loaded": _moment(record),
        "reload_count": record.reload_count,
        "diagnostics": [d.to_json() for d in record.diagnostics],
        "outcomes": [o.to_json() for o in outcomes],
    }


def reload_status(control: Control) -> dict[str, Any]:
    """Whether reloading works, and what it waits for."""
    known = records(control.registry.view)
    active = [r.name for r in known if r.status.serves]
    last = control.journal.last_outcome
    watch = control.watch_status()
    return {
        "active_plugins": active,
        "total_active": len(active),
        "status": "degraded" if any(map(_is_trouble, known)) else "operational",
        "watching": watch["watching"],
        "mode": watch["mode"],
        "pending": [r.name for r in known if r.pending],
        "last_reload": None
        if last is None
        else {
            "id": last.id,
            "plugin": last.plugin,
            "result": str(last.result),
            "generation": last.generation,
            "duration_ms": round(last.duration_ms, 3),
            "time": last.time,
        },
    }


def following(control: Control, record: PluginRecord, *, auto_reload: bool) -> dict[str, Any]:
    """What somebody who follows a plugin begins with. `automatic`: its saves are reloaded."""
    asked_for = auto_reload or record.key in control.followers
    return {
        "plugin": record.name,
        "status": str(record.status),
        "generation": 0 if record.generation is None else record.generation.number,
        "pending": record.pending,
        "reason": record.reason,
        "watching": control.watch_status()["watching"],
        "automatic": asked_for or control.in_force.current.reloads_automatically,
    }


def summary(control: Control) -> dict[str, Any]:
    """All plugins counted. `uptime` is in seconds."""
    known = records(control.registry.view)
    return {
        "total": len(known),
        "by_status": dict(Counter(str(r.status) for r in known)),
        "routes": sum(control.routes_count(r.name) for r in known),
        "requests": control.requests_served(),
        "uptime": round(time.time() - control.started_at, 3),
    }


def graph(view: SystemView) -> dict[str, Any]:
    """Who depends on whom; `from` needs `to`."""
    return {
        "nodes": [{"name": r.name, "status": str(r.status)} for r in records(view)],
        "edges": [
            {"from": _shown(view, e.source), "to": _shown(view, e.target), "kind": e.kind}
            for e in view.edges
        ],
    }


def _identity(record: PluginRecord) -> dict[str, Any]:
    serving = record.generation
    return {
        "name": record.name,
        "version": record.version,
        "status": str(record.status),
        "reason": record.reason,
        "generation": record.generation_number if serving is None else serving.number,
        "pending": record.pending,
        "location": None if serving is None else serving.source.location,
    }


def _said(record: PluginRecord, name: str) -> object:
    """What the manifest says, or else the plugin's class; never runs code of the plugin."""
    stated = getattr(record.manifest, name)
    if stated is not None:
        return stated
    plugin = None if record.generation is None else record.generation.plugin
    value = inspect.getattr_static(plugin, name, "")
    return value if isinstance(value, (str, bool)) else ""


def description_of(record: PluginRecord) -> str:
    """What the plugin is for, "" where it does not say."""
    return str(_said(record, "description"))


def _moment(record: PluginRecord) -> str | None:
    return record.last_loaded.isoformat() if record.last_loaded is not None else None


def _is_trouble(record: PluginRecord) -> bool:
    """True when what runs is not what was saved, or nothing runs that should."""
    if record.desired is not DesiredState.ACTIVE:
        return False
    refused = record.pending and any(d.is_error for d in record.diagnostics)
    return record.status is PluginStatus.FAILED or refused


def _shown(view: SystemView, name: str) -> str:
    """A name in its folder's spelling, also when an edge holds it normalised."""
    record = view.find(name)
    return record.name if record is not None else name
