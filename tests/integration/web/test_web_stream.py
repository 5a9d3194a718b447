"""The event stream over real sockets."""

from __future__ import annotations

import http.client
import json
import socket
import time
from contextlib import ExitStack, closing
from typing import Any

import pytest
from web_fakes import FakeControl, outcome, record

from devserver.runtime.clients import has_left
from devserver.runtime.registry import Edge
from devserver.web.server import DevHTTPServer
from devserver.web.stream import EventStream
from tests.integration.lab import wait_for

TOKEN = "token-of-this-run"


class Listener:
    """Reads one event stream."""

    def __init__(
        self, server: DevHTTPServer, path: str = "/api/events", method: str = "GET", **headers: str
    ) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, headers={"Authorization": f"Bearer {TOKEN}", **named})
        self.response = self.connection.getresponse()

    def close(self) -> None:
        self.response.close()
        self.connection.close()

    def read(self) -> dict[str, Any]:
        """The next block: its fields by name, comments under ''; empty at the end."""
        found: dict[str, Any] = {}
        while line := self.response.readline().decode():
            if line == "\n":
                break
            name, _, value = line.rstrip("\n").partition(": ")
            found[name] = json.loads(value) if name == "data" else value
        return found


@pytest.fixture
def listen(served: DevHTTPServer) -> Any:
    with ExitStack() as stack:

        def begin(*args: Any, **headers: str) -> Listener:
            return stack.enter_context(closing(Listener(served, *args, **headers)))

        yield begin


def test_the_stream_begins_with_the_run_and_goes_on_with_what_happens(
    control: FakeControl, listen: Any
) -> None:
    control.journal.tell("notice", message="before")
    listener = listen()
    assert listener.response.getheader("Content-Type").startswith("text/event-stream")
    assert listener.response.getheader("Cache-Control") == "no-store"
    hello = listener.read()
    assert hello["event"] == "hello"
    assert hello["retry"] == "1000"
    assert hello["data"] == {"run": control.started_at, "project": "shop", "last_event_id": 1}
    control.journal.record(outcome("orders", message="line one\nline two\r\n\r\nid: 9"))
    event = listener.read()
    assert event["id"] == "2"
    assert event["event"] == "outcome"
    assert event["data"]["message"] == "line one\nline two\r\n\r\nid: 9"
    assert event["data"]["result"] == "reloaded"


def test_a_returning_client_gets_what_it_missed(control: FakeControl, listen: Any) -> None:
    for number in range(5):
        control.journal.tell("notice", number=number)
    for listener in (listen(Last_Event_ID="3"), listen("/api/events?last_event_id=3")):
        listener.read()
        assert [listener.read()["data"]["number"] for _ in range(2)] == [3, 4]


@pytest.mark.parametrize("asked", ["0", "77", "nonsense", "9" * 300, "-1"])
def test_an_event_of_another_run_means_from_the_beginning(
    control: FakeControl, listen: Any, asked: str
) -> None:
    control.journal.tell("notice", number=1)
    listener = listen(Last_Event_ID=asked)
    listener.read()
    assert listener.read()["id"] == "1"


def test_twenty_open_streams_leave_the_server_answering(
    control: FakeControl, served: DevHTTPServer, listen: Any
) -> None:
    listeners = [listen() for _ in range(20)]
    for listener in listeners:
        listener.read()
    with closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)) as client:
        for _ in range(50):
            client.request("GET", "/api/hot-reload/status")
            assert json.loads(client.getresponse().read())["total_active"] == 1
    control.journal.tell("notice", message="all of you")
    assert [listener.read()["event"] for listener in listeners] == ["notice"] * 20


def test_a_stop_ends_every_stream_at_once(served: DevHTTPServer, listen: Any) -> None:
    listeners = [listen() for _ in range(20)]
    for listener in listeners:
        listener.read()
    began = time.monotonic()
    assert served.stop(30) == ()
    assert time.monotonic() - began < 3
    assert [listener.read() for listener in listeners] == [{}] * 20


def _wait_for(fact: Any) -> None:
    deadline = time.monotonic() + 10
    while not fact():
        assert time.monotonic() < deadline, "it did not become true"


def test_streams_whose_clients_left_are_noticed_without_an_event(
    served: DevHTTPServer, listen: Any
) -> None:
    listeners = [listen() for _ in range(20)]
    for listener in listeners:
        listener.read()
    assert served.connections.count == 20
    for listener in listeners:
        listener.close()
    assert served.connections.wait_until_none(10)


def test_a_silent_stream_has_a_heartbeat(control: FakeControl) -> None:
    stream = EventStream(control=control, stopping=Never(), heartbeat=0, tick=0)  # type: ignore[arg-type]
    body = stream._run(0, stream._hello(0), None, lambda _: True)
    assert next(body).startswith("retry: 1000\nevent: hello\n")
    assert stream.open_streams == 1
    assert next(body) == ": heartbeat\n\n"
    control.journal.tell("notice", message="now")
    assert next(body).startswith("id: 1\nevent: notice\n")
    assert next(body) == ": heartbeat\n\n"
    body.close()  # type: ignore[attr-defined]
    assert stream.open_streams == 0


class Never:
    def is_set(self) -> bool:
        return False


def test_who_is_still_there_is_seen_at_once_whatever_the_time_limit_of_the_socket() -> None:
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(60)
        began = time.monotonic()
        assert not has_left(here)
        there.sendall(b"more")
        assert not has_left(here)
        here.recv(4)
        there.close()
        assert has_left(here)
        assert time.monotonic() - began < 30
    assert has_left(here)
    assert not has_left(None)


def test_who_follows_a_plugin_hears_of_it_and_its_dependents_alone(
    control: FakeControl, listen: Any
) -> None:
    edges = (
        Edge(source="orders", target="users", kind="declared"),
        Edge(source="billing", target="orders", kind="declared"),
    )
    names = ("users", "orders", "billing", "hello")
    control.add(*(record(name) for name in names), edges=edges)
    listener = listen("/api/plugins/users/follow", method="POST")
    begun = listener.read()
    assert begun["event"] == "following"
    assert (begun["data"]["plugin"], begun["data"]["automatic"]) == ("users", True)
    for name in ("hello", "billing"):
        control.journal.record(outcome(name))
        control.journal.tell("notice", message=name, plugin=name)
    control.journal.tell("disposed", outcome=1, step={})
    control.journal.tell("notice", message="all", plugin=None)
    control.registry.publish(edges=edges[:1])
    control.journal.record(outcome("billing"))
    control.journal.tell("settings", ok=True, diagnostics=[])
    heard = [listener.read() for _ in range(5)]
    assert [(e["event"], e["data"].get("plugin")) for e in heard] == [
        ("outcome", "billing"),
        ("notice", "billing"),
        ("notice", None),
        ("outcome", "billing"),
        ("settings", None),
    ]


def test_saves_are_reloaded_until_who_asked_for_it_leaves(
    control: FakeControl, listen: Any
) -> None:
    control.add(record("users"))
    listener = listen("/api/plugins/users/follow?auto_reload=true", method="POST")
    assert listener.read()["event"] == "following"
    assert "users" in control.followers
    listener.close()
    wait_for(lambda: "users" not in control.followers, "the follower's leave")


def test_nobody_follows_what_is_not_there(listen: Any) -> None:
    assert listen("/api/plugins/nobody/follow", method="POST").response.status == 404
