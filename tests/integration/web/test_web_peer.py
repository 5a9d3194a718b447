"""Who is at the other end: real sockets, real users."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from web_fakes import FakeControl, record
from werkzeug.wrappers import Response

from devserver.runtime.dispatcher import CALLER_KEY
from devserver.web.app import create_web_app
from devserver.web.gatekeeper import GateSettings
from devserver.web.peer import find_peer, peer_is_own_process, peer_is_same_user
from devserver.web.server import DevHTTPServer

TOKEN = "token-of-this-run"
NOBODY = 65534
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc/net/tcp")

# The interpreter may be out of reach for another user: the process becomes one when it runs.
ASK = """
import encodings.idna, http.client, os, sys
user, host, port, method, path, *headers = sys.argv[1:]
if int(user) != os.geteuid():
    os.setuid(int(user))
client = http.client.HTTPConnection(host, int(port), timeout=10)
client.request(method, path, headers=dict(h.split("=", 1) for h in headers))
print(client.getresponse().status)
"""


LEAVE = """
import os, socket, sys
os.setuid(int(sys.argv[1]))
s = socket.socket()
s.connect(("127.0.0.1", int(sys.argv[2])))
s.sendall(b"GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
sys.stdin.read()
"""


def ask_as_other_process(
    server: DevHTTPServer,
    method: str,
    path: str,
    *headers: str,
    host: str = "127.0.0.1",
    user: int | None = None,
) -> int:
    """The status that a process of its own gets, where asked as that of another user."""
    uid = os.geteuid() if user is None else user
    command = [sys.executable, "-c", ASK, str(uid), host, str(server.port), method, path, *headers]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


def wait_until_left(port: int) -> None:
    """Until the kernel keeps nothing of the client's socket but the memory that it was there."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        rows = [line.split() for line in lines if f":{port:04X}" in line]
        if any(row[1].endswith(f":{port:04X}") and row[3] in ("05", "06") for row in rows):
            return


def serve_product(start: Any, host: str = "127.0.0.1", **settings: Any) -> DevHTTPServer:
    control = FakeControl()
    control.add(record("orders"))
    stopping = threading.Event()
    gate = GateSettings(host=host, **settings)
    app = create_web_app(control, token=TOKEN, gate=gate, stopping=stopping)
    server: DevHTTPServer = start(app.wsgi_app, host=host, stopping=stopping)
    return server


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_developers_own_processes_need_no_token(start: Any, host: str) -> None:
    server = serve_product(start, host)
    for method, path in (
        ("POST", "/api/plugins/orders/reload"),
        ("GET", "/"),
        ("GET", "/plugins/list"),
    ):
        assert ask_as_other_process(server, method, path, host=host) == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_another_users_processes_need_the_token(start: Any, host: str) -> None:
    server = serve_product(start, host)
    for method, path in (
        ("POST", "/api/plugins/orders/reload"),
        ("GET", "/"),
        ("GET", "/api/events"),
    ):
        assert ask_as_other_process(server, method, path, host=host, user=NOBODY) == 401
    bearer = f"Authorization=Bearer {TOKEN}"
    asked = ask_as_other_process(server, "GET", "/api/plugins", bearer, host=host, user=NOBODY)
    assert asked == 200
    status = "/api/hot-reload/status"
    assert ask_as_other_process(server, "GET", status, host=host, user=NOBODY) == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_socket_that_its_owner_has_left_is_nobodys(start: Any) -> None:
    """The kernel shows such sockets with root's number: that must not make them root's."""
    seen: list[bool] = []
    entered, gone, done = threading.Event(), threading.Event(), threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        entered.set()
        gone.wait(10)
        wait_until_left(int(environ["REMOTE_PORT"]))
        seen.append(peer_is_same_user(environ))
        done.set()
        return Response("")(environ, start_response)

    server = start(app)
    command = [sys.executable, "-c", LEAVE, str(NOBODY), str(server.port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert entered.wait(10)
        process.communicate(b"")
    gone.set()
    assert done.wait(10)
    assert seen == [False]


def test_with_require_token_everybody_needs_it(start: Any) -> None:
    server = serve_product(start, require_token=True)
    assert ask_as_other_process(server, "GET", "/api/plugins") == 401
    bearer = f"Authorization=Bearer {TOKEN}"
    assert ask_as_other_process(server, "GET", "/api/plugins", bearer) == 200


def test_beyond_loopback_everybody_needs_the_token(start: Any) -> None:
    server = serve_product(start, "0.0.0.0")
    assert ask_as_other_process(server, "GET", "/api/plugins") == 401


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For=10.0.0.1", "Forwarded=for=10.0.0.1", "Via=1.1 x", "X-Real-IP=10.0.0.1"],
)
def test_what_a_proxy_passes_on_needs_the_token(start: Any, header: str) -> None:
    server = serve_product(start)
    assert ask_as_other_process(server, "POST", "/api/plugins/orders/reload", header) == 401


def test_a_call_by_a_configured_name_needs_the_token(start: Any) -> None:
    """It may come through a tunnel or proxy that the developer runs for others."""
    server = serve_product(start, allowed_hosts=("dev.example.test",))
    assert ask_as_other_process(server, "GET", "/api/plugins", "Host=dev.example.test") == 401


def _remember(found: list[Any]) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        found.append((peer_is_own_process(environ), peer_is_same_user(environ), find_peer(environ)))
        return Response("ok")(environ, start_response)

    return app


def test_a_call_from_this_very_process_is_recognised(start: Any) -> None:
    found: list[Any] = []
    server = start(_remember(found))
    with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as client:
        for _ in range(2):
            client.request("GET", "/")
            client.getresponse().read()
    assert [own for own, _, _ in found] == [True, True]
    assert found[0][2] == found[1][2]
    assert ask_as_other_process(server, "GET", "/") == 200
    assert found[2][:2] == (False, True)


def test_a_call_over_ipv4_to_an_ipv6_server_is_recognised(start: Any) -> None:
    found: list[Any] = []
    server = start(_remember(found), host="::")
    with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as client:
        client.request("GET", "/")
        client.getresponse().read()
    assert found[0][:2] == (True, True)


def test_without_a_socket_nobody_is_recognised() -> None:
    environ = {"REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "1"}
    assert find_peer(environ) is None
    assert not peer_is_same_user(environ)
    assert not peer_is_own_process(environ)
    with closing(socket.socket()) as loose:
        assert find_peer({**environ, "werkzeug.socket": loose}) is None


def _guarded(fallback: Any) -> Any:
    """Stands for plugins: 200 for who may do everything, 403 for who may not."""

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith("/orders"):
            return fallback(environ, start_response)  # type: ignore[no-any-return]
        allowed = not environ[CALLER_KEY]().missing(["orders.edit"])
        return Response(status=200 if allowed else 403)(environ, start_response)

    return serve


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        ({}, [], 200),
        ({}, ["X-Forwarded-For=10.0.0.1"], 403),
        ({}, ["Sec-Fetch-Site=cross-site"], 403),
        ({"require_token": True}, [], 403),
        ({"require_token": True}, [f"Authorization=Bearer {TOKEN}"], 200),
    ],
)
def test_in_plugins_the_developer_on_the_own_machine_may_do_everything(
    start: Any, settings: dict[str, Any], headers: list[str], status: int
) -> None:
    stopping = threading.Event()
    gate = GateSettings(**settings)
    control = FakeControl()
    app = create_web_app(control, token=TOKEN, gate=gate, stopping=stopping, plugins=_guarded)
    server = start(app.wsgi_app, stopping=stopping)
    assert ask_as_other_process(server, "POST", "/orders/edit", *headers) == status
    if os.geteuid() == 0 and not headers:
        assert ask_as_other_process(server, "POST", "/orders/edit", user=NOBODY) == 403
