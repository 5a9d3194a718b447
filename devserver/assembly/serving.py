"""The plugins of a host as one WSGI application: what every way to serve them has in common."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Flask

from devserver.assembly.host import PluginHost
from devserver.cluster.group import Group
from devserver.core.errors import DevServerError
from devserver.core.lifecycle import PluginStatus
from devserver.runtime.dispatcher import Dispatcher
from devserver.web.app import create_web_app
from devserver.web.gatekeeper import GateSettings
from devserver.web.live_pages import LivePages
from devserver.web.peer import peer_is_own_process

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

Wrap = Callable[["WSGIApplication"], "WSGIApplication"]


def _as_it_is(app: WSGIApplication) -> WSGIApplication:
    return app


def build_web_app(
    plugins: PluginHost,
    *,
    token: str,
    gate: GateSettings,
    stopping: threading.Event,
    group: Group | None,
    app: Flask | None = None,
    behind_gate: Wrap = _as_it_is,
) -> Flask:
    """The host's pages, its API and its plugins behind the gate; in `app`, where one is given.

    `behind_gate` wraps all that the gate has let through.
    """
    system = plugins.system

    def in_front_of(fallback: WSGIApplication) -> WSGIApplication:
        served = Dispatcher(
            system.registry, system.gate, fallback, from_ourselves=peer_is_own_process
        )
        return behind_gate(
            LivePages(
                served,
                system.registry,
                wanted=lambda: plugins.settings.development_in_force.browser_reload,
            )
        )

    return create_web_app(
        plugins.control,
        token=token,
        gate=gate,
        stopping=stopping,
        plugins=in_front_of,
        group=group,
        packages=plugins.packages,
        outside=plugins.outside,
        app=app,
    )


def find_group(plugins: PluginHost) -> Group | None:
    """Whoever shares the database belongs together; a file is nobody else's."""
    database = plugins.store.database
    if database.dialect != "postgresql":
        return None
    return Group(database=database, control=plugins.control, installer=plugins.packages)


def insist_on_all(plugins: PluginHost) -> None:
    """Raises DevServerError when a plugin failed to load."""
    failed = [
        r.name for r in plugins.registry.view.plugins.values() if r.status is PluginStatus.FAILED
    ]
    if failed:
        raise DevServerError(
            f"failed to load: {', '.join(sorted(failed))}",
            hint="`sysctl dev plugin validate --all` says why; "
            "`on_plugin_failure: continue` in config/main.yaml starts all the same",
        )
