from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "web"))
from web_fakes import FakeControl, record

from devserver.web.app import create_web_app
from devserver.web.gatekeeper import GateSettings
from devserver.web.server import DevHTTPServer

TOKEN = "token-of-this-run"
Start = Callable[..., DevHTTPServer]


@pytest.fixture
def control() -> FakeControl:
    control = FakeControl()
    control.add(record("orders"))
    return control


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a server for a WSGI application; all are stopped at the end."""
    started: list[DevHTTPServer] = []

    def begin(app: Any, host: str = "127.0.0.1", **more: Any) -> DevHTTPServer:
        more.setdefault("stopping", threading.Event())
        server = DevHTTPServer(app, host=host, port=0, **more)
        started.append(server)
        server.serve()
        return server

    yield begin
    for server in started:
        server.stop_now()


@pytest.fixture
def served(control: FakeControl, start: Start) -> DevHTTPServer:
    """The product's own pages, for real."""
    stopping = threading.Event()
    app = create_web_app(control, token=TOKEN, gate=GateSettings(), stopping=stopping)
    return start(app.wsgi_app, stopping=stopping, wake=control.journal.wake)
