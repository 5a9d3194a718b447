"""What plugins are configured with: read, changed, and where it comes from."""

from __future__ import annotations

import time
from typing import Any

from flask import Blueprint, Response, jsonify

from devserver.core.outcome import Outcome
from devserver.web.api import Answer, status_of
from devserver.web.inputs import get_record, json_object, named_plugin
from devserver.web.instances import InstancesApi
from devserver.web.ports import Control


class ConfigurationApi:
    """The views of /plugins/config, and of /api/plugins/NAME/config, which tells more."""

    def __init__(self, *, control: Control, instances: InstancesApi) -> None:
        self._control = control
        self._instances = instances

    def blueprint(self) -> Blueprint:
        blueprint = Blueprint("configuration", __name__)
        blueprint.get("/plugins/config")(self.show)
        blueprint.put("/plugins/config")(self.change)
        blueprint.get("/api/plugins/<name>/config")(self.explain)
        blueprint.put("/api/plugins/<name>/config")(self.configure)
        return blueprint

    def show(self) -> Answer:
        """The effective configuration of the plugin that `?plugin=` names, secrets masked."""
        record = named_plugin(self._control)
        config = self._control.configurations.shown(record.name)
        return _stamped({"plugin": record.name, "config": config})

    def change(self) -> Answer:
        """Overrides the values in the body, and takes those out that are null; what cannot be in
        force changes nothing: 422 refused, 409 rolled back."""
        record = named_plugin(self._control)
        outcome = self._configured(record.name)
        if not outcome.success:
            return _stamped(_failure(outcome)), status_of(outcome)
        message = "Configuration updated and plugin reloaded"
        if record.withheld:
            message = f"Configuration updated; the plugin is {record.status}"
        return _stamped({"plugin": record.name, "status": "success", "message": message})

    def explain(self, name: str) -> Answer:
        """Each key with its value, its declaration, and the layer, file and line that the value
        comes from."""
        record = get_record(self._control, name)
        rows = self._control.configurations.explained(record.name)
        return jsonify({"plugin": record.name, "values": rows})

    def configure(self, name: str) -> Answer:
        """As PUT /plugins/config, but the answer is the outcome."""
        record = get_record(self._control, name)
        outcome = self._configured(record.name)
        return jsonify(outcome.to_json()), status_of(outcome)

    def _configured(self, name: str) -> Outcome:
        outcome = self._control.configure(name, json_object(announced=False))
        return self._instances.tell_configured(outcome)


def _failure(outcome: Outcome) -> dict[str, Any]:
    return {
        "plugin": outcome.plugin,
        "status": "error",
        "message": f"Configuration not updated: {outcome.error or outcome.message}",
        "result": str(outcome.result),
        "error": outcome.error or outcome.message,
        "diagnostics": [d.to_json() for d in outcome.diagnostics],
    }


def _stamped(answer: dict[str, Any]) -> Response:
    return jsonify({**answer, "timestamp": int(time.time())})
