from __future__ import annotations

import threading

import pytest
from flask.testing import FlaskClient
from web_fakes import FakeControl

from devserver.web.app import create_web_app
from devserver.web.gatekeeper import GateSettings

TOKEN = "token-of-this-run"


@pytest.fixture
def control() -> FakeControl:
    return FakeControl()


@pytest.fixture
def client(control: FakeControl) -> FlaskClient:
    """A client with the run's token."""
    app = create_web_app(control, token=TOKEN, gate=GateSettings(), stopping=threading.Event())
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    return client
