"""GET /api/watch and POST /api/watch/test: what is watched, and whether that works."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from devserver.reload.watch_log import WatchReport
from devserver.web.errors import Refusal
from devserver.web.ports import Control


class WatchApi:
    """For whoever wonders why a save was not noticed."""

    def __init__(self, *, control: Control) -> None:
        self._control = control

    def blueprint(self) -> Blueprint:
        blueprint = Blueprint("watch", __name__, url_prefix="/api/watch")
        blueprint.get("")(self.report)
        blueprint.post("/test")(self.test)
        return blueprint

    def report(self) -> Response:
        """`{watching, mode, off, debounce_ms, force_polling, patterns, ignore, folders, changes,
        missed, inotify}`."""
        return jsonify(self._watch().report())

    def test(self) -> Response:
        """Writes a file of the server's own and measures until it is seen: `{path, seen, ms,
        timeout, problem}`. Reloads nothing."""
        return jsonify(self._watch().test())

    def _watch(self) -> WatchReport:
        if self._control.watcher is None:
            raise Refusal(503, "nothing is watched here")
        return self._control.watcher
