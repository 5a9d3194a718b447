"""The gate: every kind of path against every kind of Host, Origin and credential."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from itertools import product
from typing import Any

import pytest
from flask.testing import FlaskClient
from web_fakes import FakeControl, record
from werkzeug.test import Client
from werkzeug.wrappers import Response

from devserver.web.app import create_web_app
from devserver.web.authority import HostPolicy, parse_authority, parse_origin
from devserver.web.gatekeeper import Gatekeeper, GateSettings

TOKEN = "token-of-this-run"
CONTROL = (
    ("GET", "/"),
    ("GET", "/api/plugins"),
    ("GET", "/api/plugins/orders/info"),
    ("POST", "/api/plugins/orders/reload"),
    ("POST", "/api/plugins/discover"),
    ("POST", "/api/plugins/orders/commands/count"),
    ("GET", "/api/history"),
    ("GET", "/api/graph"),
    ("GET", "/api/events"),
    ("POST", "/api/hot-reload/status"),
    ("GET", "/api/hot-reload/plugins/orders/info"),
    ("GET", "/api/nothing/here"),
    ("GET", "/admin/plugins"),
    ("GET", "/docs"),
    ("POST", "/admin/plugins/orders/reload"),
    ("GET", "/plugins/status"),
    ("POST", "/plugins/reload?plugin=orders"),
    ("OPTIONS", "/api/plugins"),
    ("DELETE", "/API/plugins"),
)
OPEN = (
    ("GET", "/api/hot-reload/status"),
    ("GET", "/static/devserver/nothing.css"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/nobody/here"),
    ("GET", "/users/list"),
    ("POST", "/users/list"),
)
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def _users(app: Any) -> Any:
    """Stands for the plugins: /users/... echoes what reached it."""

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith("/users/"):
            return app(environ, start_response)  # type: ignore[no-any-return]
        headers = [("Access-Control-Allow-Origin", "*"), ("Content-Type", "text/plain")]
        return Response(environ.get("HTTP_COOKIE", ""), headers=headers)(environ, start_response)

    return serve


def _client(**settings: Any) -> FlaskClient:
    control = FakeControl()
    control.add(record("orders"))
    stopping = threading.Event()
    stopping.set()  # so that an event stream ends by itself
    return create_web_app(
        control,
        token=TOKEN,
        gate=GateSettings(**settings),
        stopping=stopping,
        plugins=_users,
    ).test_client(use_cookies=False)


@pytest.fixture(scope="module")
def gated() -> FlaskClient:
    return _client(
        allowed_hosts=("dev.example.test", ".sub.example.test"),
        allowed_origins=("http://localhost:3000", "not an origin"),
    )


@pytest.mark.parametrize(("method", "path"), CONTROL + OPEN)
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.test", 403),
        ("localhost.evil.test", 403),
        ("example.test:80", 403),
        ("10.1.2.3", 403),
        ("2130706433", 403),
        ("", 400),
        ("local host", 400),
        ("localhost:port", 400),
        ("localhost:99999", 400),
        ("[::1", 400),
        ("[::zz]", 400),
        ("user@localhost", 400),
        ("localhost,evil.test", 400),
        ("localhost/..", 400),
        ("\xff\xfe", 400),
    ],
)
def test_a_host_that_is_not_ours_is_refused(
    gated: FlaskClient, method: str, path: str, host: str, status: int
) -> None:
    answer = gated.open(path, method=method, headers={**BEARER, "Host": host})
    assert answer.status_code == status
    if method != "HEAD":
        assert answer.json["error"]
        assert answer.json["hint"]


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8080",
        "localhost.",
        "app.localhost:9",
        "127.0.0.1",
        "127.8.8.8:1234",
        "[::1]",
        "[0:0:0:0:0:0:0:1]:8080",
        "[::ffff:127.0.0.1]",
        "dev.example.test:8080",
        "a.b.sub.example.test",
    ],
)
def test_our_own_hosts_are_answered(gated: FlaskClient, host: str) -> None:
    for method, path in (("GET", "/api/plugins"), ("GET", "/users/list")):
        answer = gated.open(path, method=method, headers={**BEARER, "Host": host})
        assert answer.status_code == 200, host


@pytest.mark.parametrize(("method", "path"), CONTROL + OPEN)
@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://evil.test",
        "http://localhost.evil.test",
        "http://localhost:9999",
        "https://localhost",
        "http://user@localhost",
        "file://",
        "",
        "http://localhost, http://evil.test",
        "chrome-extension://abcdef",
    ],
)
def test_a_foreign_origin_is_refused_everywhere(
    gated: FlaskClient, method: str, path: str, origin: str
) -> None:
    headers = {**BEARER, "Host": "localhost", "Origin": origin}
    answer = gated.open(path, method=method, headers=headers)
    assert answer.status_code == 403
    assert "allowed_origins" in answer.json["hint"]
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost", "http://localhost"),
        ("localhost", "http://127.0.0.1"),
        ("127.0.0.1:80", "http://localhost"),
        ("localhost:9999", "http://localhost:9999"),
        ("dev.example.test", "https://dev.example.test"),
        ("[::1]", "http://[::1]"),
    ],
)
def test_our_own_pages_may_call(gated: FlaskClient, host: str, origin: str) -> None:
    headers = {**BEARER, "Host": host, "Origin": origin}
    assert gated.post("/api/plugins/orders/reload", headers=headers).status_code == 200


def test_a_local_https_page_is_ours_only_behind_a_proxy_that_says_so(gated: FlaskClient) -> None:
    headers = {**BEARER, "Origin": "https://localhost", "X-Forwarded-Proto": "https"}
    assert gated.post("/api/plugins/orders/reload", headers=headers).status_code == 200
    del headers["X-Forwarded-Proto"]
    assert gated.post("/api/plugins/orders/reload", headers=headers).status_code == 403


def test_a_named_origin_reaches_plugins_alone(gated: FlaskClient) -> None:
    headers = {**BEARER, "Origin": "http://localhost:3000"}
    answer = gated.get("/users/list", headers=headers)
    assert answer.status_code == 200
    assert answer.headers.getlist("Access-Control-Allow-Origin") == ["http://localhost:3000"]
    assert "Origin" in answer.headers["Vary"]
    for method, path in CONTROL:
        answer = gated.open(path, method=method, headers=headers)
        assert answer.status_code == 403, path
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert gated.get("/static/devserver/x.css", headers=headers).status_code == 403


def test_a_named_origin_gets_its_preflight_answered(gated: FlaskClient) -> None:
    headers = {
        "Origin": "http://localhost:3000",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type, x-one\x7f",
    }
    answer = gated.options("/users/list", headers=headers)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Methods"] == "PUT"
    assert answer.headers["Access-Control-Allow-Headers"] == "content-type, x-one"
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    refused = gated.options("/users/list", headers={**headers, "Origin": "http://evil.test"})
    assert refused.status_code == 403


def test_a_plugin_cannot_open_itself_to_every_page(gated: FlaskClient) -> None:
    answer = gated.get("/users/list")
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(("method", "path"), CONTROL)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer \xff\xfe"},
        {"Cookie": "devserver_token_80="},
        {"Cookie": f"devserver_token_81={TOKEN}"},
        {"Cookie": f"other={TOKEN}"},
        {"Cookie": "devserver_token_80"},
        {"Cookie": "other=\xff"},
        {"X-Forwarded-For": "127.0.0.1"},
    ],
)
def test_a_control_call_without_the_credential_is_refused(
    gated: FlaskClient, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = gated.open(path, method=method, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "Bearer" in answer.json["hint"]


@pytest.mark.parametrize(("method", "path"), OPEN)
def test_what_is_no_control_call_needs_no_credential(
    gated: FlaskClient, method: str, path: str
) -> None:
    assert gated.open(path, method=method).status_code in (200, 404)


def test_the_token_is_taken_as_header_or_cookie(gated: FlaskClient) -> None:
    for headers in (
        BEARER,
        {"Authorization": f"bearer  {TOKEN}"},
        {"Cookie": f'a="{{}}"; b; devserver_token_80={TOKEN}; c=[1,2]'},
        {"Cookie": f"other=\xff; devserver_token_80={TOKEN}"},
    ):
        assert gated.get("/api/plugins", headers=headers).status_code == 200


def test_the_printed_link_sets_the_cookie_and_leaves_the_address_bar(gated: FlaskClient) -> None:
    answer = gated.get(f"/?token={TOKEN}")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/"
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("devserver_token_80=")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    headers = {"Cookie": cookie.partition(";")[0]}
    assert gated.get("/api/plugins", headers=headers).status_code == 200


@pytest.mark.parametrize("query", ["token=wrong", "token=", "token=%ff", f"token=x&token={TOKEN}"])
def test_a_wrong_link_opens_nothing(gated: FlaskClient, query: str) -> None:
    answer = gated.get(f"/?{query}")
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers


def test_the_token_in_the_address_works_for_the_dashboard_alone(gated: FlaskClient) -> None:
    assert gated.get(f"/api/plugins?token={TOKEN}").status_code == 401
    assert gated.post(f"/?token={TOKEN}").status_code == 401


def test_a_plugin_never_sees_the_cookie(gated: FlaskClient) -> None:
    headers = {"Cookie": f"mine=1; devserver_token_80={TOKEN}; theirs=2"}
    assert gated.get("/users/list", headers=headers).text == "mine=1; theirs=2"


def test_a_cookie_of_another_program_of_this_machine_is_in_nobodys_way(gated: FlaskClient) -> None:
    headers = {
        "Cookie": f"mine=1; latin=caf\xe9; devserver_token_80=old; devserver_token_80={TOKEN}"
    }
    assert gated.get("/api/plugins", headers=headers).status_code == 200
    assert gated.get("/users/list", headers=headers).text == "mine=1"


@pytest.mark.parametrize(
    ("site", "mode", "dest"),
    [
        ("cross-site", "no-cors", "image"),
        ("same-site", "no-cors", "script"),
        ("cross-site", "navigate", "iframe"),
        ("cross-site, same-origin", "cors", "empty"),
    ],
)
def test_what_another_sites_page_embeds_is_refused(
    gated: FlaskClient, site: str, mode: str, dest: str
) -> None:
    headers = {**BEARER, "Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
    for method, path in CONTROL:
        assert gated.open(path, method=method, headers=headers).status_code == 403, path
    assert gated.get("/users/list", headers=headers).status_code == 200


def test_a_link_on_another_site_may_be_followed_but_not_posted(gated: FlaskClient) -> None:
    headers = {
        **BEARER,
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }
    assert gated.get("/api/plugins", headers=headers).status_code == 200
    assert gated.post("/api/plugins/orders/reload", headers=headers).status_code == 403


@pytest.mark.parametrize("length", ["abc", "-1", "1e3", "9" * 40, "1, 2"])
def test_a_malformed_length_is_refused(gated: FlaskClient, length: str) -> None:
    environ = {"CONTENT_LENGTH": length}
    answer = gated.post("/users/list", environ_overrides=environ)
    assert answer.status_code == 400


MALFORMED = {
    "Accept": ("text/html;q=", ";;;,,,", "\xff"),
    "Range": ("bytes=9-1", "bytes=abc", "bytes=-" + "9" * 400),
    "If-Modified-Since": ("yesterday", "Sun, 99 Foo 99999 99:99:99 GMT"),
    "If-None-Match": ('"', "W/"),
    "Last-Event-ID": ("abc", "9" * 400, "-1", "\xff"),
    "Content-Type": ("application/json; charset=\xff", ";;", "multipart/form-data"),
    "Authorization": ("Basic !!!", "Digest a=b", ","),
    "Cookie": ('="', "; ; =", "a=\xff", "devserver_token_80=\xff"),
    "Sec-Fetch-Mode": ("\xff",),
    "Accept-Language": ("q=0;;",),
    "Cache-Control": ("max-age=abc",),
}


@pytest.mark.parametrize(
    ("name", "value"), [(n, v) for n, values in MALFORMED.items() for v in values]
)
def test_malformed_headers_never_break_the_server(
    gated: FlaskClient, name: str, value: str
) -> None:
    for (method, path), known in product(CONTROL + OPEN, (BEARER, {})):
        answer = gated.open(path, method=method, headers={**known, name: value})
        assert answer.status_code < 500, path


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        *product(["/", "/api/plugins", "/nobody", "/static/devserver/x", "/users/list"], [BEARER]),
        ("/api/plugins", {}),
        ("/", {"Host": "evil.test"}),
        ("/", {"Origin": "null"}),
        ("/", {"Host": "a b"}),
    ],
)
def test_every_answer_is_protected(gated: FlaskClient, path: str, headers: dict[str, str]) -> None:
    answer = gated.get(path, headers=headers)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_the_page_runs_no_foreign_code(gated: FlaskClient) -> None:
    answer = gated.get("/", headers=BEARER)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_the_gate_stands_in_front_of_any_application() -> None:
    gate = Gatekeeper(Response("inside"), token=TOKEN, settings=GateSettings())
    client = Client(gate)
    assert client.get("/users/").text == "inside"
    assert client.get("/api/x").status_code == 401
    assert client.get("/users/", headers={"Host": "evil.test"}).status_code == 403


def test_bound_to_all_addresses_it_answers_to_the_one_that_was_called() -> None:
    policy = HostPolicy(bound="0.0.0.0", allowed=())
    assert policy.accepts("192.0.2.7", "192.0.2.7")
    assert policy.accepts("192.0.2.7", "::ffff:192.0.2.7")
    assert policy.accepts("localhost", "192.0.2.7")
    assert policy.accepts("0.0.0.0", "127.0.0.1")
    assert not policy.accepts("192.0.2.8", "192.0.2.7")
    assert not policy.accepts("evil.test", "192.0.2.7")
    assert not policy.is_loopback_only
    assert not HostPolicy(bound="192.0.2.7", allowed=()).accepts("192.0.2.8", "192.0.2.8")


def test_the_bound_host_is_ours() -> None:
    assert HostPolicy(bound="box.lan", allowed=()).accepts("box.lan", "")
    assert HostPolicy(bound="::1", allowed=()).is_loopback_only
    assert HostPolicy(bound="LocalHost", allowed=()).is_loopback_only
    assert HostPolicy(bound="127.0.0.2", allowed=("a:80",)).accepts("a", "")


@pytest.mark.parametrize("text", ["::1", "[::1]x", "a:b:c", "a b", "[]", ":80", ".", "a%00"])
def test_malformed_authorities_are_none(text: str) -> None:
    assert parse_authority(text) is None


@pytest.mark.parametrize(
    "text", ["null", "http://", "localhost", "http://a/path", "ws://a", "http://a:b"]
)
def test_malformed_origins_are_none(text: str) -> None:
    assert parse_origin(text) is None
