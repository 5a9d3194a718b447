"""The API below /api."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Blueprint, Response, jsonify, request

from devserver.core.errors import DevServerError, PluginNotFound, PluginUnavailable
from devserver.core.outcome import Outcome, Result
from devserver.runtime.registry import PluginRecord
from devserver.runtime.tracebacks import format_error
from devserver.web import shapes
from devserver.web.errors import BadInput, Refusal
from devserver.web.inputs import flag, get_record, json_object, whole_number
from devserver.web.ports import Control

Answer = Response | tuple[Response, int]
_HISTORY_MOST = 1000
_log = logging.getLogger("devserver.web")


class PluginApi:
    """The views of /api; `blueprint()` gives them to Flask."""

    def __init__(self, *, control: Control) -> None:
        self._control = control

    def blueprint(self) -> Blueprint:
        blueprint = Blueprint("api", __name__, url_prefix="/api")
        get, post = blueprint.get, blueprint.post
        get("/plugins")(self.list_plugins)
        get("/plugins/status/summary")(self.summary)
        get("/plugins/<name>/status")(self.status)
        get("/plugins/<name>/info")(self.info)
        post("/plugins/discover")(self.discover)
        post("/plugins/<name>/reload")(self.reload)
        post("/plugins/<name>/enable")(self.enable)
        post("/plugins/<name>/disable")(self.disable)
        post("/plugins/<name>/load")(self.enable)
        post("/plugins/<name>/unload")(self.unload)
        post("/plugins/<name>/commands/<command>")(self.run_command)
        get("/hot-reload/status")(self.reload_status)
        get("/hot-reload/plugins/<name>/info")(self.reload_info)
        get("/history")(self.history)
        get("/graph")(self.graph)
        return blueprint

    def list_plugins(self) -> Answer:
        """Every plugin, by name."""
        return jsonify(shapes.plugin_rows(self._control, self._control.registry.view))

    def summary(self) -> Answer:
        """All plugins counted."""
        return jsonify(shapes.summary(self._control))

    def status(self, name: str) -> Answer:
        """The short answer about one plugin."""
        return jsonify(shapes.plugin_status(self._control, get_record(self._control, name)))

    def info(self, name: str) -> Answer:
        """All there is to say about one plugin."""
        return jsonify(shapes.plugin_info(self._control, get_record(self._control, name)))

    def discover(self) -> Answer:
        """Looks for plugins on disk again."""
        names = self._control.discover()
        return jsonify({"discovered": names, "total": len(names)})

    def reload(self, name: str) -> Answer:
        """Reloads a plugin and gives the outcome: 200, 422 refused, 409 rolled back."""
        record = get_record(self._control, name)
        with diagnosed(record):
            outcome = self._control.reload(record.name, force=flag("force"), trigger="api")
        return jsonify(outcome.to_json()), status_of(outcome)

    def enable(self, name: str) -> Answer:
        """Puts a plugin into service; the outcome with 422 or 409 when it cannot go live."""
        record = get_record(self._control, name)
        return _switched(self._control.enable(record.name), "enabled")

    def disable(self, name: str) -> Answer:
        """Takes a plugin out of service until it is enabled; 409 with the reasons when others
        need it and `?force=true` is not given."""
        record = get_record(self._control, name)
        return _switched(self._control.disable(record.name, force=flag("force")), "disabled")

    def unload(self, name: str) -> Answer:
        """Takes a plugin out of service until it is loaded, or the server starts again."""
        record = get_record(self._control, name)
        return _switched(self._control.unload(record.name, force=flag("force")), "unloaded")

    def run_command(self, name: str, command: str) -> Answer:
        """Runs a command of a plugin with the JSON object in the body as its arguments."""
        record = get_record(self._control, name)
        arguments = json_object()
        result = self._call(record, command, arguments)
        try:
            return jsonify({"result": result})
        except (TypeError, ValueError, RecursionError) as error:
            raise BadInput(
                f"command {command!r} of {record.name!r} gave what JSON cannot say: {error}",
                "let it return dicts, lists, strings, numbers, booleans or None",
                status=500,
            ) from None

    def _call(self, record: PluginRecord, command: str, arguments: dict[str, Any]) -> object:
        try:
            with diagnosed(record):
                return self._control.run_command(record.name, command, arguments)
        except (DevServerError, Refusal):
            raise
        except Exception as error:  # noqa: BLE001 - plugin code may raise anything
            told = f"command {command!r} of {record.name!r} raised {type(error).__name__}: {error}"
            trace = format_error(error)
            _log.warning("%s\n%s", told, trace)
            raise Refusal(500, told, "the traceback shows where", traceback=trace) from None

    def reload_status(self) -> Answer:
        """Whether reloading works; the one call that needs no credential."""
        return jsonify(shapes.reload_status(self._control))

    def reload_info(self, name: str) -> Answer:
        """Generations and last outcomes of one plugin."""
        return jsonify(shapes.reload_info(self._control, get_record(self._control, name)))

    def history(self) -> Answer:
        """Outcomes, the newest first."""
        limit = whole_number("limit", default=100, low=1, high=_HISTORY_MOST)
        plugin = request.args.get("plugin") or None
        found = self._control.journal.outcomes(plugin, limit)
        if plugin is not None and not found and self._control.registry.view.find(plugin) is None:
            raise PluginNotFound(plugin)
        return jsonify([outcome.to_json() for outcome in found])

    def graph(self) -> Answer:
        """Who depends on whom."""
        return jsonify(shapes.graph(self._control.registry.view))


def _switched(outcome: Outcome, deed: str) -> Answer:
    affected = abs(outcome.routes_after - outcome.routes_before)
    if not outcome.success:
        return jsonify(outcome.to_json()), status_of(outcome)
    return jsonify(
        {
            "message": f"Plugin {outcome.plugin} {deed} successfully",
            "routes_affected": affected,
            "plugins": list(outcome.removed or outcome.reloaded),
        }
    )


def status_of(outcome: Outcome) -> int:
    """The HTTP status that an outcome is told with."""
    if outcome.success:
        return 200
    return 422 if outcome.result is Result.REJECTED else 409


@contextmanager
def diagnosed(record: PluginRecord) -> Iterator[None]:
    """Tells the plugin's diagnostics along, where it has nothing that could answer."""
    try:
        yield
    except PluginUnavailable as error:
        raise Refusal(503, error.message, error.hint, record.diagnostics) from error
