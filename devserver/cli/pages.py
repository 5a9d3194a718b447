"""What the commands of `plugins` print for people, from the API's documents."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from devserver.cli.tables import Cell, draw_facts, draw_heading, draw_table
from devserver.cli.text import count
from devserver.core.diagnostics import Diagnostic

_STATUS = {
    "active": "green", "reloading": "yellow", "loading": "yellow", "unloading": "yellow",
    "failed": "bold red", "disabled": "dim", "registered": "cyan",
}  # fmt: skip
_COLUMNS = (
    "plugin", "version", "status", "health", "routes", "reloads", "loaded", "description",
)  # fmt: skip
_HEALTH = {"healthy": "green", "degraded": "yellow", "unhealthy": "red"}


_PLUGINS = "plugins/"


def show_list(rows: Sequence[Mapping[str, Any]]) -> None:
    """All plugins as a table."""
    if not rows:
        draw_heading("no plugins")
        return
    draw_table(
        _COLUMNS,
        [
            (
                (str(row["name"]), "bold"),
                str(row.get("version") or "-"),
                _status(row),
                _health(row),
                str(row.get("routes_count", 0)),
                str(row.get("reload_count", 0)),
                _moment(row.get("last_loaded"), short=True),
                f"{_elsewhere(row)}{row.get('description') or ''}",
            )
            for row in rows
        ],
    )


def _elsewhere(row: Mapping[str, Any]) -> str:
    """That a plugin is not the one in plugins/."""
    location = str(row.get("location") or _PLUGINS)
    return "" if location.startswith(_PLUGINS) else f"(from {location}) "


def show_summary(summary: Mapping[str, Any]) -> None:
    """The host as a whole; `hot_reload` in it is what `/api/hot-reload/status` says."""
    reload = summary["hot_reload"]
    by_status = summary.get("by_status", {})
    counted = ", ".join(f"{number} {status}" for status, number in sorted(by_status.items()))
    well = reload.get("status") == "operational"
    draw_heading((str(reload.get("status")), "bold green" if well else "bold yellow"))
    watching = f"yes ({reload.get('mode')})" if reload.get("watching") else "no"
    draw_facts(
        [
            ("url", str(summary.get("url") or "")),
            ("plugins", count(int(summary.get("total", 0)), "plugin") + f" ({counted or 'none'})"),
            ("routes", str(summary.get("routes", 0))),
            ("requests", str(summary.get("requests", 0))),
            ("up", _duration(float(summary.get("uptime", 0)))),
            ("watching", watching),
            ("pending", (", ".join(reload.get("pending", ())), "yellow")),
            ("last reload", _last_reload(reload.get("last_reload"))),
        ]
    )


def show_status(status: Mapping[str, Any]) -> None:
    """The short page of one plugin."""
    _title(status)
    draw_facts(_state_facts(status))


def show_info(info: Mapping[str, Any]) -> None:
    """Everything about one plugin."""
    _title(info)
    if info.get("description"):
        draw_heading("  ", str(info["description"]))
    events = info.get("events") or {}
    draw_facts(
        [
            *_state_facts(info),
            ("stands in", str(info.get("location") or "")),
            ("author", str(info.get("author") or "")),
            ("depends on", _names(info.get("dependencies"))),
            ("needed by", _names(info.get("dependents"))),
            ("services", _names(info.get("services"))),
            ("publishes", _names(events.get("publishes"))),
            ("published", _pairs(events.get("published"))),
            ("undeclared", (_names(events.get("undeclared")), "yellow")),
            ("subscribes", _names(events.get("subscribes"))),
            ("permissions", _names(info.get("permissions"))),
            ("config", _pairs(info.get("config"))),
            ("metrics", _pairs(info.get("metrics"))),
        ]
    )
    routes = (info.get("routes") or {}).get("details") or ()
    if routes:
        draw_table(
            ("route", "methods", "name", "summary"),
            [
                (f"/{info['name']}{r['path']}", " ".join(r["methods"]), r["name"], r["summary"])
                for r in routes
            ],
        )
    commands = info.get("commands") or ()
    if commands:
        draw_table(("command", "help"), [(c["name"], c.get("help") or "") for c in commands])
    _show_diagnostics(info.get("diagnostics", ()))


def _title(plugin: Mapping[str, Any]) -> None:
    generation = f"  g{plugin['generation']}" if plugin.get("generation") else ""
    version = f" {plugin['version']}" if plugin.get("version") else ""
    draw_heading((str(plugin["name"]), "bold"), version, "  ", _status(plugin), generation)


def _state_facts(plugin: Mapping[str, Any]) -> list[tuple[str, Cell]]:
    commands = plugin.get("commands") if "routes" not in plugin else ()
    return [
        ("reason", str(plugin.get("reason") or "")),
        ("health", _health(plugin, detailed=True)),
        ("loaded", _moment(plugin.get("last_loaded"))),
        ("reloads", str(plugin.get("reload_count", 0))),
        ("commands", _names(commands)),
    ]


def _show_diagnostics(documents: Sequence[Mapping[str, Any]]) -> None:
    if not documents:
        return
    from devserver.cli.frames import draw_frames
    from devserver.cli.output import console_for

    draw_frames(console_for(), [Diagnostic.from_json(d) for d in documents], limit=None)


def _status(plugin: Mapping[str, Any]) -> tuple[str, str]:
    status = str(plugin.get("status", ""))
    pending = ", pending" if plugin.get("pending") else ""
    return f"{status}{pending}", _STATUS.get(status, "")


def _health(plugin: Mapping[str, Any], *, detailed: bool = False) -> tuple[str, str]:
    health = plugin.get("health") or {}
    status = str(health.get("status", "unknown"))
    message = health.get("message") if detailed else None
    return f"{status}: {message}" if message else status, _HEALTH.get(status, "dim")


def _names(values: Any) -> str:
    """Names with commas, of texts or of documents with a name and maybe a kind."""
    return ", ".join(map(_name, values or ()))


def _name(value: Any) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    name = str(value.get("name") or value.get("key") or "")
    return f"{name} ({value['kind']})" if value.get("kind") else name


def _pairs(values: Mapping[str, Any] | None) -> str:
    shown = ((k, v if isinstance(v, str) else json.dumps(v)) for k, v in (values or {}).items())
    return ", ".join(f"{key}={value}" for key, value in shown)


def _last_reload(last: Mapping[str, Any] | None) -> str:
    if not last:
        return "none yet"
    how = f"g{last['generation']}, {last['duration_ms']:.0f} ms"
    return f"{last['plugin']} {last['result']} ({how})"


def _moment(text: str | None, *, short: bool = False) -> str:
    """A time of the API in local time, `-` for none; `short` leaves out what is today's date."""
    if not text:
        return "-"
    moment = datetime.fromisoformat(text).astimezone()
    today = moment.date() == datetime.now().astimezone().date()
    return f"{moment:%H:%M:%S}" if short and today else f"{moment:%Y-%m-%d %H:%M:%S}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
