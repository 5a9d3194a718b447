"""config/hot-loading.yaml as it is in force."""

from __future__ import annotations

from flask import Blueprint, jsonify

from devserver.web.api import Answer
from devserver.web.errors import BadInput
from devserver.web.inputs import json_object
from devserver.web.ports import Control

_KEY = "development_mode"


class SettingsApi:
    """The views of /api/hot-reload/settings."""

    def __init__(self, *, control: Control) -> None:
        self._control = control

    def blueprint(self) -> Blueprint:
        blueprint = Blueprint("settings", __name__, url_prefix="/api/hot-reload")
        blueprint.get("/settings")(self.show)
        blueprint.post("/settings")(self.apply)
        return blueprint

    def show(self) -> Answer:
        """The settings in force, and whether they are what the file says."""
        return jsonify(self._control.in_force.to_json())

    def apply(self) -> Answer:
        """Reads the file anew and answers when it is in force, as `show`. With
        `{"development_mode": true}` that mode is on (or off) until the server stops, whatever the
        file says; without, it is as the file says."""
        said = json_object()
        mode = said.pop(_KEY, None)
        if said or not isinstance(mode, bool | None):
            raise BadInput(
                "only development mode can be set for a run",
                f'send {{"{_KEY}": true}}, or no body to have the file read anew',
            )
        self._control.apply_settings(mode)
        return jsonify(self._control.in_force.to_json())
