"""A word to one instance is kept for all that share its database, and that is said."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from devserver.cli.offline_switch import switch_offline
from devserver.core.outcome import OTHERS_FOLLOW_LATER
from devserver.runtime.project import Project
from devserver.web.api import PluginApi
from devserver.web.instances import InstancesApi
from tests.integration.lab import Lab, plugin
from tests.integration.store.conftest import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]


@pytest.mark.parametrize(("group", "notes"), [(None, []), (object(), [OTHERS_FOLLOW_LATER])])
def test_a_member_of_a_group_says_that_the_others_follow(
    lab: Lab, group: Any, notes: list[str]
) -> None:
    lab.write("clock", plugin("clock", 1))
    lab.start()
    api = PluginApi(control=lab.running.control, instances=InstancesApi(group=group))
    app = Flask("one")
    app.register_blueprint(api.blueprint())
    answer = app.test_client().post("/api/plugins/clock/disable").get_json()
    assert (answer["message"], answer["notes"]) == ("Plugin clock disabled successfully", notes)


def test_a_word_without_a_server_says_so_where_the_database_is_shared(
    lab: Lab, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.write("clock", plugin("clock", 1))
    project = Project(lab.root)
    assert switch_offline(project, "clock", "disable", force=False)["notes"] == []
    monkeypatch.setenv("SYSCTL_DATABASE_URL", postgres_url)
    answer = switch_offline(project, "clock", "disable", force=False)
    assert answer["notes"] == [OTHERS_FOLLOW_LATER]
