"""`sysctl plugins run`: the command line of a plugin's command, from its signature."""

from __future__ import annotations

import datetime
import enum
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from cli_fakes import FakeApi

from devserver.runtime.arguments import described

Sysctl = Callable[..., tuple[int, str, str]]
PLACE = "/api/plugins/users/commands"


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


def add(
    name: str,
    age: int = 18,
    *,
    tags: list[str] = [],  # noqa: B006
    admin: bool = False,
    colour: Colour | None = None,
    level: Literal[1, 2] = 1,
    ratio: Annotated[float, "how much"] = 0.5,
    extra: dict[str, int] | None = None,
) -> None:
    """Adds a user.

    Further words about it,
    in two lines.
    """


def guess(a, b=1):  # type: ignore[no-untyped-def]
    """Without annotations."""


def total(first: int, *more: int) -> None: ...


def free(kind: str, **more: object) -> None: ...


def put(json: str, project: str = "") -> None: ...


def visit(
    day: datetime.date,
    place: Path = Path("home"),
    *,
    who: int | str = 0,
    pair: tuple[int, str] = (1, "a"),
    colour: Colour = Colour.RED,
) -> None: ...


COMMANDS: dict[str, Callable[..., Any]] = {
    "add": add, "guess": guess, "total": total, "free": free, "put": put, "visit": visit,
}  # fmt: skip


@pytest.fixture
def users(api: FakeApi) -> FakeApi:
    told = [{"name": n, **described(f)} for n, f in sorted(COMMANDS.items())]
    api.answers[f"GET {PLACE}"] = (200, json.loads(json.dumps(told)))
    for name in COMMANDS:
        api.answers[f"POST {PLACE}/{name}"] = (200, {"result": None})
    return api


def sent(users: FakeApi, command: str) -> Any:
    return users.asked(f"{PLACE}/{command}")[-1].body


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (["Ada"], {"name": "Ada"}),
        (["Ada", "36"], {"name": "Ada", "age": 36}),
        (["--name", "Ada", "--age=36"], {"name": "Ada", "age": 36}),
        (["name=Ada", "age=36"], {"name": "Ada", "age": 36}),
        (["--age", "36", "Ada"], {"name": "Ada", "age": 36}),
        (["name=36"], {"name": "36"}),
        (["name=a=b"], {"name": "a=b"}),
        (["x=y"], {"name": "x=y"}),
        (["Ada", "--tags", "a", "--tags", "b"], {"name": "Ada", "tags": ["a", "b"]}),
        (["Ada", "--admin"], {"name": "Ada", "admin": True}),
        (["Ada", "--no-admin"], {"name": "Ada", "admin": False}),
        (["Ada", "admin=true"], {"name": "Ada", "admin": True}),
        (["Ada", "--colour", "red", "level=2"], {"name": "Ada", "colour": "red", "level": 2}),
        (["Ada", "--ratio", ".25"], {"name": "Ada", "ratio": 0.25}),
        (["Ada", "--extra", '{"a": 1}'], {"name": "Ada", "extra": {"a": 1}}),
        (["--", "--admin"], {"name": "--admin"}),
        (["Ada", "-3"], {"name": "Ada", "age": -3}),
        (["Ada", "--ratio", "-.5", "-3"], {"name": "Ada", "age": -3, "ratio": -0.5}),
        (["Ada", "--project", "."], {"name": "Ada"}),
    ],
)
def test_arguments_are_read_by_the_signature(
    users: FakeApi, sysctl: Sysctl, words: list[str], body: dict[str, Any]
) -> None:
    code, out, err = sysctl("plugins", "run", "users", "add", *words)
    assert (code, out, err) == (0, "", "")
    assert sent(users, "add") == body


@pytest.mark.parametrize(
    ("command", "words", "told"),
    [
        ("add", [], "missing: NAME"),
        ("add", ["Ada", "old"], "AGE: 'old' is not a valid integer"),
        ("add", ["Ada", "--age", "old"], "'old' is not a valid integer"),
        ("add", ["Ada", "36", "x", "y"], "unexpected: x y"),
        ("add", ["Ada", "--agr", "3"], "No such option '--agr'"),
        ("add", ["Ada", "--agr=3"], "No such option '--agr'"),
        ("add", ["Ada", "--agr=3"], "--age"),
        ("add", ["Ada", "-x"], "No such option '-x'"),
        ("add", ["Ada", "--colour", "green"], "'green' is not one of 'red', 'blue'"),
        ("add", ["Ada", "--extra", "{"], "'{' is no JSON"),
        ("add", ["Ada", "admin=perhaps"], "'perhaps' is not a valid boolean"),
        ("ad", ["Ada"], "plugin 'users' has no command 'ad'; did you mean 'add'?"),
        ("zzz", [], "it has: add, free, guess, put, total, visit"),
        ("total", ["1", "two"], "MORE: 'two' is not a valid integer"),
    ],
)
def test_what_does_not_fit_is_a_usage_error_and_nothing_is_run(
    users: FakeApi, sysctl: Sysctl, command: str, words: list[str], told: str
) -> None:
    code, out, err = sysctl("plugins", "run", "users", command, *words)
    assert (code, out) == (2, "")
    assert told in err
    assert "hint: `sysctl plugins run" in err
    assert not [r for r in users.requests if r.method == "POST"]


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (["2026-11-21", "a/b"], {"day": "2026-11-21", "place": "a/b"}),
        (["2026-11-21", "--who", "Ada"], {"day": "2026-11-21", "who": "Ada"}),
        (["2026-11-21", "--who", "3"], {"day": "2026-11-21", "who": 3}),
        (["2026-11-21", "--pair", '[2, "b"]'], {"day": "2026-11-21", "pair": [2, "b"]}),
    ],
)
def test_what_is_text_in_json_is_written_without_quotes(
    users: FakeApi, sysctl: Sysctl, words: list[str], body: dict[str, Any]
) -> None:
    assert sysctl("plugins", "run", "users", "visit", *words)[0] == 0
    assert sent(users, "visit") == body


def test_defaults_are_shown_as_they_would_be_given(users: FakeApi, sysctl: Sysctl) -> None:
    out = sysctl("plugins", "run", "users", "visit", "--help")[1]
    assert "[default: red]" in out
    assert "[default: home]" in out


def test_words_without_annotations_are_json_or_text(users: FakeApi, sysctl: Sysctl) -> None:
    assert sysctl("plugins", "run", "users", "guess", "[1, 2]", "3")[0] == 0
    assert sent(users, "guess") == {"a": [1, 2], "b": 3}
    assert sysctl("plugins", "run", "users", "guess", "Ada")[0] == 0
    assert sent(users, "guess") == {"a": "Ada"}


def test_the_rest_of_the_line_and_free_names(users: FakeApi, sysctl: Sysctl) -> None:
    assert sysctl("plugins", "run", "users", "total", "1", "2", "3")[0] == 0
    assert sent(users, "total") == {"first": 1, "more": [2, 3]}
    assert sysctl("plugins", "run", "users", "free", "x", "a=1", "b=yes")[0] == 0
    assert sent(users, "free") == {"kind": "x", "a": 1, "b": "yes"}


def test_names_that_every_command_has_can_be_given_by_the_equals_sign(
    users: FakeApi, sysctl: Sysctl
) -> None:
    assert sysctl("plugins", "run", "users", "put", "json=x", "project=y")[0] == 0
    assert sent(users, "put") == {"json": "x", "project": "y"}


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_a_command_has_help_of_its_own(users: FakeApi, sysctl: Sysctl, word: str) -> None:
    code, out, _ = sysctl("plugins", "run", "users", "add", word)
    assert code == 0
    assert "Usage: sysctl plugins run users add [OPTIONS] NAME [AGE]" in out
    assert "  Further words about it,\n  in two lines." in out
    assert "[default: 18]" in out
    assert "[red|blue]" in out
    assert "--admin / --no-admin" in out
    assert "how much  [default: 0.5]" in out
    assert not [r for r in users.requests if r.method == "POST"]


def test_a_plugin_lists_its_commands(users: FakeApi, sysctl: Sysctl) -> None:
    code, out, _ = sysctl("plugins", "run", "users", "--help")
    assert code == 0
    assert [line.split() for line in out.splitlines()][:3] == [
        ["COMMAND", "HELP"],
        ["add", "Adds", "a", "user."],
        ["free"],
    ]
    assert json.loads(sysctl("plugins", "run", "users", "--help", "--json")[1])[0]["name"] == "add"


def test_results_are_bare_text_or_json(users: FakeApi, sysctl: Sysctl) -> None:
    users.answers[f"POST {PLACE}/guess"] = (200, {"result": "hi\x1b[2J\nyou"})
    assert sysctl("plugins", "run", "users", "guess", "1") == (0, "hi\\x1b[2J\nyou\n", "")
    users.answers[f"POST {PLACE}/guess"] = (200, {"result": {"id": 3}})
    assert json.loads(sysctl("plugins", "run", "users", "guess", "1")[1]) == {"id": 3}
    document = sysctl("plugins", "run", "users", "guess", "1", "--json")[1]
    assert json.loads(document) == {"result": {"id": 3}}


def test_what_the_server_finds_wrong_with_arguments_is_a_usage_error_too(
    users: FakeApi, sysctl: Sysctl
) -> None:
    wrong = {"error": "command 'guess': a: no", "hint": "its arguments: (a)", "errors": []}
    users.answers[f"POST {PLACE}/guess"] = (422, wrong)
    code, _, err = sysctl("plugins", "run", "users", "guess", "1")
    assert (code, "command 'guess': a: no" in err) == (2, True)


def test_what_a_command_raises_is_shown_with_the_plugins_frames(
    users: FakeApi, sysctl: Sysctl
) -> None:
    trace = 'File "plugins/users/plugin.py", line 3, in guess\n    1 / 0'
    failed = {"error": "command 'guess' raised ZeroDivisionError", "traceback": trace}
    users.answers[f"POST {PLACE}/guess"] = (500, failed)
    code, out, err = sysctl("plugins", "run", "users", "guess", "1")
    assert (code, out) == (1, "")
    assert trace in err
    assert "error: command 'guess' raised ZeroDivisionError" in err


def test_without_a_server_help_tells_how_commands_are_run(sysctl: Sysctl) -> None:
    code, out, err = sysctl("plugins", "run", "users", "add", "--help")
    assert code == 0
    assert "Usage: sysctl plugins run [OPTIONS] NAME COMMAND [ARGS]..." in out
    assert "no dev server is running" in err
    assert sysctl("plugins", "run", "users", "add")[0] == 4
