"""The host's own pages and API as one application, behind the gate."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request

from devserver.packages.service import Packages
from devserver.reload.outside import Outside
from devserver.web.api import PluginApi
from devserver.web.canary import CanaryApi
from devserver.web.compat import AdminApi, ManagementApi
from devserver.web.configuration import ConfigurationApi
from devserver.web.dashboard import Dashboard
from devserver.web.encoding import JSON
from devserver.web.errors import install_error_pages
from devserver.web.gatekeeper import Gatekeeper, GateSettings
from devserver.web.history import HistoryApi
from devserver.web.inspection import InspectionApi
from devserver.web.instances import Group, InstancesApi
from devserver.web.logs import LogsApi
from devserver.web.messages import MessagesApi
from devserver.web.metrics import Metrics
from devserver.web.openapi import ApiBrowser
from devserver.web.packages import PackagesApi
from devserver.web.ports import Control
from devserver.web.settings import SettingsApi
from devserver.web.stream import EventStream
from devserver.web.tokens import Tokens
from devserver.web.watch import WatchApi

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
    group: Group | None = None,
    packages: Packages | None = None,
    outside: Outside | None = None,
    app: Flask | None = None,
) -> Flask:
    """The application of one server.

    `plugins` wraps the host's own pages with what answers below /NAME/; the gate stands in front
    of both. Streams end when `stopping` is set. `group` are the instances of a shared database.
    `app` is one made with `flask_arguments()`.
    """
    app = app or Flask(**flask_arguments())
    app.json = JSON(app)
    app.config["MAX_CONTENT_LENGTH"] = _BODY_MOST
    instances = InstancesApi(group=group)
    for part in (
        PluginApi(control=control, instances=instances),
        instances,
        HistoryApi(control=control),
        ConfigurationApi(control=control),
        SettingsApi(control=control),
        AdminApi(control=control),
        ManagementApi(control=control),
        EventStream(control=control, stopping=stopping),
        MessagesApi(control=control),
        InspectionApi(control=control),
        LogsApi(control=control),
        WatchApi(control=control),
        CanaryApi(control=control),
        Dashboard(control=control),
        ApiBrowser(control=control),
        Metrics(control=control),
    ):
        app.register_blueprint(part.blueprint())
    if packages is not None:
        parcels = PackagesApi(packages=packages, outside=outside, instances=instances)
        app.register_blueprint(parcels.blueprint())
    install_error_pages(app)
    app.after_request(_never_stored)
    served: WSGIApplication = app.wsgi_app
    if plugins is not None:
        served = plugins(served)
    app.wsgi_app = Gatekeeper(  # type: ignore[method-assign]
        served, token=token, settings=gate, find_token=_tokens_of(control)
    )
    return app


def flask_arguments() -> dict[str, Any]:
    """What a Flask is made with that the host's pages are to be in."""
    return {"import_name": "devserver.web", "static_url_path": "/static/devserver"}


def _tokens_of(control: Control) -> Tokens:
    def tell(message: str, hint: str | None) -> None:
        control.journal.tell("notice", level="error", message=message, hint=hint, plugin=None)

    return Tokens(control.root, on_problem=tell)


def _never_stored(response: Response) -> Response:
    """Answers about a moving thing are not kept; static files are checked again each time."""
    if not request.path.startswith("/static/"):
        response.headers.setdefault("Cache-Control", "no-store")
    return response
