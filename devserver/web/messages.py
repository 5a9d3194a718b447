"""GET /api/events/recent: what plugins told each other lately."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from devserver.web.inputs import get_record, whole_number
from devserver.web.ports import Control

_DEFAULT, _MOST = 100, 500
_HIGHEST = 10**9 - 1


class MessagesApi:
    """The events of plugins; what happens to plugins is in /api/events."""

    def __init__(self, *, control: Control) -> None:
        self._control = control

    def blueprint(self) -> Blueprint:
        blueprint = Blueprint("messages", __name__)
        blueprint.get("/api/events/recent")(self.recent)
        return blueprint

    def recent(self) -> Response:
        """Newest first; `?plugin=` published or heard it, `?topic=` may end in `.*`, `?after=` is
        the highest id that is known already."""
        plugin = request.args.get("plugin")
        key = None if plugin is None else get_record(self._control, plugin).key
        found = self._control.events.recent(
            plugin=key,
            topic=request.args.get("topic") or None,
            limit=whole_number("limit", default=_DEFAULT, low=1, high=_MOST),
            after=whole_number("after", default=0, low=0, high=_HIGHEST),
        )
        return jsonify(found)
