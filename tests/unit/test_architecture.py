"""Who may import whom."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import devserver

PACKAGE = Path(devserver.__file__).parent
ALLOWED: dict[str, frozenset[str]] = {
    "core": frozenset(),
    "sdk": frozenset({"core"}),
    "sdk/testing": frozenset({"assembly", "reload", "runtime", "sdk", "core"}),
    "validation": frozenset({"core"}),
    "store": frozenset({"core"}),
    "runtime": frozenset({"sdk", "core"}),
    "reload": frozenset({"runtime", "store", "validation", "sdk", "core"}),
    "web": frozenset({"packages", "reload", "runtime", "store", "validation", "sdk", "core"}),
    "packages": frozenset({"runtime", "store", "validation", "core"}),
    "cluster": frozenset({"reload", "runtime", "store", "core"}),
    "assembly": frozenset(
        {"web", "cluster", "packages", "reload", "runtime", "store", "validation", "sdk", "core"}
    ),
    "cli": frozenset(
        {"packages", "reload", "runtime", "store", "validation", "sdk", "core", "assembly"}
    ),
}
IMPURE = {"threading", "time", "logging", "os", "socket", "subprocess", "asyncio", "shutil"}


def imports_of(path: Path) -> list[tuple[str, int]]:
    found = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            found.append((node.module or "", node.lineno))
    return found


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_no_room_imports_what_it_may_not(room: str) -> None:
    wrong = []
    for path in sorted((PACKAGE / room).rglob("*.py")):
        if room == "sdk" and "testing" in path.parts:
            continue
        for name, line in imports_of(path):
            parts = name.split(".")
            if parts[0] != "devserver" or len(parts) == 1:
                continue
            if parts[1] not in ALLOWED[room] | {room, "__version__"}:
                wrong.append(f"{path.relative_to(PACKAGE)}:{line}: {name}")
    assert wrong == []


def test_the_core_does_nothing_but_decide() -> None:
    wrong = [
        f"{path.name}:{line}: {name}"
        for path in sorted((PACKAGE / "core").rglob("*.py"))
        for name, line in imports_of(path)
        if name.split(".")[0] in IMPURE
    ]
    assert wrong == []


def test_nothing_but_tests_needs_what_tests_of_plugins_need() -> None:
    users = [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for name, _ in imports_of(path)
        if name.startswith("devserver.sdk.testing") and "testing" not in path.parts
    ]
    assert users == []


def test_every_room_is_known() -> None:
    rooms = {p.name for p in PACKAGE.iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert rooms - {"builtin_validators"} == {room.partition("/")[0] for room in ALLOWED}
