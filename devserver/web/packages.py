"""Packages over HTTP: installed, switched between versions, taken away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Blueprint, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from devserver.packages.done import Done
from devserver.packages.entry_points import find_source
from devserver.packages.refusal import PackageRefused
from devserver.packages.service import Packages
from devserver.reload.outside import Outside
from devserver.web.api import Answer, status_of
from devserver.web.errors import BadInput, Refusal
from devserver.web.inputs import flag, json_object
from devserver.web.instances import InstancesApi

_AROUND = 64 * 1024
"""Bytes of a multipart body beside the file itself."""
_SEND = "send it as multipart/form-data: curl -F file=@NAME.zip URL"


class PackagesApi:
    """The views of /admin/plugins that deal with packages."""

    def __init__(
        self,
        *,
        packages: Packages,
        outside: Outside | None = None,
        instances: InstancesApi | None = None,
    ) -> None:
        self._packages = packages
        self._instances = instances or InstancesApi(group=None)
        self._outside = outside

    def blueprint(self) -> Blueprint:
        blueprint = Blueprint("packages", __name__, url_prefix="/admin/plugins")
        blueprint.post("/install")(self.install)
        blueprint.get("/<name>/versions")(self.versions)
        blueprint.post("/<name>/load")(self.load)
        blueprint.post("/<name>/uninstall")(self.uninstall)
        return blueprint

    def install(self) -> Answer:
        """Installs the archive in the part `file`: `{"status": "installed", "name", "version"}`.
        422 with the reasons when it is refused, 409 when it did not go live.

        `?force=true` and `?install_requirements=true` allow what they say; with `?preview=true`
        nothing is done, and what would be is told. With `?all_instances=true` every instance of
        the group installs it, and the answer is theirs.
        """
        content = self._received()
        with _refused():
            if flag("preview"):
                return jsonify(self._packages.preview(content).to_json())
            if flag("all_instances"):
                seen = self._packages.preview(content).to_json()
                return self._instances.install(seen["name"], seen["version"], content)
            done = self._packages.install(
                content, force=flag("force"), install_requirements=flag("install_requirements")
            )
        return _told(done)

    def versions(self, name: str) -> Answer:
        """`{name, current, versions}`."""
        return jsonify(self._packages.versions(name))

    def load(self, name: str) -> Answer:
        """Makes live what the body names: an installed version, `{"version": "1.2.0"}`; for this
        run a plugin that stands elsewhere, `{"path": "/work/users"}`, or one of an installed
        distribution, `{"from_package": true}`."""
        asked = json_object()
        if asked.get("from_package") is True:
            return self._load_from(name, find_source(name))
        path, version = asked.get("path"), asked.get("version")
        if isinstance(path, str):
            return self._load_from(name, _path(path))
        if not isinstance(version, str):
            raise BadInput("no version is named", 'send {"version": "1.2.0"}')
        with _refused():
            done = self._packages.load(name, version, force=flag("force"))
        return _told(done)

    def _load_from(self, name: str, location: Path) -> Answer:
        if self._outside is None or not location.is_absolute():
            raise BadInput(f"{str(location)!r} is no absolute path", "send it from the root on")
        outcome = self._outside.load(name, location)
        done = Done(deed="loaded", name=name, version="", outcome=outcome)
        return _told(done)

    def uninstall(self, name: str) -> Answer:
        """Takes a plugin that came in packages away."""
        with _refused():
            done = self._packages.uninstall(name, force=flag("force"))
        return _told(done)

    def _received(self) -> bytes:
        """The file that was sent. Receiving ends where it gets too large."""
        most = self._packages.limits.max_bytes
        request.max_content_length = most + _AROUND
        try:
            file = request.files.get("file")
        except RequestEntityTooLarge:
            if not _is_too_long(most + _AROUND):
                raise BadInput("the form has too many parts, or too long a text", _SEND) from None
            raise Refusal(
                413,
                f"the package is larger than {most} bytes",
                "leave files out, or raise packages.max_bytes in config/main.yaml",
            ) from None
        if file is None:
            raise BadInput("no file was sent", _SEND)
        return file.stream.read(most + 1)


def _path(text: str) -> Path:
    try:
        if b"\0" not in os.fsencode(text):
            return Path(text)
    except UnicodeEncodeError:
        pass
    raise BadInput(f"{text!r} is no path", "send the path of a plugin's folder")


def _is_too_long(most: int) -> bool:
    """Whether the body itself has met its end: a form may be refused for more."""
    length = request.content_length
    return length > most if length is not None else getattr(request.stream, "is_exhausted", True)


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except PackageRefused as error:
        raise Refusal(422, error.message, error.hint, error.diagnostics) from error


def _told(done: Done) -> Answer:
    document: dict[str, Any] = {**done.to_json(), "outcome": done.outcome.to_json()}
    if not done.success:
        document["error"] = done.outcome.error or done.outcome.message
        document["hint"] = "nothing was changed; the diagnostics say what to correct"
        document["diagnostics"] = [d.to_json() for d in done.outcome.diagnostics]
    return jsonify(document), status_of(done.outcome)
