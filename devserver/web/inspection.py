"""GET /api/plugins/NAME/debug and /profile: what a plugin is doing, and how it was loaded."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from devserver.web.inputs import flag, get_record
from devserver.web.ports import Control


class InspectionApi:
    """For whoever wants to know why a reload waits, or what became of state."""

    def __init__(self, *, control: Control) -> None:
        self._control = control

    def blueprint(self) -> Blueprint:
        blueprint = Blueprint("inspection", __name__)
        blueprint.get("/api/plugins/<name>/debug")(self.debug)
        blueprint.get("/api/plugins/<name>/profile")(self.profile)
        return blueprint

    def debug(self, name: str) -> Response:
        """Work, threads, tasks, locks, and what a reload would make of the state; with
        `?look=true` garbage is collected first, to tell who holds old generations now."""
        record = get_record(self._control, name)
        found = self._control.inspection.of(record, look=flag("look"))
        return jsonify(
            {
                "name": record.name,
                "status": str(record.status),
                "reason": record.reason,
                "generation": record.generation_number,
                "pending": record.pending,
                "queued": self._control.queued(),
                "diagnostics": [d.to_json() for d in record.diagnostics],
                **found,
            }
        )

    def profile(self, name: str) -> Response:
        """How long each module and hook of the running generation took when it was loaded:
        `{name, generation, parts: [{kind, name, ms, own_ms}]}`, in the order in which they
        ended; `own_ms` is without the parts inside."""
        record = get_record(self._control, name)
        generation = record.generation
        parts = () if generation is None else generation.table.times.parts()
        return jsonify(
            {
                "name": record.name,
                "generation": None if generation is None else generation.number,
                "parts": [part.to_json() for part in parts],
            }
        )
