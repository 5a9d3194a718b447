"""The API of what was: outcomes, and versions of plugins that can serve again."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from devserver.core.errors import PluginNotFound, VersionNotFound
from devserver.reload.rollbacks import Rollbacks
from devserver.web.api import status_of
from devserver.web.errors import BadInput, Refusal
from devserver.web.inputs import json_object, whole_number
from devserver.web.ports import Control

Answer = Response | tuple[Response, int]
_MOST = 1000


class HistoryApi:
    """The views; `blueprint()` gives them to Flask."""

    def __init__(self, *, control: Control) -> None:
        self._control = control

    def blueprint(self) -> Blueprint:
        blueprint = Blueprint("history", __name__, url_prefix="/api")
        blueprint.get("/history")(self.history)
        blueprint.get("/history/<int:number>")(self.outcome)
        blueprint.get("/plugins/<name>/versions")(self.versions)
        blueprint.post("/plugins/<name>/rollback")(self.roll_back)
        return blueprint

    def history(self) -> Answer:
        """Outcomes of this and earlier runs, the newest first, each with its `instance`."""
        limit = whole_number("limit", default=100, low=1, high=_MOST)
        plugin = request.args.get("plugin") or None
        found = self._control.journal.documents(plugin, limit)
        if plugin is not None and not found and self._control.registry.view.find(plugin) is None:
            raise PluginNotFound(plugin)
        return jsonify(found)

    def outcome(self, number: int) -> Answer:
        """The outcome with this id."""
        found = self._control.journal.document(number)
        if found is None:
            raise Refusal(404, f"no outcome {number} is kept", "GET /api/history lists them")
        return jsonify(found)

    def versions(self, name: str) -> Answer:
        """The versions of a plugin's source that are kept, the oldest first."""
        rollbacks = self._rollbacks()
        serving = rollbacks.serving(name)
        found = rollbacks.versions(name)
        return jsonify([v.to_json() | {"serves": v.number == serving} for v in found])

    def roll_back(self, name: str) -> Answer:
        """Puts an earlier version into service, `{"to": N}` or the last one before what runs,
        with `{"write": true}` on disk too; the outcome, with `version` and `on_disk`."""
        to, write = _wanted(json_object())
        try:
            restored = self._rollbacks().roll_back(name, to=to, write=write)
        except VersionNotFound as error:
            told = {"error": error.message, "hint": error.hint, "versions": list(error.versions)}
            return jsonify(told), 404
        done = restored.on_disk
        document = restored.outcome.to_json() | {
            "version": restored.number,
            "on_disk": None if done is None else done.to_json(),
        }
        return jsonify(document), status_of(restored.outcome)

    def _rollbacks(self) -> Rollbacks:
        if self._control.rollbacks is None:
            raise Refusal(503, "no versions are kept here")
        return self._control.rollbacks


def _wanted(body: dict[str, Any]) -> tuple[int | None, bool]:
    unknown = body.keys() - {"to", "write"}
    to, write = body.get("to"), body.get("write", False)
    if unknown:
        raise BadInput(f"{sorted(unknown)[0]!r} is not known here", 'send {"to": 3, "write": true}')
    if to is not None and (type(to) is not int or not 0 < to < 2**31):
        raise BadInput("'to' is no number of a version", 'send {"to": 3}')
    if not isinstance(write, bool):
        raise BadInput("'write' is neither true nor false", 'send {"write": true}')
    return to, write
