"""What plugins offer can be listed beside what others offer."""

from __future__ import annotations

import pytest

from tests.integration.lab import Lab, plugin

TOP = "from devserver.sdk import Permission"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("self.register_command(3, print)", "the name of a command is a text such as 'report'"),
        ("self.register_command('', print)", "'' is no name for a command"),
        ("self.register_command('a\\udcff', print)", "is no name for a command"),
        ("self.register_command('go', None)", "the command 'go' is a NoneType, not a function"),
        ("self.register_service(None, self)", "the name of a service is a text"),
    ],
)
def test_a_name_that_could_not_be_listed_is_refused_where_it_is_offered(
    lab: Lab, body: str, told: str
) -> None:
    lab.write("users", plugin("users", body=f"def initialize(self):\n    {body}"))
    lab.start()
    outcome = lab.running.control.reload("users")
    assert told in str(outcome.error)
    assert outcome.diagnostics[0].location.startswith("plugins/users/plugin.py:")


@pytest.mark.parametrize("listed", ["[Permission(key=3)]", "[object()]", "['']"])
def test_a_permission_without_a_key_is_refused(lab: Lab, listed: str) -> None:
    body = f"def register_permissions(self):\n    return {listed}"
    lab.write("users", plugin("users", top=TOP, body=body))
    lab.start()
    error = str(lab.running.control.reload("users").error)
    assert "a permission is Permission(key='orders.view') or its key" in error


def test_permissions_may_be_their_keys_and_say_what_they_are_in_any_way(lab: Lab) -> None:
    body = """
        def register_permissions(self):
            return ["users.view", Permission("users.edit", 3), Permission("users.add")]
    """
    lab.write("users", plugin("users", top=TOP, body=body))
    lab.start()
    assert lab.running.control.plugin_details("users")["permissions"] == [
        {"key": "users.view", "description": ""},
        {"key": "users.edit", "description": "3"},
        {"key": "users.add", "description": ""},
    ]
