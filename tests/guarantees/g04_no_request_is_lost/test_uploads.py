"""A body that comes slowly is nobody's work until it is there."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from typing import Any

import pytest

from devserver.runtime import uploads
from devserver.runtime.uploads import UploadFailed, take_in
from tests.e2e.running import Running, fetch
from tests.guarantees.g04_no_request_is_lost.wire import Wire, head
from tests.integration.lab import Lab, plugin, wait_for

Serve = Callable[..., Running]

ROUTES = """
@router.post("/upload")
def upload():
    from flask import request
    self.hits += 1
    return {"version": VERSION, "got": request.get_data(as_text=True)}
"""


@pytest.fixture
def url(project: Lab, serve: Serve) -> str:
    project.settings("reload:\n  timeout: 3\n")
    for name in ("users", "other"):
        project.write(name, plugin(name, 1, routes=ROUTES))
    return str(serve().wait_for("ready")["url"])


def reload(project: Lab, url: str, name: str, version: int) -> None:
    project.replace(name, plugin(name, version, routes=ROUTES))
    assert fetch(url, f"/api/plugins/{name}/reload", "POST")["success"]


def test_slow_bodies_delay_no_reload_and_are_answered_by_what_is_live_then(
    project: Lab, url: str
) -> None:
    with Wire(url) as known, Wire(url) as chunked:
        known.send(head("/users/upload", "POST", Content_Length="6") + b"abc")
        chunked.send(head("/users/upload", "POST", Transfer_Encoding="chunked") + b"3\r\nab")
        reload(project, url, "other", 2)
        reload(project, url, "users", 2)
        known.send(b"def")
        chunked.send(b"c\r\n3\r\ndef\r\n0\r\nTrailer: dropped\r\n\r\n")
        assert known.receive().json() == {"version": 2, "got": "abcdef"}
        assert chunked.receive().json() == {"version": 2, "got": "abcdef"}
        assert chunked.ask("/users/version").json()["version"] == 2


def test_half_a_body_never_reaches_the_plugin(project: Lab, url: str) -> None:
    with Wire(url) as known, Wire(url) as chunked, Wire(url) as torn:
        known.send(head("/users/upload", "POST", Content_Length="6") + b"abc")
        chunked.send(head("/users/upload", "POST", Transfer_Encoding="chunked") + b"3\r\nab")
        torn.send(head("/users/upload", "POST", Transfer_Encoding="chunked") + b"3\r\nabcd\r\n")
        known.socket.shutdown(socket.SHUT_WR)
        chunked.socket.shutdown(socket.SHUT_WR)
        for wire in (known, chunked, torn):
            answer = wire.receive()
            assert answer.status == 400
            assert "the body did not arrive" in answer.json()["error"]
            assert wire.at_end()
    reload(project, url, "users", 2)
    with Wire(url) as wire:
        assert wire.ask("/users/hit").json() == {"hits": 1}


def test_a_client_that_leaves_in_the_middle_of_an_answer_frees_the_plugin(
    project: Lab, url: str
) -> None:
    with Wire(url) as wire:
        wire.send(head("/users/version") * 50)
    wait_for(lambda: inside(url) == 0, "nobody inside")
    reload(project, url, "users", 2)


def inside(url: str) -> int:
    health = fetch(url, "/plugins/health")
    return int(health["plugins"]["users"]["checks"]["active_requests"])


class Slow(io.RawIOBase):
    """A body of which each read gives what a script says; an exception is raised."""

    def __init__(self, *parts: Any) -> None:
        self._parts = [*parts]

    def read(self, size: int = -1) -> bytes:
        part = self._parts.pop(0) if self._parts else b""
        if isinstance(part, Exception):
            raise part
        assert len(part) <= size
        return bytes(part)


def environ(body: Any, length: int | None) -> dict[str, Any]:
    known = {"wsgi.input_terminated": True} if length is None else {"CONTENT_LENGTH": str(length)}
    return {"wsgi.input": body, **known}


def test_a_body_is_received_whole_before_it_is_given() -> None:
    source = Slow(b"ab", b"c", b"def")
    with take_in(environ(source, 6)) as body:  # type: ignore[union-attr]
        assert source._parts == []
        assert body.read() == b"abcdef"
    assert take_in(environ(Slow(), 0)) is None
    with take_in(environ(Slow(), None)) as body:  # type: ignore[union-attr]
        assert body.read() == b""


def test_of_a_huge_body_the_rest_is_read_where_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uploads, "AT_MOST", 4)
    for length in (6, None):
        source = Slow(b"ab", b"cd", b"e", b"f")
        with take_in(environ(source, length)) as body:  # type: ignore[union-attr]
            assert source._parts == [b"e", b"f"]
            assert body.read(3) == b"abc"
            assert body.read() == b"def"


@pytest.mark.parametrize(
    ("fault", "status"), [(TimeoutError(), 408), (ConnectionResetError("gone"), 400)]
)
def test_a_body_that_does_not_come_is_told(fault: Exception, status: int) -> None:
    with pytest.raises(UploadFailed) as failed:
        take_in(environ(Slow(b"a", fault), 3))
    assert failed.value.status == status
