"""The last log records of a host, over the API as well."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from devserver.runtime.log_ring import CAPACITY, LogRing
from devserver.runtime.secrets import Secrets
from devserver.web.errors import install_error_pages
from devserver.web.logs import LogsApi
from tests.integration.lab import Lab, plugin

ROUTES = """
@router.get("/log")
def log():
    self.logger.warning("the password is %s", self.config["password"])
    try:
        raise ValueError("with " + self.config["password"])
    except ValueError:
        self.logger.exception("it failed")
    return {}
"""


@pytest.fixture
def ring() -> Iterator[LogRing]:
    """Listens to all that tests log below `plugins`."""
    ring = LogRing(Secrets())
    ring.attach(("plugins",))
    logging.getLogger("plugins").setLevel(logging.DEBUG)
    yield ring
    logging.getLogger("plugins").setLevel(logging.NOTSET)
    ring.detach()


def messages(found: list[dict[str, Any]]) -> list[str]:
    return [record["message"] for record in found]


def test_records_are_told_newest_first_by_level_plugin_and_text(ring: LogRing) -> None:
    logging.getLogger("plugins.users").debug("one")
    logging.getLogger("plugins.users.models").warning("Two")
    logging.getLogger("plugins.orders").error("two more")
    assert messages(ring.recent()) == ["two more", "Two", "one"]
    assert messages(ring.recent(level="warning")) == ["two more", "Two"]
    assert messages(ring.recent(plugin="users")) == ["Two", "one"]
    assert messages(ring.recent(text="TWO")) == ["two more", "Two"]
    assert messages(ring.recent(text="two", plugin="users")) == ["Two"]
    assert messages(ring.recent(limit=1)) == ["two more"]
    newest = ring.recent(limit=1)[0]["id"]
    assert ring.recent(after=newest) == []
    assert messages(ring.recent(after=newest - 1)) == ["two more"]


def test_memory_is_bounded_in_records_and_in_characters(ring: LogRing) -> None:
    logger = logging.getLogger("plugins.users")
    logger.warning("x" * 100_000)
    (record,) = ring.recent()
    assert record["message"].endswith("(92000 more characters)")
    for number in range(CAPACITY + 5):
        logger.info("%d", number)
    found = ring.recent(limit=CAPACITY * 2)
    assert len(found) == CAPACITY
    assert found[0]["message"] == str(CAPACITY + 4)


def test_what_cannot_be_formatted_and_levels_of_a_plugin_s_own_are_kept(
    ring: LogRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The handlers of pytest raise what cannot be formatted.
    monkeypatch.setattr(logging.getLogger("plugins"), "propagate", False)
    logger = logging.getLogger("plugins.users")
    logger.info("%d", "text")
    logger.log(35, "odd")
    assert messages(ring.recent(level="warning")) == [
        "odd", "a log record could not be formatted: TypeError",
    ]  # fmt: skip


def test_secrets_are_masked_in_messages_and_tracebacks_of_anybody(lab: Lab) -> None:
    lab.write("users", plugin("users", routes=ROUTES))
    lab.write("/config/plugins.yaml", "users: {password: hunter2hunter2}\n")
    lab.start()
    logs = lab.running.control.logs
    logs.detach()
    logs.attach(("plugins", "other"))
    lab.get("/users/log")
    logging.getLogger("other").warning("somebody says hunter2hunter2")
    found = logs.recent(level="warning")
    logs.detach()
    assert len(found) == 3
    assert "hunter2" not in str(found)
    trace = found[1]["traceback"]
    assert 'raise ValueError("with " + self.config["password"])' in trace
    assert [record["plugin"] for record in found] == [None, "users", "users"]


def test_a_host_listens_while_it_runs_and_takes_nothing_from_the_console(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    lab.write("users", plugin("users", body="def initialize(self): self.logger.warning('up')"))
    lab.start()
    logs = lab.running.control.logs
    assert messages(logs.recent(plugin="users")) == ["up"]
    assert capsys.readouterr().err == "up\n"
    lab.stop()
    assert logs not in logging.getLogger("plugins").handlers


def test_the_api_asks_the_ring_and_refuses_what_it_does_not_know(ring: LogRing) -> None:
    class Control:
        logs = ring

    app = Flask("test")
    install_error_pages(app)
    app.register_blueprint(LogsApi(control=Control()).blueprint())  # type: ignore[arg-type]
    logging.getLogger("plugins.my_users").warning("two")
    client = app.test_client()
    query = "level=WARNING&plugin=my-users&text=t&limit=5&after=0"
    assert messages(client.get(f"/api/logs?{query}").json) == ["two"]  # type: ignore[arg-type]
    refused = client.get("/api/logs?level=loud")
    assert (refused.status_code, "is no level" in refused.text) == (400, True)
