"""The API below /api."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypedDict

from flask import Blueprint, Response, jsonify, request

from devserver.core.errors import DevServerError, PluginUnavailable
from devserver.core.names import EVERY
from devserver.core.outcome import Outcome, Result
from devserver.runtime.clients import client_of, has_left
from devserver.runtime.tracebacks import format_error
from devserver.web import shapes
from devserver.web.canary import start_canary
from devserver.web.errors import BadInput, Refusal
from devserver.web.inputs import flag, get_record, json_object, spelled
from devserver.web.instances import InstancesApi
from devserver.web.ports import Control

Answer = Response | tuple[Response, int]
_log = logging.getLogger("devserver.web")


class PluginApi:
    """The views of /api; `blueprint()` gives them to Flask."""

    def __init__(self, *, control: Control, instances: InstancesApi) -> None:
        self._control = control
        self._instances = instances

    def blueprint(self) -> Blueprint:
        blueprint = Blueprint("api", __name__, url_prefix="/api")
        get, post = blueprint.get, blueprint.post
        get("/plugins")(self.list_plugins)
        get("/plugins/status/summary")(self.summary)
        get("/plugins/<name>/status")(self.status)
        get("/plugins/<name>/info")(self.info)
        post("/plugins/discover")(self.discover)
        post("/plugins/reload")(self.reload_all)
        post("/plugins/<name>/reload")(self.reload)
        post("/plugins/<name>/restart")(self.restart)
        post("/plugins/<name>/enable")(self.enable)
        post("/plugins/<name>/disable")(self.disable)
        post("/plugins/<name>/load")(self.load)
        post("/plugins/<name>/unload")(self.unload)
        get("/plugins/<name>/commands")(self.commands)
        post("/plugins/<name>/commands/<command>")(self.run_command)
        get("/hot-reload/status")(self.reload_status)
        get("/hot-reload/plugins/<name>/info")(self.reload_info)
        get("/graph")(self.graph)
        get("/services")(self.services)
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
        name = spelled(self._control, name)
        if flag("all_instances"):
            return self._instances.ask(name, "reload")
        with diagnosed(self._control, name):
            if "canary" in request.args:
                outcome = start_canary(self._control, name)
            else:
                outcome = self._control.reload(name, **_asked())
        return jsonify(outcome.to_json()), status_of(outcome)

    def restart(self, name: str) -> Answer:
        """Like `reload`, but nothing of the plugin's state goes on."""
        name = spelled(self._control, name)
        with diagnosed(self._control, name):
            outcome = self._control.restart(name, **_asked())
        return jsonify(outcome.to_json()), status_of(outcome)

    def reload_all(self) -> Answer:
        """Reloads every plugin that is not disabled, dependencies first: `{success, outcomes}`,
        with 409 where one was rolled back, else 422 where one was refused."""
        if flag("all_instances"):
            return self._instances.ask(EVERY, "reload")
        outcomes = self._control.reload_all(**_asked())
        status = max(map(_weight, outcomes), default=(0, 200))[1]
        document = {"success": status == 200, "outcomes": [o.to_json() for o in outcomes]}
        return jsonify(document), status

    def enable(self, name: str) -> Answer:
        """Puts a plugin into service; the outcome with 422 or 409 when it cannot go live. With
        `?routes=false` its routes stay as they are."""
        name, routes = spelled(self._control, name), _with_routes()
        if flag("all_instances"):
            return self._instances.ask(name, "enable")
        return self._kept_for_all(self._control.enable(name, routes=routes), "enabled")

    def disable(self, name: str) -> Answer:
        """Takes a plugin out of service until it is enabled; 409 with the reasons when others
        need it and `?force=true` is not given. With `?routes=false` its routes go on answering."""
        name, routes = spelled(self._control, name), _with_routes()
        if flag("all_instances"):
            return self._instances.ask(name, "disable")
        outcome = self._control.disable(name, force=flag("force"), routes=routes)
        return self._kept_for_all(outcome, "disabled")

    def load(self, name: str) -> Answer:
        """Puts a plugin into service, from plugins/ when it was served from elsewhere; as
        `enable`."""
        record = get_record(self._control, name)
        return _switched(self._control.load(record.name), "loaded")

    def unload(self, name: str) -> Answer:
        """Takes a plugin out of service until it is loaded, or the server starts again."""
        name = spelled(self._control, name)
        return _switched(self._control.unload(name, force=flag("force")), "unloaded")

    def _kept_for_all(self, outcome: Outcome, deed: str) -> Answer:
        return _switched(replace(outcome, notes=self._instances.notes(outcome)), deed)

    def commands(self, name: str) -> Answer:
        """What the commands of a plugin take."""
        record = get_record(self._control, name)
        with diagnosed(self._control, record.name):
            return jsonify(self._control.describe_commands(record.name))

    def run_command(self, name: str, command: str) -> Answer:
        """Runs a command of a plugin with the JSON object in the body as its arguments."""
        name = spelled(self._control, name)
        arguments = json_object()
        result = self._call(name, command, arguments)
        try:
            return jsonify({"result": result})
        except (TypeError, ValueError, RecursionError) as error:
            raise BadInput(
                f"command {command!r} of {name!r} gave what JSON cannot say: {error}",
                "let it return dicts, lists, strings, numbers, booleans or None",
                status=500,
            ) from None

    def _call(self, name: str, command: str, arguments: dict[str, Any]) -> object:
        try:
            with diagnosed(self._control, name):
                client = client_of(request.environ)
                return self._control.run_command(
                    name, command, arguments, caller_left=lambda: has_left(client)
                )
        except (DevServerError, Refusal):
            raise
        except Exception as error:  # noqa: BLE001 - plugin code may raise anything
            told = f"command {command!r} of {name!r} raised {type(error).__name__}: {error}"
            told, trace = (
                self._control.configurations.masked(name, text)
                for text in (told, format_error(error))
            )
            _log.warning("%s\n%s", told, trace)
            raise Refusal(500, told, "the traceback shows where", traceback=trace) from None

    def reload_status(self) -> Answer:
        """Whether reloading works; the one call that needs no credential."""
        return jsonify(shapes.reload_status(self._control))

    def reload_info(self, name: str) -> Answer:
        """Generations and last outcomes of one plugin."""
        return jsonify(shapes.reload_info(self._control, get_record(self._control, name)))

    def services(self) -> Answer:
        """What plugins offer to each other, with owner and version."""
        return jsonify(self._control.services())

    def graph(self) -> Answer:
        """Who depends on whom."""
        return jsonify(shapes.graph(self._control.registry.view))


class _Asked(TypedDict):
    force: bool
    backup_state: bool


def _asked() -> _Asked:
    return {"force": flag("force"), "backup_state": flag("backup_state")}


def _weight(outcome: Outcome) -> tuple[int, int]:
    """What is told for several is what is told for the worst."""
    status = status_of(outcome)
    return (200, 422, 409).index(status), status


def _with_routes() -> bool:
    routes = flag("routes", default=True)
    if not routes and flag("all_instances"):
        raise BadInput(
            "routes=false is for this instance alone", "leave out all_instances or routes"
        )
    return routes


def _switched(outcome: Outcome, deed: str) -> Answer:
    affected = abs(outcome.routes_after - outcome.routes_before)
    if not outcome.success:
        return jsonify(outcome.to_json()), status_of(outcome)
    how = "successfully" if outcome.kept else "for this run only"
    return jsonify(
        {
            "message": f"Plugin {outcome.plugin} {deed} {how}",
            "routes_affected": affected,
            "plugins": list(outcome.removed or outcome.reloaded),
            "kept": outcome.kept,
            "notes": list(outcome.notes),
        }
    )


def status_of(outcome: Outcome) -> int:
    """The HTTP status that an outcome is told with."""
    if outcome.success:
        return 200
    return 422 if outcome.result is Result.REJECTED else 409


@contextmanager
def diagnosed(control: Control, name: str) -> Iterator[None]:
    """Tells the plugin's diagnostics along, where it has nothing that could answer."""
    try:
        yield
    except PluginUnavailable as error:
        record = get_record(control, name)
        raise Refusal(503, error.message, error.hint, record.diagnostics) from error
