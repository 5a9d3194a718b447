"""The API of canaries: new versions that answer a share of the requests."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from devserver.core.canary import DEFAULT_REQUESTS, Verdict, parse_percent
from devserver.core.outcome import Outcome
from devserver.reload.canary_control import CanaryControl
from devserver.web.errors import BadInput
from devserver.web.inputs import flag, spelled, whole_number
from devserver.web.ports import Control

_MOST_REQUESTS = 1_000_000


class CanaryApi:
    """The views; `blueprint()` gives them to Flask."""

    def __init__(self, *, control: Control) -> None:
        self._control = control

    def blueprint(self) -> Blueprint:
        blueprint = Blueprint("canary", __name__, url_prefix="/api")
        blueprint.get("/canaries")(self.list_canaries)
        blueprint.get("/plugins/<name>/canary")(self.status)
        blueprint.post("/plugins/<name>/canary/promote")(self.promote)
        blueprint.post("/plugins/<name>/canary/abort")(self.abort)
        return blueprint

    def list_canaries(self) -> Response:
        """Every canary that runs, each as `status` tells of it."""
        return jsonify(self._canaries.all())

    def status(self, name: str) -> Response:
        """Its share, and how both versions answer; 409 where there is none."""
        return jsonify(self._canaries.status(spelled(self._control, name)))

    def promote(self, name: str) -> tuple[Response, int]:
        """Reloads the plugin with what the canary runs; the outcome, 409 when rolled back."""
        outcome = self._canaries.end(spelled(self._control, name), Verdict.PROMOTE)
        return jsonify(outcome.to_json()), 200 if outcome.success else 409

    def abort(self, name: str) -> Response:
        """Ends it; the outcome, which is rolled_back, as it was asked to be."""
        outcome = self._canaries.end(spelled(self._control, name), Verdict.ABORT)
        return jsonify(outcome.to_json())

    @property
    def _canaries(self) -> CanaryControl:
        return self._control.canaries


def asks_for_canary() -> bool:
    """Whether a reload asks for a canary. Raises BadInput for terms that would not be kept."""
    if "canary" in request.args:
        if flag("all_instances"):
            raise BadInput(
                "canary=... is for this instance alone", "leave out all_instances or canary"
            )
        return True
    for term in ("sticky", "requests"):
        if term in request.args:
            raise BadInput(f"{term}=... belongs to a canary", "add canary=10 for ten percent")
    return False


def start_canary(control: Control, name: str) -> Outcome:
    """What `?canary=10&sticky=&requests=&force=` on a reload asks for."""
    text = request.args["canary"]
    percent = parse_percent(text)
    if percent is None:
        raise BadInput(
            f"canary={text[:40]!r} is no share of the requests", "use canary=10 for ten percent"
        )
    return control.canaries.start(
        name,
        percent=percent,
        sticky=flag("sticky"),
        requests=whole_number("requests", default=DEFAULT_REQUESTS, low=0, high=_MOST_REQUESTS),
        force=flag("force"),
    )
