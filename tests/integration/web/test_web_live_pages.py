"""Which answers of plugins get the script that keeps pages fresh, and that no other is touched."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from devserver.runtime.dispatcher import Dispatcher
from devserver.web.live_pages import LivePages
from tests.integration.lab import Lab, plugin

PAGE = "<!doctype html><html><body><p>h&eacute;llo</p></BODY></html>"
NAVIGATES = {"Sec-Fetch-Dest": "document", "Accept": "text/html,*/*;q=0.8"}
SCRIPT = b'<script src="/static/devserver/live.js" data-plugin="users" data-generation="1" defer>'
ROUTES = f"""
from flask import Response
PAGE = {PAGE!r}

@router.get("/page")
def page():
    return PAGE

@router.get("/answer")
def answer():
    from flask import request
    headers = [tuple(h.split(": ", 1)) for h in request.args.getlist("h")]
    kind = request.args.get("kind", "text/html")
    return Response(request.args.get("body", PAGE), headers=headers, content_type=kind)

@router.get("/stream")
def stream():
    return Response(iter(["<p>", "x"]), content_type="text/html")

@router.get("/fails")
def fails():
    raise ValueError("on purpose")

@router.post("/page")
def post():
    return PAGE
"""


@pytest.fixture
def wanted() -> dict[str, bool]:
    return {"it": True}


@pytest.fixture
def ask(lab: Lab, wanted: dict[str, bool]) -> Any:
    lab.write("users", plugin("users", 1, routes=textwrap.dedent(ROUTES)))
    lab.start()
    system = lab.running.system

    def nothing(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("404 NOT FOUND", [("Content-Type", "text/html"), ("Content-Length", "2")])
        return [b"no"]

    served = Dispatcher(system.registry, system.gate, nothing)
    client = Client(LivePages(served, system.registry, wanted=lambda: wanted["it"]))

    def ask(path: str, method: str = "GET", **more: Any) -> TestResponse:
        return client.open(path, method=method, **{"headers": NAVIGATES, **more})

    return ask


def test_a_page_gets_the_script_at_its_end(ask: Any) -> None:
    answer = ask("/users/page")
    before, _, after = answer.data.partition(SCRIPT)
    assert before.decode() == PAGE
    assert after == b"</script>"
    assert answer.content_length == len(answer.data)
    assert answer.headers["Cache-Control"] == "no-store"


def test_what_a_cache_would_compare_is_taken_out(ask: Any) -> None:
    answer = ask('/users/answer?h=ETag: "1"&h=Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT')
    assert SCRIPT in answer.data
    assert not {"ETag", "Last-Modified"} & {*answer.headers.keys()}


@pytest.mark.parametrize(
    "body", ["<p>x", "<body>x<script>let end = '</body>'</script>", "<body>x</body><!--</body>-->"]
)
def test_what_the_page_says_is_not_torn_apart(ask: Any, body: str) -> None:
    answer = ask("/users/answer", query_string={"body": body})
    assert answer.data.startswith(body.encode() + b"<script ")


def test_the_page_of_an_error_gets_it_too(ask: Any) -> None:
    answer = ask("/users/fails")
    assert answer.status_code == 500
    assert SCRIPT in answer.data


def test_a_plugin_that_does_not_serve_has_generation_0(ask: Any, lab: Lab) -> None:
    lab.save(("broken", "def broken(:"))
    answer = ask("/broken/")
    assert answer.status_code == 503
    assert b'data-plugin="broken" data-generation="0"' in answer.data


@pytest.mark.parametrize(
    "query",
    [
        "kind=application/json",
        "kind=text/html; charset=utf-16",
        "kind=text/html; charset=UTF16",
        "kind=text/html; charset=cp037",
        "kind=text/html; charset=nothing-known",
        "h=Content-Disposition: attachment; filename=a.html",
        "h=Content-Encoding: gzip",
        "h=Content-Range: bytes 0-1/2",
        "h=Content-Security-Policy: default-src 'none'",
        "h=Content-Security-Policy: script-src 'nonce-abc'",
        "h=Content-Security-Policy: script-src 'self'; connect-src https://example.org",
        "h=Content-Security-Policy: sandbox",
        "h=Content-Security-Policy: default-src 'self'&h=Content-Security-Policy: script-src x",
        "h=Content-Security-Policy: script-src 'self' 'strict-dynamic'",
    ],
)
def test_what_cannot_run_it_stays_as_it_is(ask: Any, query: str) -> None:
    answer = ask(f"/users/answer?{query}")
    assert answer.data.decode() == PAGE
    assert answer.content_length == len(PAGE.encode())


@pytest.mark.parametrize(
    "policy", ["default-src 'self'", "img-src 'none'", "script-src 'self' 'unsafe-inline'", "*"]
)
def test_a_policy_that_permits_it_is_no_obstacle(ask: Any, policy: str) -> None:
    answer = ask(f"/users/answer?h=Content-Security-Policy: {policy}")
    assert SCRIPT in answer.data
    assert answer.headers["Content-Security-Policy"] == policy


def test_streams_stay_streams(ask: Any) -> None:
    answer = ask("/users/stream", buffered=False)
    assert next(iter(answer.response)) == b"<p>"
    answer.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Dest": "empty", "Accept": "text/html"},
        {"Accept": "*/*"},
        {"Accept": "text/html, */*; q=0.01", "X-Requested-With": "XMLHttpRequest"},
        {},
    ],
)
def test_what_a_script_or_a_program_fetches_stays_as_it_is(ask: Any, headers: Any) -> None:
    assert ask("/users/page", headers=headers).data.decode() == PAGE


def test_only_reading_is_concerned_and_only_plugins(ask: Any) -> None:
    assert ask("/users/page", method="POST").data.decode() == PAGE
    assert ask("/nobody/").data == b"no"


def test_the_setting_turns_it_off(ask: Any, wanted: dict[str, bool]) -> None:
    wanted["it"] = False
    assert ask("/users/page").data.decode() == PAGE
