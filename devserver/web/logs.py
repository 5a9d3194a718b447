"""GET /api/logs: what the server and its plugins logged lately."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from devserver.core.names import normalise
from devserver.runtime.log_ring import CAPACITY, LEVELS
from devserver.web.errors import BadInput
from devserver.web.inputs import whole_number
from devserver.web.ports import Control

_DEFAULT = 100
_HIGHEST = 10**9 - 1


class LogsApi:
    """The last log records; secrets are masked in them."""

    def __init__(self, *, control: Control) -> None:
        self._control = control

    def blueprint(self) -> Blueprint:
        blueprint = Blueprint("logs", __name__)
        blueprint.get("/api/logs")(self.logs)
        return blueprint

    def logs(self) -> Response:
        """Newest first: `?level=` is the least, `?plugin=` whose logger it came through, `?text=`
        what it holds, `?after=` the highest id that is known already."""
        level = request.args.get("level", LEVELS[0]).lower()
        if level not in LEVELS:
            raise BadInput(f"level={level[:40]!r} is no level", f"use one of {', '.join(LEVELS)}")
        plugin = request.args.get("plugin") or None
        found = self._control.logs.recent(
            level=level,
            plugin=None if plugin is None else normalise(plugin),
            text=request.args.get("text", ""),
            limit=whole_number("limit", default=_DEFAULT, low=1, high=CAPACITY),
            after=whole_number("after", default=0, low=0, high=_HIGHEST),
        )
        return jsonify(found)
