"""Plugin code hides where nobody calls it: in properties, in `__getattr__`, in what its answers
and errors say of themselves. All of it has the hook's time and no more."""

from __future__ import annotations

import pytest

from devserver.core.outcome import Result
from tests.integration.lab import Lab, plugin, wait_for

SETTINGS = """
reload:
  timeout: 0.8
safety:
  max_reload_attempts: 1
  trial_process: false
"""
ENDLESS = """
def endless(*_):
    while True: PLACE = 1

class Endless:
    __bool__ = __str__ = __repr__ = __getattr__ = __iter__ = endless

    def __call__(self):
        return True

class Disguised:
    __class__ = property(endless)

class Listed(list):
    __iter__ = endless

class Mapped(dict):
    keys = __iter__ = endless

class Untold(Exception):
    __str__ = endless

from devserver.sdk import HealthStatus
"""
HIDDEN = {
    "a hook that is a property": "health_check = property(endless)",
    "an awaited hook that is a property": "initialize = property(endless)",
    "every attribute": """
        def __getattribute__(self, name):
            return endless() if name == "initialize" else super().__getattribute__(name)
    """,
    "an attribute that is set": """
        def __setattr__(self, name, value):
            endless()
    """,
    "the context": """
        @property
        def ctx(self):
            return endless()

        def on_load(self, ctx):
            self.ctx
    """,
    "whether it is healthy": "def health_check(self):\n    return HealthStatus(healthy=Endless())",
    "the message of its health": """
        def health_check(self):
            return HealthStatus(healthy=False, message=Endless())
    """,
    "the class of an answer": "def initialize(self):\n    return Disguised()",
    "the class of a coroutine's answer": "async def health_check(self):\n    return Disguised()",
    "a list of routes": "def get_api_routes(self):\n    return Listed([1])",
    "a list of permissions": "def register_permissions(self):\n    return Listed([1])",
    "migrated state": "def migrate_state(self, state, before):\n    return Mapped(a=1)",
    "the text of an error": "def initialize(self):\n    raise Untold",
    "the text of a coroutine's error": "async def initialize(self):\n    raise Untold",
    "the text of an error behind another": """
        def initialize(self):
            try:
                raise Untold
            except Untold as error:
                raise ValueError("no") from error
    """,
}


@pytest.fixture
def users(lab: Lab) -> Lab:
    lab.settings(SETTINGS)
    lab.write("users", plugin("users", 1))
    lab.start()
    return lab


@pytest.mark.parametrize("where", HIDDEN)
def test_code_that_nobody_calls_has_a_time_limit(users: Lab, where: str) -> None:
    outcome = users.save(("users", plugin("users", 2, top=ENDLESS, body=HIDDEN[where])))
    assert outcome is not None
    assert outcome.result is Result.ROLLED_BACK
    (found,) = outcome.diagnostics
    assert found.code == "RUN002"
    assert (found.file, found.source_lines) == (
        "plugins/users/plugin.py",
        ("    while True: PLACE = 1",),
    )
    assert_goes_on(users)


def test_a_hook_that_is_an_object_is_called_and_not_asked_for_anything_else(users: Lab) -> None:
    outcome = users.save(("users", plugin("users", 2, top=ENDLESS, body="initialize = Endless()")))
    assert outcome is not None
    assert outcome.success


def assert_goes_on(users: Lab) -> None:
    assert users.json("/users/version")["version"] == 1
    assert users.save(("users", plugin("users", 3))).success
    assert users.json("/users/version")["version"] == 3


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_an_error_whose_text_ends_the_interpreter_is_named(users: Lab, kind: str) -> None:
    top = "class Last(Exception):\n    def __str__(self):\n        raise SystemExit(3)"
    text = plugin("users", 2, top=top, body=f"{kind} initialize(self):\n    raise Last")
    outcome = users.save(("users", text))
    assert outcome is not None
    (found,) = outcome.diagnostics
    assert (found.code, found.message) == ("RUN001", "'initialize' of 'users' raised Last")
    assert_goes_on(users)


def test_globals_are_not_asked_for_their_class(users: Lab) -> None:
    top = f"{ENDLESS}\nKEPT = Disguised()"
    outcome = users.save(("users", plugin("users", 2, top=top)))
    assert outcome is not None
    assert outcome.success
    body = "def initialize(self):\n    return False"
    outcome = users.save(("users", plugin("users", 3, top=top, body=body)))
    assert outcome is not None
    assert outcome.result is Result.ROLLED_BACK
    assert users.json("/users/version")["version"] == 2
    assert users.save(("users", plugin("users", 4))).success


def test_a_module_of_routes_that_answers_to_every_name(users: Lab) -> None:
    routes = "def __getattr__(name):\n    while True:\n        PLACE = 1\n"
    outcome = users.save(("users", plugin("users", 2)), ("users/routes.py", routes))
    assert outcome is not None
    assert outcome.result is Result.ROLLED_BACK
    (found,) = outcome.diagnostics
    assert found.code == "RUN002"
    assert found.file == "plugins/users/routes.py"
    users.path("users/routes.py").unlink()
    assert_goes_on(users)


def test_the_health_of_what_serves_is_asked_with_a_time_limit(
    users: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devserver.reload.probe._FRESH", 0.0)
    monkeypatch.setattr(users.running.control._probe, "_timeout", 0.2)
    body = """
        asked = 0

        def health_check(self):
            type(self).asked += 1
            return HealthStatus(healthy=self.asked == 1 or Endless())  # the first is the reload's
    """
    assert users.save(("users", plugin("users", 2, top=ENDLESS, body=body))).success
    control = users.running.control
    wait_for(lambda: control.health("users")["status"] == "unhealthy", "the hang")
    assert "did not finish within 0.2 s" in control.health("users")["message"]


def test_the_name_of_what_a_candidate_did_is_asked_with_a_time_limit(users: Lab) -> None:
    top = ENDLESS + (
        "import sys\n"
        "class Finder:\n"
        "    __repr__ = endless\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        return None\n"
        "sys.meta_path.append(Finder())\n"
    )
    body = "def initialize(self):\n    return False"
    outcome = users.save(("users", plugin("users", 2, top=top, body=body)))
    assert outcome is not None
    assert outcome.result is Result.ROLLED_BACK
    assert_goes_on(users)


@pytest.mark.parametrize(
    "line",
    ["raise asyncio.CancelledError('gone')", "asyncio.current_task().cancel(); await wait()"],
)
def test_a_hook_that_cancels_itself_is_told_with_its_place(users: Lab, line: str) -> None:
    top = "import asyncio\nasync def wait():\n    await asyncio.sleep(30)"
    text = plugin("users", 2, top=top, body=f"async def initialize(self):\n    {line}")
    outcome = users.save(("users", text))
    assert outcome is not None
    (found,) = outcome.diagnostics
    assert found.code == "RUN001"
    assert "'initialize' of 'users' raised CancelledError" in found.message
    assert found.file == "plugins/users/plugin.py"
    assert found.traceback is not None
    assert line in found.traceback
    assert_goes_on(users)
