"""The same control under the addresses and in the shapes of two other plugin hosts: /admin
and /plugins."""

from __future__ import annotations

import time
from typing import Any

from flask import Blueprint, Response, jsonify

from devserver.core.lifecycle import DesiredState
from devserver.core.outcome import Outcome
from devserver.runtime.registry import PluginRecord
from devserver.web.api import Answer, diagnosed, status_of
from devserver.web.inputs import flag, named_plugin, spelled
from devserver.web.ports import Control
from devserver.web.shapes import records


class AdminApi:
    """The views of /admin."""

    def __init__(self, *, control: Control) -> None:
        self._control = control

    def blueprint(self) -> Blueprint:
        blueprint = Blueprint("admin", __name__, url_prefix="/admin")
        blueprint.get("/plugins")(self.list_plugins)
        blueprint.post("/plugins/<name>/enable")(self.enable)
        blueprint.post("/plugins/<name>/disable")(self.disable)
        blueprint.post("/plugins/<name>/reload")(self.reload)
        return blueprint

    def list_plugins(self) -> Answer:
        """The plugins that exist and those that run."""
        known = records(self._control.registry.view)
        return jsonify(
            {
                "available": [r.name for r in known],
                "loaded": [r.name for r in known if r.status.serves],
            }
        )

    def reload(self, name: str) -> Answer:
        """Reloads a plugin; on failure `error` and `result` say what became of it."""
        name = spelled(self._control, name)
        with diagnosed(self._control, name):
            outcome = self._control.reload(name, trigger="api")
        return _told(outcome, name, "reloaded")

    def enable(self, name: str) -> Answer:
        """Puts a plugin into service."""
        name = spelled(self._control, name)
        return _told(self._control.enable(name), name, "enabled")

    def disable(self, name: str) -> Answer:
        """Takes a plugin out of service."""
        name = spelled(self._control, name)
        return _told(self._control.disable(name, force=flag("force")), name, "disabled")


class ManagementApi:
    """The views of /plugins. Times are whole Unix seconds."""

    def __init__(self, *, control: Control) -> None:
        self._control = control

    def blueprint(self) -> Blueprint:
        blueprint = Blueprint("management", __name__, url_prefix="/plugins")
        blueprint.get("/status")(self.status)
        blueprint.get("/list")(self.list_plugins)
        blueprint.get("/health")(self.health)
        blueprint.post("/reload")(self.reload)
        return blueprint

    def status(self) -> Answer:
        """The system as a whole."""
        known = records(self._control.registry.view)
        healths = {r.name: self._health(r) for r in known}
        return _stamped(
            {
                "plugin_system": {
                    "enabled": True,
                    "total_plugins": len(known),
                    "active_plugins": sum(r.status.serves for r in known),
                    "plugin_dir": str(self._control.root / "plugins"),
                    "active_requests": sum(
                        h["checks"]["active_requests"] for h in healths.values()
                    ),
                    "plugin_states": {r.name: str(r.status) for r in known},
                },
                "health_status": _count(known, healths),
                "uptime": duration(time.time() - self._control.started_at),
            }
        )

    def list_plugins(self) -> Answer:
        """Every plugin with its health."""
        known = records(self._control.registry.view)
        rows = [{"name": r.name, "status": str(r.status), "health": self._health(r)} for r in known]
        return _stamped({"plugins": rows, "total_count": len(rows)})

    def health(self) -> Answer:
        """The health of every plugin."""
        known = records(self._control.registry.view)
        healths = {r.name: self._health(r) for r in known}
        overall = _count(known, healths)["overall_status"]
        return _stamped({"overall_status": overall, "plugins": healths})

    def reload(self) -> Answer:
        """Reloads the plugin that `?plugin=` names."""
        name = named_plugin(self._control).name
        with diagnosed(self._control, name):
            outcome = self._control.reload(name, trigger="api")
        answer = {"plugin": name, "status": "success"}
        if outcome.success:
            answer["message"] = "Plugin reloaded successfully with graceful draining"
            return _stamped(answer)
        answer |= {"status": "error", "message": outcome.message, **_failure(outcome)}
        return _stamped(answer), status_of(outcome)

    def _health(self, record: PluginRecord) -> dict[str, Any]:
        health = self._control.health(record.name)
        return {
            "status": health["status"],
            "state": str(record.status),
            "last_check": health["last_check"],
            "checks": {"active_requests": self._control.active_requests(record.name)},
        }


def _told(outcome: Outcome, name: str, deed: str) -> Answer:
    if outcome.success:
        told = {} if outcome.kept else {"kept": False, "notes": list(outcome.notes)}
        return jsonify({"status": deed, "name": name, **told})
    answer = {"status": "failed", "name": name, **_failure(outcome)}
    return jsonify(answer), status_of(outcome)


def duration(seconds: float) -> str:
    """`45s`, `15m30s`, `2h15m30s`."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _count(known: list[PluginRecord], healths: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """How many of the plugins that are meant to run are well."""
    wanted = [r for r in known if r.desired is DesiredState.ACTIVE]
    ill = sum(healths[r.name]["status"] in ("unhealthy", "degraded") for r in wanted)
    well = sum(healths[r.name]["status"] == "healthy" for r in wanted)
    works = any(healths[r.name]["status"] in ("healthy", "degraded") for r in wanted)
    overall = "healthy" if not ill else ("degraded" if works else "unhealthy")
    return {
        "healthy_count": well,
        "unhealthy_count": ill,
        "total_count": len(wanted),
        "overall_status": overall,
    }


def _failure(outcome: Outcome) -> dict[str, Any]:
    return {
        "result": str(outcome.result),
        "error": outcome.error or outcome.message,
        "diagnostics": [d.to_json() for d in outcome.diagnostics],
    }


def _stamped(answer: dict[str, Any]) -> Response:
    return jsonify({**answer, "timestamp": int(time.time())})
