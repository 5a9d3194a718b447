from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

import devserver
from devserver import __version__
from devserver.cli.application import root
from devserver.cli.commands import Group
from devserver.cli.main import main

Sysctl = Callable[..., tuple[int, str, str]]
HEAVY = ("click", "rich", "flask", "networkx", "watchfiles", "pydantic", "rich_click", "http")


def every_command(group: Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, Group):
            yield from every_command(command, (*path, name))
        else:
            yield (*path, name)


COMMANDS = list(every_command(root))


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


def test_the_commands_are_those_that_exist_so_far() -> None:
    assert {" ".join(c) for c in COMMANDS} == {
        "database", "database migrate", "database status", "doctor", "instances",
        "", "dev", "dev server", "dev token", "dev plugin", "dev plugin codes",
        "dev plugin validate", "dev plugin debug", "dev plugin monitor", "plugins",
        "plugins debug", "plugins logs", "plugins profile", "plugins debug-watcher",
        "start", "dev mode", "dev plugin analyze-deps", "dev plugin create", "dev plugin schema",
        "dev plugin test",
        "plugins config", "plugins deps", "plugins dev",
        "plugins disable", "plugins enable", "plugins load", "plugins unload",
        "plugins install", "plugins uninstall", "plugins canary",
        "plugins history", "plugins rollback", "plugins bisect", "plugins events", "plugins health",
        "plugins info", "plugins list", "plugins reload", "plugins restart",
        "plugins run", "plugins status",
    }  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_of_every_command_has_examples_that_are_calls(
    sysctl: Sysctl, command: tuple[str, ...]
) -> None:
    code, out, err = sysctl(*command, "--help")
    assert (code, err) == (0, "")
    assert "--json" in out
    assert "--project DIR" in out
    _, _, shown = out.partition("Example")
    calls = [line.split()[1:] for line in shown.splitlines() if line.strip().startswith("sysctl ")]
    assert calls
    for call in calls:
        assert sysctl(*call, "--help")[0] == 0
    assert sysctl(*command, "-h")[1] == out


def test_no_arguments_give_the_help(sysctl: Sysctl) -> None:
    code, out, _ = sysctl()
    assert (code, out) == (0, sysctl("--help")[1])
    assert "_SYSCTL_COMPLETE=bash_source sysctl" in out


def test_the_version_is_told(sysctl: Sysctl) -> None:
    assert sysctl("--version") == (0, f"sysctl dev server {__version__}\n", "")
    assert sysctl("--json", "--version") == (0, f"sysctl dev server {__version__}\n", "")


@pytest.mark.parametrize("words", ["--version", "-n kernel.ostype"])
def test_the_quick_ways_import_nothing_heavy(words: str) -> None:
    code = (
        "import os, sys\n"
        "os.execv = lambda *call: print('exec', call[0])\n"
        "from devserver.cli.main import main\n"
        "main(sys.argv[1:])\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])\n"
    )
    assert python(code, *words.split()).stdout.splitlines()[-1] == "[]"


def test_a_list_from_a_server_imports_no_server_and_no_watcher() -> None:
    code = (
        "import sys\n"
        "from devserver.cli.main import main\n"
        "main(['plugins', 'list', '--help'])\n"
        "print([m for m in ('flask', 'watchfiles', 'networkx', 'rich') if m in sys.modules])\n"
    )
    assert python(code).stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("plugins", "lst"), "Did you mean 'list'?"),
        (("wat",), "No such command 'wat'."),
        (("plugins", "list", "--wat"), "No such option"),
        (("dev", "server", "--port", "70000"), "70000 is not in the range"),
        (("dev", "server", "--log-format", "xml"), "'xml' is not one of"),
    ],
)
def test_a_wrong_use_exits_with_2_and_says_where_help_is(
    sysctl: Sysctl, words: tuple[str, ...], told: str
) -> None:
    code, out, err = sysctl(*words)
    assert (code, out) == (2, "")
    assert err.startswith("Usage: sysctl ")
    assert "\nerror: " in err
    assert told in err
    assert "--help` shows how it is used" in err
    code, out, _ = sysctl(*words, "--json")
    assert code == 2
    assert told in json.loads(out)["error"]


def test_a_group_alone_shows_its_help_and_counts_as_a_wrong_use(sysctl: Sysctl) -> None:
    code, out, err = sysctl("plugins")
    assert (code, out) == (2, "")
    assert "Commands:" in err


def test_an_interrupted_command_exits_with_130(
    sysctl: Sysctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("devserver.cli.plugins._find", interrupt)
    code, out, err = sysctl("plugins", "list")
    assert (code, out, err.strip()) == (130, "", "")


def test_a_file_that_cannot_be_used_is_an_error_without_a_traceback(
    sysctl: Sysctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied", "/x/plugins")

    monkeypatch.setattr("devserver.cli.plugins._find", refuse)
    assert sysctl("plugins", "list") == (1, "", "error: /x/plugins: Permission denied\n")


def test_a_reader_that_goes_away_is_no_fault(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    result = subprocess.run(
        [sys.executable, "-m", "devserver", "--help"], stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    assert (result.returncode, result.stderr) == (1, b"")


def test_the_name_that_was_typed_is_the_name_that_help_shows(
    sysctl: Sysctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    for called, name in (
        ("/venv/bin/sysctl", "sysctl"),
        ("/venv/bin/sysctl-dev", "sysctl-dev"),
        ("/src/devserver/__main__.py", "python -m devserver"),
    ):
        monkeypatch.setattr(sys, "argv", [called])
        assert sysctl("plugins", "status")[2].endswith(f"`{name} dev server`\n")


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """What a command prints on a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "devserver", *arguments],
        stdout=theirs,
        stderr=theirs,
        stdin=theirs,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"} | environment,
    )
    os.close(theirs)
    printed = b""
    try:
        while chunk := os.read(ours, 65536):
            printed += chunk
    except OSError:
        pass  # the other side was closed: the process has ended
    os.close(ours)
    process.wait()
    return printed.decode()


def test_help_on_a_terminal_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    drawn = on_a_terminal("plugins", "--help")
    assert "╭─" in drawn
    assert "\x1b[1m" in drawn
    assert "Examples:\r\n   python -m devserver plugins list\r\n" in drawn
    plain = on_a_terminal("plugins", "--help", NO_COLOR="1")
    assert "\x1b[3" not in plain
    assert "Usage" in plain
    assert "╭─" not in on_a_terminal("plugins", "--help", TERM="dumb")


def test_completion_knows_commands_and_plugins(project: Path) -> None:
    (project / "plugins" / "users").mkdir()
    (project / "plugins" / "users" / "plugin.py").touch()
    (project / "plugins" / "orders.py").touch()

    def complete(words: str) -> list[str]:
        result = subprocess.run(
            [sys.executable, "-c", "from devserver.cli.main import main; main()"],
            env=os.environ
            | {
                "_SYSCTL_COMPLETE": "bash_complete",
                "PYTHONPATH": str(Path(devserver.__file__).parent.parent),
                "COMP_WORDS": words,
                "COMP_CWORD": str(len(words.split(" ")) - 1),
            },
            capture_output=True,
            text=True,
            cwd=project,
            check=False,
        )
        return [line.partition(",")[2] for line in result.stdout.splitlines()]

    assert complete("sysctl pl") == ["plugins"]
    assert complete("sysctl plugins re") == ["reload", "restart"]
    assert complete("sysctl plugins info ") == ["orders", "users"]
    assert complete("sysctl dev plugin validate us") == ["users"]


def test_main_gives_its_code_to_the_caller() -> None:
    assert main(["--help"]) == 0
