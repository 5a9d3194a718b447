"""Tokens of config/main.yaml: what they may do, at once and no longer than they stand there."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from web_fakes import FakeControl, record
from werkzeug.wrappers import Response

from devserver.sdk.permissions import current_caller, require
from devserver.web.app import create_web_app
from devserver.web.gatekeeper import GateSettings

RUN = "token-of-this-run"


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def entry(name: str, token: str, *permissions: str) -> str:
    return f"    - {{name: {name}, sha256: {digest(token)}, permissions: {list(permissions)}}}\n"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class Project:
    def __init__(self, root: Path) -> None:
        (root / "config").mkdir()
        self.file = root / "config/main.yaml"
        self.control = FakeControl(root)
        self.control.add(record("orders"))
        self.control.commands["orders", "guarded"] = lambda: require("orders.a", "orders.b")
        app = create_web_app(
            self.control,
            token=RUN,
            gate=GateSettings(require_token=True),
            stopping=threading.Event(),
            plugins=self._plugins,
        )
        self.client: FlaskClient = app.test_client(use_cookies=False)

    def tokens(self, *entries: str) -> None:
        self.file.write_text("auth:\n  tokens:\n" + "".join(entries) if entries else "")

    def _plugins(self, app: Any) -> Any:
        """What stands for the dispatcher, which gives the environ's caller to the work."""
        from devserver.runtime.dispatcher import CALLER_KEY
        from devserver.sdk.permissions import CALLER

        def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            token = CALLER.set(environ[CALLER_KEY])
            try:
                if not environ["PATH_INFO"].startswith("/orders"):
                    return app(environ, start_response)  # type: ignore[no-any-return]
                caller = current_caller()
                told = {
                    "name": caller.name,
                    "all": caller.grants is None,
                    "view": not caller.missing(["orders.view"]),
                    "sent": environ.get("HTTP_AUTHORIZATION"),
                }
                return Response(repr(told))(environ, start_response)
            finally:
                CALLER.reset(token)

        return serve

    def seen(self, **headers: str) -> Any:
        return eval(self.client.get("/orders/x", headers=headers).text)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_a_plugin_sees_what_the_token_was_granted_and_never_the_token(project: Project) -> None:
    project.tokens(entry("reader", "alpha-token", "orders.*"))
    assert project.seen(**bearer("alpha-token")) == {
        "name": "reader",
        "all": False,
        "view": True,
        "sent": None,
    }
    assert project.seen(**bearer(RUN)) == {"name": "", "all": True, "view": True, "sent": None}
    assert project.seen() == {"name": "", "all": False, "view": False, "sent": None}


def test_a_credential_of_the_plugins_own_reaches_it(project: Project) -> None:
    assert project.seen(**bearer("of-the-plugin"))["sent"] == "Bearer of-the-plugin"
    assert project.seen(Authorization="Basic abc")["sent"] == "Basic abc"


def test_a_token_counts_from_the_save_that_adds_it_to_the_one_that_takes_it_out(
    project: Project,
) -> None:
    assert not project.seen(**bearer("alpha-token"))["view"]
    project.tokens(entry("reader", "alpha-token", "orders.view"))
    assert project.seen(**bearer("alpha-token"))["view"]
    project.tokens(entry("reader", "alpha-token", "users.view"))
    assert not project.seen(**bearer("alpha-token"))["view"]
    project.tokens(entry("reader", "other-token", "orders.view"))
    assert project.seen(**bearer("alpha-token"))["name"] == ""
    project.file.unlink()
    assert project.seen(**bearer("other-token"))["name"] == ""


@pytest.mark.parametrize(
    "broken",
    [
        "auth: [",
        "auth: {tokens: [{name: a, sha256: abc}]}",
        "auth: {tokens: [{name: a, sha256: '" + "0" * 64 + "', permission: [x]}]}",
        "auth: {tokens: 3}",
    ],
)
def test_an_invalid_file_is_told_and_the_tokens_stay(project: Project, broken: str) -> None:
    project.tokens(entry("reader", "alpha-token", "orders.view"))
    assert project.seen(**bearer("alpha-token"))["view"]
    project.file.write_text(broken)
    assert project.seen(**bearer("alpha-token"))["view"]
    assert project.seen(**bearer("alpha-token"))["view"]
    notices = project.control.journal.events_after(0, 0)
    assert len(notices) == 1
    assert "config/main.yaml" in notices[0].payload["message"]
    assert "the tokens stay as they were" in notices[0].payload["message"]


def test_control_calls_need_the_permission_of_their_deed(project: Project) -> None:
    project.tokens(
        entry("viewer", "view-token", "admin.plugins.view"),
        entry("boss", "boss-token", "admin.*"),
    )
    client = project.client
    assert client.get("/api/plugins", headers=bearer("view-token")).status_code == 200
    refused = client.post("/api/plugins/orders/reload", headers=bearer("view-token"))
    assert refused.status_code == 403
    assert refused.json["error"] == "permission 'admin.plugins.reload' is missing"
    assert refused.json["missing"] == ["admin.plugins.reload"]
    assert "'viewer'" in refused.json["hint"]
    assert (
        client.post("/api/plugins/orders/reload", headers=bearer("boss-token")).status_code == 200
    )
    assert client.get("/api/plugins", headers=bearer("unknown")).status_code == 401


def test_a_command_asks_for_more_than_the_right_to_run_commands(project: Project) -> None:
    project.tokens(
        entry("runner", "run-token", "admin.plugins.run", "orders.a"),
        entry("both", "both-token", "admin.plugins.run", "orders.*"),
    )
    place = "/api/plugins/orders/commands/guarded"
    refused = project.client.post(place, headers=bearer("run-token"))
    assert (refused.status_code, refused.json["error"]) == (403, "permission 'orders.b' is missing")
    assert refused.json["missing"] == ["orders.b"]
    assert project.client.post(place, headers=bearer("both-token")).status_code == 200
    assert project.client.post(place, headers=bearer(RUN)).status_code == 200


def test_what_another_sites_page_embeds_is_done_for_nobody(tmp_path: Path) -> None:
    project = Project(tmp_path)
    embedded = {
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "no-cors",
        "Sec-Fetch-Dest": "image",
    }
    assert project.seen(**bearer(RUN))["all"]
    assert not project.seen(**bearer(RUN), **embedded)["all"]
