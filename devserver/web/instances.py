"""The instances that share a database: GET /api/instances, and words to all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from flask import Blueprint, Response, jsonify, request

from devserver.core.errors import DevServerError
from devserver.core.outcome import OTHERS_FOLLOW_LATER, Outcome
from devserver.web.errors import BadInput
from devserver.web.inputs import flag, whole_number

_POLICIES = ("halt", "continue")
_TIMEOUT = 300
"""Seconds that a word is waited for unless the client says otherwise."""


class Group(Protocol):
    """The instances that share this one's PostgreSQL database."""

    def ask(
        self,
        plugin: str,
        action: str,
        *,
        policy: str = "halt",
        options: Mapping[str, Any] | None = None,
        timeout: float = 300.0,
    ) -> dict[str, Any]:
        """Has every live instance do something and waits for it: `{success, revision, plugin,
        action, policy, converged, failed, missing}`. Raises DatabaseUnavailable."""
        ...

    def install(
        self,
        name: str,
        version: str,
        content: bytes,
        *,
        policy: str,
        allowed: Mapping[str, bool],
        timeout: float,
    ) -> dict[str, Any]:
        """Has every live instance install a ZIP package; the answer as that of `ask`. `allowed`
        may have `force` and `install_requirements`."""
        ...

    def shown(self) -> dict[str, Any]:
        """`{shared, self, revision, instances: [...]}`. Raises DatabaseUnavailable."""
        ...


class InstancesApi:
    """The views; `group` is None where the database is this instance's own."""

    def __init__(self, *, group: Group | None) -> None:
        self._group = group

    def blueprint(self) -> Blueprint:
        blueprint = Blueprint("instances", __name__, url_prefix="/api")
        blueprint.get("/instances")(self.list_instances)
        return blueprint

    def list_instances(self) -> Response:
        """Every instance with its plugins' generations; none without a shared database."""
        if self._group is None:
            return jsonify({"shared": False, "self": None, "revision": 0, "instances": []})
        return jsonify(self._group.shown())

    def notes(self, outcome: Outcome) -> tuple[str, ...]:
        """What is to be told of a word to this instance alone: that it is kept for all."""
        later = self._group is not None and outcome.kept
        return (*outcome.notes, OTHERS_FOLLOW_LATER) if later else outcome.notes

    def ask(self, plugin: str, action: str) -> tuple[Response, int]:
        """Has every instance `enable`, `disable` or `reload` a plugin, or EVERY, this one first:
        `?policy=halt` (the others only if it goes well) or `continue`. 200 when all have done
        it, else 409 with those that have not, and why."""
        options = {key: True for key in ("force", "backup_state") if flag(key)}
        report = self._needed().ask(
            plugin, action, policy=_policy(), options=options, timeout=_timeout()
        )
        return jsonify(report), 200 if report["success"] else 409

    def install(self, name: str, version: str, content: bytes) -> tuple[Response, int]:
        """Has every instance install a package, which travels through the database; as `ask`.
        `?force=true` and `?install_requirements=true` hold for all of them."""
        allowed = {key: True for key in ("force", "install_requirements") if flag(key)}
        report = self._needed().install(
            name, version, content, policy=_policy(), allowed=allowed, timeout=_timeout()
        )
        return jsonify(report), 200 if report["success"] else 409

    def _needed(self) -> Group:
        if self._group is None:
            raise DevServerError(
                "only instances that share a PostgreSQL database can be asked together",
                hint="give all of them the same `database.url` in config/main.yaml, or "
                "SYSCTL_DATABASE_URL",
            )
        return self._group


def _timeout() -> int:
    return whole_number("timeout", default=_TIMEOUT, low=1, high=3600)


def _policy() -> str:
    policy = request.args.get("policy", _POLICIES[0])
    if policy not in _POLICIES:
        raise BadInput(f"policy={policy[:40]!r} is neither halt nor continue", "use policy=halt")
    return policy
