from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devserver.core.changes import ChangeBatch

Sysctl = Callable[..., tuple[int, str, str]]

PLUGIN = """
from devserver.sdk import BasePlugin

class {name}(BasePlugin):
    name = "{name}"
    version = "1.0.0"
"""
DEPENDENT = (
    """
from plugins.users.plugin import users
"""
    + PLUGIN
)
BROKEN = "def broken(:\n    pass\n"


@pytest.fixture
def write(project: Path) -> Callable[[str, str], Path]:
    """Writes a plugin's entry file; `{name}` in it is the plugin's name."""

    def write(name: str, text: str = PLUGIN) -> Path:
        path = project / "plugins" / name / "plugin.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("{name}", name))
        return path

    return write


@pytest.fixture(autouse=True)
def _plugins(write: Callable[..., Path]) -> None:
    write("users")
    write("orders", DEPENDENT)
    write("alone")


class ScriptedWatcher:
    """Stands for the watcher: after the first run it tells the batches of a script, one when
    the one before was dealt with, and then sends Ctrl-C."""

    script: Iterator[Any]

    def __init__(self, root: Path, _settings: Any, on_batch: Any, on_problem: Any) -> None:
        self._root = root
        self._on_batch = on_batch

    def start(self) -> None:
        return

    def stop(self) -> None:
        return

    def tell_next(self) -> None:
        paths = next(self.script, None)
        if paths is None:
            os.kill(os.getpid(), signal.SIGINT)
        elif paths == "everything":
            self._on_batch(ChangeBatch(paths=frozenset(), first_seen=0, complete=True))
        else:
            batch = frozenset(self._root / path for path in paths)
            self._on_batch(ChangeBatch(paths=batch, first_seen=0))


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[[Iterator[Any]], None]:
    """`watch(script)`: the batches that `validate --watch` will see."""
    from devserver.cli import validate, watching

    told: list[ScriptedWatcher] = []

    def make(*arguments: Any, **more: Any) -> ScriptedWatcher:
        told.append(ScriptedWatcher(*arguments, **more))
        return told[-1]

    first_run, run_again = validate.Validation.first_run, watching._call

    def run_and_begin(validation: Any) -> None:
        first_run(validation)
        told[-1].tell_next()

    def run_and_go_on(again: Any, batch: ChangeBatch) -> None:
        run_again(again, batch)
        told[-1].tell_next()

    monkeypatch.setattr(watching, "Watcher", make)
    monkeypatch.setattr(validate.Validation, "first_run", run_and_begin)
    monkeypatch.setattr(watching, "_call", run_and_go_on)

    def script(batches: Iterator[Any]) -> None:
        ScriptedWatcher.script = batches

    return script


def test_valid_plugins_are_a_line_and_exit_with_0(sysctl: Sysctl) -> None:
    code, out, err = sysctl("dev", "plugin", "validate", "--all")
    assert (code, err) == (0, "")
    assert out.startswith("✓ 3 plugins: valid")
    assert len(out.splitlines()) == 1
    assert sysctl("dev", "plugin", "validate", "users")[1].startswith("✓ users: valid")


def test_an_error_is_shown_with_its_code_and_exits_with_5(
    sysctl: Sysctl, write: Callable[..., Path]
) -> None:
    write("users", BROKEN)
    code, out, _ = sysctl("dev", "plugin", "validate", "users")
    assert code == 5
    assert "plugins/users/plugin.py:1" in out
    assert "def broken(:" in out
    assert out.splitlines()[-1].startswith("✗ users: 1 error")
    assert sysctl("dev", "plugin", "validate", "alone")[0] == 0


@pytest.mark.parametrize("words", [["--json"], ["--format", "json"], ["--format=json"]])
def test_json_is_one_document(sysctl: Sysctl, write: Callable[..., Path], words: list[str]) -> None:
    write("users", BROKEN)
    code, out, err = sysctl("dev", "plugin", "validate", "users", *words)
    assert (code, err) == (5, "")
    document = json.loads(out)
    assert [d["plugin"] for d in document["diagnostics"]] == ["users"]


def test_what_to_validate_must_be_said_once(sysctl: Sysctl) -> None:
    for words in ([], ["users", "--all"]):
        code, _, err = sysctl("dev", "plugin", "validate", *words)
        assert code == 2
        assert "error: " in err


@pytest.mark.parametrize("words", [[], ["--watch"], ["--json"]])
def test_an_unknown_plugin_exits_with_3(
    sysctl: Sysctl, watch: Callable[[Iterator[Any]], None], words: list[str]
) -> None:
    watch(iter([["plugins/users/plugin.py"]]))
    code, _, err = sysctl("dev", "plugin", "validate", "nobody", *words)
    assert code == 3
    assert "no plugin named 'nobody'" in err


def runs(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_watching_validates_what_changed_and_its_dependents(
    sysctl: Sysctl, watch: Callable[[Iterator[Any]], None], write: Callable[..., Path]
) -> None:
    def script() -> Iterator[Any]:
        write("users", BROKEN)
        yield ["plugins/users/plugin.py"]
        write("users")
        yield ["plugins/users/plugin.py"]
        yield ["plugins/orders/plugin.py"]
        yield ["plugins/nothing/plugin.py"]
        yield "everything"

    watch(script())
    code, out, err = sysctl("dev", "plugin", "validate", "--all", "--watch", "--json")
    assert (code, err.strip()) == (130, "")
    first, broken, mended, orders, everything = runs(out)
    assert first["plugins"] == ["alone", "orders", "users"]
    assert broken["plugins"] == ["orders", "users"]
    assert broken["changes"] == ["plugins/users/plugin.py"]
    assert any(d["severity"] == "error" for d in broken["diagnostics"])
    assert (mended["plugins"], mended["diagnostics"]) == (["orders", "users"], [])
    assert orders["plugins"] == ["orders"]
    assert everything["plugins"] == ["alone", "orders", "users"]
    assert [r["run"] for r in runs(out)] == [1, 2, 3, 4, 5]


def test_watching_one_plugin_minds_what_it_touches_and_nothing_else(
    sysctl: Sysctl, watch: Callable[[Iterator[Any]], None]
) -> None:
    watch(iter([["plugins/alone/plugin.py"], ["plugins/users/plugin.py"]]))
    out = sysctl("dev", "plugin", "validate", "orders", "--watch", "--json")[1]
    assert [run["plugins"] for run in runs(out)] == [["orders"], ["orders"]]
    watch(iter([["plugins/alone/plugin.py"], ["plugins/users/plugin.py"]]))
    out = sysctl("dev", "plugin", "validate", "users", "--watch", "--json")[1]
    assert [run["plugins"] for run in runs(out)] == [["users"], ["orders", "users"]]


def test_watching_prints_one_block_a_batch_and_clears_nothing(
    sysctl: Sysctl, watch: Callable[[Iterator[Any]], None], write: Callable[..., Path]
) -> None:
    def script() -> Iterator[Any]:
        write("alone", BROKEN)
        yield ["plugins/alone/plugin.py"]
        (write("alone")).unlink()
        yield ["plugins/alone/plugin.py"]

    watch(script())
    code, out, _ = sysctl("dev", "plugin", "validate", "--all", "--watch")
    first, broken, gone = out.split("\n\n")
    assert code == 130
    assert first.startswith("✓ 3 plugins: valid")
    assert broken.splitlines()[0].endswith("  plugins/alone/plugin.py")
    assert broken.splitlines()[-1].startswith("✗ alone: 1 error")
    assert gone.strip().endswith("removed: alone")
    assert "\x1b" not in out


def test_a_new_plugin_is_noticed(
    sysctl: Sysctl, watch: Callable[[Iterator[Any]], None], write: Callable[..., Path]
) -> None:
    def script() -> Iterator[Any]:
        write("fresh")
        yield ["plugins/fresh/plugin.py"]

    watch(script())
    out = sysctl("dev", "plugin", "validate", "--all", "--watch", "--json")[1]
    assert [run["plugins"] for run in runs(out)][1:] == [["fresh"]]


def test_a_term_signal_ends_watching_well(
    sysctl: Sysctl, watch: Callable[[Iterator[Any]], None]
) -> None:
    def script() -> Iterator[Any]:
        os.kill(os.getpid(), signal.SIGTERM)
        yield ["plugins/users/plugin.py"]

    watch(script())
    assert sysctl("dev", "plugin", "validate", "--all", "--watch")[0] == 0
