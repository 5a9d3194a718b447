"""The host's own pages and API as one application, behind the gate."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Flask, Response, request

from devserver.web.api import PluginApi
from devserver.web.compat import AdminApi, ManagementApi
from devserver.web.dashboard import Dashboard
from devserver.web.encoding import JSON
from devserver.web.errors import install_error_pages
from devserver.web.gatekeeper import Gatekeeper, GateSettings
from devserver.web.metrics import Metrics
from devserver.web.ports import Control
from devserver.web.stream import EventStream

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_BODY_MOST = 16 * 1024 * 1024


def create_web_app(
    control: Control,
    *,
    token: str,
    gate: GateSettings,
    stopping: threading.Event,
    plugins: Callable[[WSGIApplication], WSGIApplication] | None = None,
) -> Flask:
    """The application of one server.

    `plugins` wraps the host's own pages with what answers below /NAME/; the gate stands in front
    of both. Streams end when `stopping` is set.
    """
    app = Flask("devserver.web", static_url_path="/static/devserver")
    app.json = JSON(app)
    app.config["MAX_CONTENT_LENGTH"] = _BODY_MOST
    for part in (
        PluginApi(control=control),
        AdminApi(control=control),
        ManagementApi(control=control),
        EventStream(control=control, stopping=stopping),
        Dashboard(control=control),
        Metrics(control=control),
    ):
        app.register_blueprint(part.blueprint())
    install_error_pages(app)
    app.after_request(_never_stored)
    served: WSGIApplication = app.wsgi_app
    if plugins is not None:
        served = plugins(served)
    app.wsgi_app = Gatekeeper(served, token=token, settings=gate)  # type: ignore[method-assign]
    return app


def _never_stored(response: Response) -> Response:
    """Answers about a moving thing are not kept; static files are checked again each time."""
    if not request.path.startswith("/static/"):
        response.headers.setdefault("Cache-Control", "no-store")
    return response
