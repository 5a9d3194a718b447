"""The state of every generation that goes is also written down, for people."""

from __future__ import annotations

import enum
import json
import os
import stat
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from devserver.core.outcome import Outcome
from devserver.runtime.readable import CUT, MASK, Readable
from tests.integration.lab import Lab, plugin, wait_for

MANIFEST = json.dumps(
    {"name": "users", "configuration": {"dsn": {"type": "string", "secret": True}}}
)


def backups(lab: Lab, name: str = "users") -> list[Path]:
    folder = lab.root / "instance" / "backups" / name
    return sorted(folder.glob("*.json")) if folder.exists() else []


def disposed(lab: Lab, outcome: Outcome | None) -> Outcome:
    """The outcome once its old generation is gone, which is after the backup."""
    assert outcome is not None

    def amended() -> Outcome | None:
        known = next(o for o in lab.running.journal.outcomes() if o.id == outcome.id)
        return known if any(s.name == "dispose" for s in known.steps) else None

    found: Outcome = wait_for(amended, "the disposal")
    return found


def saved(lab: Lab, version: int, **parts: str) -> dict[str, Any]:
    """What was written down when the next version went live."""
    outcome = lab.save(("users", plugin("users", version, **parts)))
    assert disposed(lab, outcome).success
    content: dict[str, Any] = json.loads(backups(lab)[-1].read_text())
    return content


def test_the_state_before_a_reload_is_there_to_read(lab: Lab) -> None:
    parts = {
        "top": """
            PERSISTENT = ("total",)
            total = 0
            class User:
                __slots__ = ("name", "friends")
                def __repr__(self):
                    raise AssertionError("a plugin's repr is not called")
        """,
        "init": "self.people = {}",
        "body": """
            def get_persistent_state(self):
                return [1, 2]
        """,
    }
    lab.write("users", plugin("users", **parts))
    lab.start()
    lab.json("/users/hit")
    user = sys.modules["plugins.users.plugin"].User()
    user.name, user.friends = "ada", {("x", 1)}
    lab.generation("users").plugin.people["ada"] = user
    sys.modules["plugins.users.plugin"].total = 7
    content = saved(lab, 2, **parts)
    assert content["plugin"] == "users"
    assert (content["generation"], content["version"], content["complete"]) == (1, "1.0.0", True)
    assert content["get_persistent_state()"] == [1, 2]
    assert content["state"]["hits"] == 1
    assert content["state"]["plugin:total"] == 7
    assert content["state"]["people"]["ada"] == {
        "$type": "plugins.users.plugin.User",
        "name": "ada",
        "friends": {"$type": "set", "items": [{"$type": "tuple", "items": ["x", 1]}]},
    }


def test_a_backup_is_for_its_owner_alone_and_the_last_ten_are_kept(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    for version in range(2, 14):
        saved(lab, version)
    found = backups(lab)
    assert [p.stem.rpartition("-")[2] for p in found] == [f"g{n}" for n in range(3, 13)]
    assert {stat.S_IMODE(p.stat().st_mode) for p in found} == {0o600}
    assert stat.S_IMODE(found[0].parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(found[0].parent.parent.stat().st_mode) == 0o700
    assert [p.name for p in found[0].parent.iterdir() if p not in found] == []


def test_secrets_are_masked_by_name_and_by_value(lab: Lab) -> None:
    init = """
        self.api_key = "k-1"
        self.users = {"ada": {"password": "p-1", "name": "ada", "reset-token": None}}
        self.url = "postgres://app:u-1@host/db"
        self.note = "connects with s3cr3t-value now"
        self.copied = ["s3cr3t-value"]
        self.raw = b"s3cr3t-value"
    """
    lab.write("users", plugin("users", init=init))
    lab.write("users/manifest.json", MANIFEST)
    lab.write("/config/plugins.yaml", "users:\n  dsn: s3cr3t-value\n")
    lab.start()
    content = saved(lab, 2, init=init)
    state = content["state"]
    text = backups(lab)[-1].read_text()
    assert not any(secret in text for secret in ("k-1", "p-1", "u-1", "s3cr3t-value"))
    assert state["users"] == {"ada": {"password": MASK, "name": "ada", "reset-token": None}}
    assert state["url"] == f"postgres://app:{MASK}@host/db"
    assert state["note"] == f"connects with {MASK} now"


def test_a_folder_that_cannot_be_written_is_told_and_fails_no_reload(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.write("/instance/backups", "a file where the folder should be")
    lab.start()
    outcome = disposed(lab, lab.save(("users", plugin("users", 2))))
    assert outcome.success
    assert any("state of 'users' was not written" in note for note in outcome.notes)
    notices = [e for e in lab.running.journal.events_after(0, 0) if e.kind == "notice"]
    assert any("was not written" in e.payload["message"] for e in notices)


def test_a_full_disk_leaves_no_half_file(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.write("users", plugin("users"))
    lab.start()

    def full(*_arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    outcome = disposed(lab, lab.save(("users", plugin("users", 2))))
    assert outcome.success
    assert any("No space left on device" in note for note in outcome.notes)
    assert list((lab.root / "instance" / "backups" / "users").iterdir()) == []


def test_no_backup_is_written_when_it_is_switched_off(lab: Lab) -> None:
    lab.settings("reload:\n  backup_state: false\n")
    lab.write("users", plugin("users"))
    lab.start()
    disposed(lab, lab.save(("users", plugin("users", 2))))
    assert backups(lab) == []


def test_a_plugin_that_is_removed_leaves_its_state_behind(lab: Lab) -> None:
    lab.write("users.py", plugin("users"))
    lab.start()
    lab.json("/users/hit")
    disposed(lab, lab.save(("users.py", None)))
    assert json.loads(backups(lab)[-1].read_text())["state"]["hits"] == 1


# -- values ---------------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (float("nan"), {"$type": "float", "value": "nan"}),
        (Colour.RED, {"$type": f"{__name__}.Colour", "value": "RED"}),
        (Path("/a"), {"$type": "pathlib.PosixPath", "value": "/a"}),
        ({1: "x"}, {"$type": "dict", "items": [[1, "x"]]}),
        (b"\xff", {"$type": "bytes", "length": 1, "value": "\xff"}),
        (os.path.join, {"$type": "function", "value": "posixpath.join"}),
        (threading.Thread, {"$type": "type", "value": "threading.Thread"}),
    ],
)
def test_what_is_no_json_is_shown_with_its_type(value: object, shown: object) -> None:
    assert Readable().of(value) == shown
    json.dumps(shown, allow_nan=False)


def test_circles_and_what_cannot_be_read_are_shown_as_such() -> None:
    circle: list[Any] = []
    circle.append(circle)
    assert Readable().of(circle) == [{"$type": "list", "value": "(circle)"}]

    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    shown = Readable().of(Broken())
    assert shown["value"] == "(unreadable: RuntimeError)"


def test_the_work_is_bounded_whatever_the_size() -> None:
    readable = Readable(nodes=1000)
    shown = readable.of([[n, "x"] for n in range(1_000_000)])
    assert readable.cut
    assert shown[-1] == CUT
    assert len(json.dumps(shown)) < 100_000
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert Readable().of(deep)
    assert len(Readable().of("x" * 10_000_000)) < 11_000


@pytest.mark.parametrize("by_settings", [True, False])
def test_it_is_written_once_and_told_where_when_it_is_asked_for(
    lab: Lab, by_settings: bool
) -> None:
    lab.settings(f"reload:\n  backup_state: {str(by_settings).lower()}\n")
    lab.write("users", plugin("users"))
    lab.start()
    lab.json("/users/hit")
    outcome = lab.running.control.reload("users", backup_state=True)
    (path,) = backups(lab)
    assert outcome.backups == (path.relative_to(lab.root).as_posix(),)
    assert outcome.notes == (f"state written to {outcome.backups[0]}",)
    assert json.loads(path.read_text())["state"]["hits"] == 1
    disposed(lab, outcome)
    assert backups(lab) == [path]


def test_what_was_not_replaced_is_not_written_though_it_is_asked_for(lab: Lab) -> None:
    lab.settings("reload:\n  backup_state: false\n")
    lab.write("users", plugin("users"))
    lab.start()
    lab.write("users", "def")
    outcome = lab.running.control.reload("users", backup_state=True)
    assert (outcome.success, outcome.backups, backups(lab)) == (False, (), [])


def test_what_is_asked_for_and_cannot_be_written_is_told(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    (lab.root / "instance" / "backups").write_text("in the way")
    outcome = lab.running.control.reload("users", backup_state=True)
    assert (outcome.success, outcome.backups) == (True, ())
    (note,) = outcome.notes
    assert note.startswith("the state of 'users' was not written to instance/backups/: ")
