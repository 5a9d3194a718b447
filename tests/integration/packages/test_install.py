"""Packages go live as a whole and leave no trace when they do not."""

from __future__ import annotations

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from devserver.core.errors import DevServerError, PluginNotFound, SwitchRefused
from devserver.packages import switch
from devserver.packages.offline import offline_packages
from devserver.packages.refusal import PackageRefused
from devserver.packages.trees import files_of
from devserver.runtime.project import Project
from tests.integration.lab import Lab, plugin, wait_for
from tests.integration.packages.zips import Entry, pack, package, plugin_source

FAILS = "\n    def initialize(self):\n        return False\n"
MISSING = "\nimport there_is_no_such_module\n"
HUGE = b"1" * 5000
HUGE_MANIFEST = b'{"version": "' + HUGE + b'"}'
HANGS = """
    def initialize(self):
        import pathlib, time
        while not pathlib.Path({gate!r}).exists():
            time.sleep(0.01)
        return {answer}
"""


def disk(lab: Lab) -> dict[str, bytes]:
    """All files of plugins/ and of the shelf."""
    found = {f"plugins/{p}": data for p, data in files_of(lab.root / "plugins").items()}
    shelf = files_of(lab.root / "instance" / "packages")
    return found | {f"shelf/{p}": data for p, data in shelf.items()}


def triggers(lab: Lab) -> list[tuple[str, str]]:
    """Why each outcome came about and how it ended, the oldest first."""
    return [(o.trigger, str(o.result)) for o in reversed(lab.running.journal.outcomes(None, 100))]


def settled(lab: Lab) -> None:
    """Waits until the watcher has told of everything: a plugin saved now is seen after it."""
    lab.write("marker", plugin("marker"))
    wait_for(lambda: lab.running.journal.outcomes("marker", 1), "the outcome of the marker")


def codes(error: pytest.ExceptionInfo[PackageRefused]) -> list[str]:
    return [d.code for d in error.value.diagnostics if d.is_error]


def test_versions_come_and_go_in_one_transaction_each(lab: Lab) -> None:
    lab.start(hot_reload=True)
    packages = lab.running.packages
    first = packages.install(package())
    assert (first.to_json()["status"], first.name, first.version) == (
        "installed", "users", "1.0.0",
    )  # fmt: skip
    assert lab.json("/users/version") == {"version": "1.0.0"}
    second = packages.install(package(version="2.0.0"))
    assert (second.previous, lab.json("/users/version")) == ("1.0.0", {"version": "2.0.0"})
    assert packages.versions("users") == {
        "name": "users", "current": "2.0.0", "versions": ["1.0.0", "2.0.0"],
    }  # fmt: skip
    back = packages.load("users", "1.0")
    assert (back.previous, lab.json("/users/version")) == ("2.0.0", {"version": "1.0.0"})
    settled(lab)
    assert triggers(lab)[:3] == [("api", "reloaded")] * 3
    assert len(triggers(lab)) == 4
    gone = packages.uninstall("users")
    assert (gone.success, gone.previous, lab.get("/users/version").status_code) == (
        True, "1.0.0", 404,
    )  # fmt: skip
    assert {p for p in disk(lab) if "users" in p} == set()
    assert not [p for p in (lab.root / "plugins").iterdir() if p.name.startswith(".")]


def test_state_is_kept_through_an_upgrade(lab: Lab) -> None:
    lab.start()
    packages = lab.running.packages
    packages.install(package())
    lab.generation("users").plugin.hits = 7
    packages.install(package(version="2.0.0"))
    assert lab.generation("users").plugin.hits == 7


def test_a_package_without_a_folder_takes_its_name_from_the_manifest(lab: Lab) -> None:
    lab.start()
    content = pack(
        Entry("plugin.py", plugin_source()),
        Entry("manifest.json", b'{"name": "users"}'),
        Entry("__MACOSX/._plugin.py", b"x"),
        Entry("__pycache__/plugin.cpython-311.pyc", b"x"),
        Entry(".DS_Store", b"x"),
    )
    assert lab.running.packages.install(content).version == "1.0.0"
    assert sorted(files_of(lab.root / "plugins")) == ["users/manifest.json", "users/plugin.py"]


@pytest.mark.parametrize("watched", [False, True])
def test_what_does_not_start_is_rolled_back_while_requests_go_on(lab: Lab, watched: bool) -> None:
    gate = lab.root / "gate"
    lab.start(hot_reload=watched)
    packages = lab.running.packages
    packages.install(package())
    before, routes = disk(lab), triggers(lab)
    hangs = HANGS.format(gate=str(gate), answer=False)
    lab.settings("safety: {trial_process: false}")
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(packages.install, package(version="2.0.0", tail=hangs))
        new = lab.root / "plugins" / "users" / "plugin.py"
        wait_for(lambda: b"2.0.0" in new.read_bytes(), "the exchange")
        gate.touch()
        done = pending.result()
    assert (done.success, str(done.outcome.result)) == (False, "rolled_back")
    assert "initialize" in str(done.outcome.error)
    assert lab.json("/users/version") == {"version": "1.0.0"}
    assert disk(lab) == before
    record = lab.running.registry.view.plugins["users"]
    assert (record.pending, record.diagnostics) == (False, ())
    if watched:
        settled(lab)
        assert triggers(lab)[len(routes) :] == [("api", "rolled_back"), ("file", "reloaded")]


def test_requests_are_answered_through_upgrades_and_rollbacks(lab: Lab) -> None:
    lab.start(hot_reload=True)
    packages = lab.running.packages
    packages.install(package())
    stop, seen = threading.Event(), set()

    def ask() -> None:
        while not stop.is_set():
            answer = lab.get("/users/version")
            seen.add((answer.status_code, answer.text.strip()))

    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        try:
            for number in range(2, 6):
                assert packages.install(package(version=f"{number}.0.0")).success
                failed = packages.install(package(version=f"{number}.5.0", tail=FAILS))
                assert not failed.success
                assert packages.load("users", "1.0.0").success
        finally:
            stop.set()
        for one in asking:
            one.result()
    assert {status for status, _ in seen} == {200}
    assert {text for _, text in seen} <= {f'{{"version":"{n}.0.0"}}' for n in range(1, 6)}


def test_what_validation_refuses_leaves_no_trace(lab: Lab) -> None:
    lab.start()
    packages = lab.running.packages
    before = disk(lab)
    with pytest.raises(PackageRefused) as refused:
        packages.install(package(tail=MISSING))
    assert codes(refused) == ["IMP001"]
    assert refused.value.diagnostics[0].file == "plugins/users/plugin.py"
    assert {**before, "shelf/.lock": b""} == disk(lab)
    assert lab.running.registry.view.plugins == {}


def test_a_first_version_that_does_not_start_leaves_no_trace(lab: Lab) -> None:
    lab.start()
    done = lab.running.packages.install(package(tail=FAILS))
    assert str(done.outcome.result) == "rolled_back"
    assert disk(lab) == {"shelf/.lock": b""}
    assert lab.running.registry.view.plugins == {}


def test_validation_that_is_switched_off_leaves_the_checks_of_the_archive(lab: Lab) -> None:
    lab.settings("reload: {validation: false}\nsafety: {trial_process: false}")
    lab.start()
    packages = lab.running.packages
    assert packages.install(package(tail="\nimport json as unused\nx: int = 'a'\n")).success
    with pytest.raises(PackageRefused) as refused:
        packages.install(package(Entry("../evil.py", b"")))
    assert codes(refused) == ["PKG002"]


def test_what_came_in_no_package_is_kept_aside_with_force_alone(lab: Lab) -> None:
    source = plugin("users", greeting="mine")
    lab.write("users", source)
    lab.start()
    packages = lab.running.packages
    with pytest.raises(PackageRefused) as refused:
        packages.install(package())
    assert codes(refused) == ["PKG016"]
    assert "came in no package" in refused.value.message
    done = packages.install(package(), force=True)
    assert done.kept is not None
    assert (done.kept / "plugin.py").read_text() == source
    assert str(done.kept) in done.to_json()["notes"][0]
    assert lab.json("/users/version") == {"version": "1.0.0"}


def test_edits_of_an_installed_plugin_are_not_overwritten(lab: Lab) -> None:
    lab.start()
    packages = lab.running.packages
    packages.install(package())
    lab.write("users/notes.txt", "mine")
    for change in (
        lambda: packages.install(package(version="2.0.0")),
        lambda: packages.load("users", "1.0.0"),
        lambda: packages.uninstall("users"),
    ):
        with pytest.raises(PackageRefused) as refused:
            change()
        assert codes(refused) == ["PKG016"]
        assert "was edited" in refused.value.message
    assert packages.versions("users")["versions"] == ["1.0.0"]
    done = packages.install(package(version="2.0.0"), force=True)
    assert done.kept is not None
    assert (done.kept / "notes.txt").read_text() == "mine"


def test_a_forced_installation_that_fails_leaves_what_was_there(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    before = disk(lab)
    done = lab.running.packages.install(package(tail=FAILS), force=True)
    assert (done.success, done.kept) == (False, None)
    assert disk(lab) == {**before, "shelf/.lock": b""}
    assert lab.json("/users/version")["version"] == 1


@pytest.mark.parametrize("fails", [False, True])
def test_a_single_file_makes_room_for_a_folder(lab: Lab, fails: bool) -> None:
    source = plugin("users")
    lab.write("users.py", source)
    lab.start()
    done = lab.running.packages.install(package(tail=FAILS if fails else ""), force=True)
    there = sorted(files_of(lab.root / "plugins"))
    if fails:
        assert (there, lab.json("/users/version")["version"]) == (["users.py"], 1)
    else:
        assert there == ["users/manifest.json", "users/plugin.py"]
        assert done.kept is not None
        assert done.kept.read_text() == source
        assert lab.json("/users/version") == {"version": "1.0.0"}


def test_the_same_version_with_other_content_needs_force(lab: Lab) -> None:
    lab.start()
    packages = lab.running.packages
    packages.install(package())
    other = package(Entry("users/more.txt", b"more"))
    with pytest.raises(PackageRefused) as refused:
        packages.install(other)
    assert codes(refused) == ["PKG015"]
    before = disk(lab)
    failed = package(Entry("users/more.txt", b"more"), tail=FAILS)
    assert not packages.install(failed, force=True).success
    assert disk(lab) == before
    assert packages.install(other, force=True).success
    assert (lab.root / "instance/packages/users/1.0.0/plugin/more.txt").read_bytes() == b"more"
    assert packages.install(other).outcome.result == "unchanged"


def test_a_disabled_plugin_stays_so_until_a_version_is_loaded(lab: Lab) -> None:
    lab.start()
    packages, control = lab.running.packages, lab.running.control
    packages.install(package())
    control.disable("users")
    done = packages.install(package(version="2.0.0"))
    assert (done.success, str(done.outcome.result)) == (True, "unchanged")
    assert "stays disabled" in done.outcome.message
    assert lab.get("/users/version").status_code == 503
    assert packages.load("users", "1.0.0").success
    assert lab.json("/users/version") == {"version": "1.0.0"}


def test_what_others_need_is_not_uninstalled(lab: Lab) -> None:
    lab.start()
    packages = lab.running.packages
    packages.install(package())
    lab.save(("orders", plugin("orders", top="from plugins.users.plugin import Users")))
    assert lab.get("/orders/version").status_code == 200
    before = disk(lab)
    done = packages.uninstall("users")
    assert (done.success, str(done.outcome.result)) == (False, "rejected")
    assert disk(lab) == before
    assert lab.get("/orders/version").status_code == 200
    assert lab.get("/users/version").status_code == 200


def test_what_others_need_is_not_taken_from_them_without_a_server_either(lab: Lab) -> None:
    names = "\nNAMES = ['Ada']\n"
    lab.write("orders", plugin("orders", top="from plugins.users.plugin import NAMES"))
    lab.write("broken", plugin("broken", top="import there_is_none\nimport plugins.users"))
    with offline_packages(Project(lab.root)) as packages:
        assert packages.install(package(tail=names)).success
        before = disk(lab)
        gone = packages.uninstall("users")
        told = {(d.plugin, d.code) for d in gone.outcome.diagnostics}
        assert told == {("orders", "IMP003"), ("broken", "IMP003")}
        assert not gone.success
        with pytest.raises(PackageRefused):
            packages.install(package(version="2.0.0"))
        assert disk(lab) == before
        assert packages.install(package(version="2.0.0", tail=names)).success
        lab.path("orders").unlink()
        lab.path("broken").unlink()
        assert packages.uninstall("users").success


@pytest.mark.parametrize("where", ["manifest", "class"])
def test_a_core_plugin_is_not_uninstalled(lab: Lab, where: str) -> None:
    lab.start()
    packages = lab.running.packages
    manifest = b'{"name": "users", "is_core": true}' if where == "manifest" else b"{}"
    source = plugin_source(more="\n    is_core = True\n" if where == "class" else "")
    packages.install(pack(Entry("users/plugin.py", source), Entry("users/manifest.json", manifest)))
    before = disk(lab)
    with pytest.raises(SwitchRefused, match="core plugin"):
        packages.uninstall("users")
    assert disk(lab) == before
    assert packages.install(package(version="2.0.0")).success
    assert packages.uninstall("users").success


def test_a_version_that_dependents_cannot_use_is_not_loaded(lab: Lab) -> None:
    lab.start()
    packages = lab.running.packages
    packages.install(package(tail="\nNAMES = ['Ada']\n"))
    lab.save(("orders", plugin("orders", top="from plugins.users.plugin import NAMES")))
    with pytest.raises(PackageRefused) as refused:
        packages.install(package(version="2.0.0"))
    assert codes(refused) == ["CMP003"]
    assert lab.json("/users/version") == {"version": "1.0.0"}


def test_a_dependency_on_a_version_that_is_none_is_told(lab: Lab) -> None:
    lab.write("orders", plugin("orders"))
    lab.start()
    manifest = b'{"version": "1.0.0", "dependencies": ["orders>=' + HUGE + b'"]}'
    source = Entry("users/plugin.py", plugin_source())
    with pytest.raises(PackageRefused) as refused:
        lab.running.packages.install(pack(source, Entry("users/manifest.json", manifest)))
    assert codes(refused) == ["DEP008"]


@pytest.mark.parametrize("is_file", [True, False])
def test_what_makes_room_for_a_package_is_no_second_plugin(lab: Lab, is_file: bool) -> None:
    lab.write("my_users.py" if is_file else "my_users", plugin("my_users"))
    lab.start()
    done = lab.running.packages.install(package(name="my-users"), force=True)
    assert done.success
    assert "STR019" not in {d.code for d in done.diagnostics}


def test_what_is_not_there_is_told(lab: Lab) -> None:
    lab.write("mine", plugin("mine"))
    lab.start()
    packages = lab.running.packages
    with pytest.raises(PluginNotFound):
        packages.uninstall("users")
    with pytest.raises(PluginNotFound):
        packages.load("users", "1.0")
    with pytest.raises(DevServerError, match="was not installed from a package"):
        packages.uninstall("mine")
    packages.install(package())
    for version in ("2.0", "../../etc", "", "1.0.0/../..", HUGE.decode()):
        with pytest.raises(DevServerError, match="has no version"):
            packages.load("users", version)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (pack(), "PKG013"),
        (pack(Entry("readme.txt", b"x")), "PKG013"),
        (pack(Entry("a/plugin.py", b"x"), Entry("b/plugin.py", b"x")), "PKG013"),
        (pack(Entry("plugin.py", b"x")), "PKG013"),
        (pack(Entry("admin/plugin.py", b"x")), "PKG013"),
        (pack(Entry("1st/plugin.py", b"x")), "PKG013"),
        (pack(Entry("users/plugin.py", b""), Entry("users/manifest.json", b'{"name": "o"}')),
         "PKG013"),
        (pack(Entry("users/plugin.py", b"x")), "PKG014"),
        (pack(Entry("users/plugin.py", b"x"), Entry("users/manifest.json", b'{"version": "x/y"}')),
         "PKG014"),
        (pack(Entry("users/plugin.py", b"x"), Entry("users/manifest.json", HUGE_MANIFEST)),
         "PKG014"),
        (package(Entry("users/requirements.txt", b"flask>=" + HUGE)), "PKG017"),
        (package(Entry("users/requirements.txt", b"--index-url http://evil/")), "PKG017"),
        (package(Entry("users/requirements.txt", b"-r ../../other.txt")), "PKG017"),
        (package(Entry("users/requirements.txt", b"x @ http://evil/x.whl")), "PKG017"),
        (package(Entry("users/requirements.txt", b"./local")), "PKG017"),
        (package(Entry("users/requirements.txt", b"no-such-thing>=1\nflask>=1")), "PKG018"),
    ],
)  # fmt: skip
def test_what_is_no_package_is_refused(lab: Lab, content: bytes, code: str) -> None:
    lab.start()
    with pytest.raises(PackageRefused) as refused:
        lab.running.packages.install(content)
    assert codes(refused) == [code]
    assert refused.value.diagnostics[0].hint


def test_a_preview_tells_what_would_change(lab: Lab) -> None:
    lab.start()
    packages = lab.running.packages
    packages.install(package(Entry("users/old.txt", b"x")))
    manifest = b'{"name": "users", "version": "2.0.0", "permissions": ["users.read"]}'
    content = pack(
        Entry("users/plugin.py", plugin_source(version="2.0.0")),
        Entry("users/manifest.json", manifest),
        Entry("users/new.txt", b"x"),
        Entry("users/requirements.txt", b"flask>=1\nno-such-thing\n"),
    )
    told = packages.preview(content).to_json()
    assert told["files"] == {
        "added": ["new.txt", "requirements.txt"],
        "changed": ["manifest.json", "plugin.py"],
        "removed": ["old.txt"],
    }
    assert (told["installed"], told["version"], told["edited"]) == ("1.0.0", "2.0.0", False)
    assert told["stands"] == "1.0.0"
    assert (told["permissions"], told["new_permissions"]) == (["users.read"], ["users.read"])
    assert told["requirements"] == [
        {"requirement": "flask>=1", "problem": None},
        {"requirement": "no-such-thing", "problem": "'no-such-thing' is not installed"},
    ]
    assert lab.json("/users/version") == {"version": "1.0.0"}


def test_edits_are_seen_at_once_after_an_upgrade(lab: Lab) -> None:
    """The folder is another one then, under the same name."""
    lab.start(hot_reload=True)
    packages = lab.running.packages
    for number in range(1, 4):
        assert packages.install(package(version=f"{number}.0.0"), force=True).success
        for version in (f"{number}.0.1", f"{number}.0.2"):
            lab.write("users", plugin_source(version=version).decode())
            wait_for(partial(_serves, lab, version), "the edit", timeout=15)


def _serves(lab: Lab, version: str) -> bool:
    return bool(lab.json("/users/version") == {"version": version})


def test_several_installations_at_once_come_one_after_the_other(lab: Lab) -> None:
    lab.start()
    packages = lab.running.packages
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(packages.install, [package(version=f"{n}.0") for n in range(1, 7)]))
    assert all(one.success for one in done)
    assert packages.versions("users")["versions"] == [f"{n}.0" for n in range(1, 7)]
    assert lab.json("/users/version")["version"] == packages.versions("users")["current"]


def test_another_save_does_not_wait_for_an_installation_and_does_not_harm_it(lab: Lab) -> None:
    """A trial that takes long makes way; the files come back and go again meanwhile."""
    lab.start(hot_reload=True)
    packages = lab.running.packages
    packages.install(package())
    gate = lab.root / "gate"
    slow = f"""
import pathlib, time
while not pathlib.Path({str(gate)!r}).exists():
    time.sleep(0.01)
"""
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(packages.install, package(version="2.0.0", tail=slow))
        new = lab.root / "plugins" / "users" / "plugin.py"
        wait_for(lambda: b"2.0.0" in new.read_bytes(), "the exchange")
        lab.write("orders", plugin("orders"))
        wait_for(lambda: lab.get("/orders/version").status_code == 200, "the other plugin")
        assert lab.json("/users/version") == {"version": "1.0.0"}
        gate.touch()
        assert pending.result().success
    assert lab.json("/users/version") == {"version": "2.0.0"}
    assert b"2.0.0" in new.read_bytes()
    assert not [p for p in (lab.root / "plugins").iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize("fails", [False, True])
def test_a_save_in_the_middle_of_an_installation_is_not_lost(lab: Lab, fails: bool) -> None:
    gate, mark = lab.root / "gate", lab.root / "mark"
    lab.settings("safety: {trial_process: false}")
    lab.start()
    packages = lab.running.packages
    packages.install(package())
    place = lab.root / "plugins" / "users"
    tail = HANGS.format(gate=str(gate), answer=not fails).replace(
        "import pathlib, time", f"import pathlib, time; pathlib.Path({str(mark)!r}).touch()"
    )
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(packages.install, package(version="2.0.0", tail=tail))
        wait_for(mark.exists, "the new initialize()")
        (place / "mine.txt").write_text("mine")
        gate.touch()
        done = pending.result()
    assert done.success is not fails
    kept = done.kept if fails else place
    assert kept is not None
    assert (kept / "mine.txt").read_text() == "mine"
    assert (place / "mine.txt").exists() is not fails


@pytest.mark.parametrize("state", ["failed", "disabled", "unloaded"])
def test_what_does_not_serve_is_upgraded_and_uninstalled(lab: Lab, state: str) -> None:
    needed = lab.root / "needed"
    needed.touch()
    top = f"\nopen({str(needed)!r}).close()\n"
    lab.start()
    lab.running.packages.install(package(tail=top))
    lab.running.packages.install(package(version="1.1.0", tail=top))
    if state == "failed":
        lab.stop()
        needed.unlink()
        lab.start()
    else:
        getattr(lab.running.control, state.removesuffix("ed").replace("abl", "able"))("users")
    packages = lab.running.packages
    assert lab.get("/users/version").status_code == 503
    assert packages.load("users", "1.0.0").success is (state != "failed")
    if state == "failed":
        assert packages.install(package(version="2.0.0")).success
        assert lab.json("/users/version") == {"version": "2.0.0"}
        packages.load("users", "1.0.0")
        assert lab.json("/users/version") == {"version": "2.0.0"}
        lab.running.control.unload("users")
    else:
        assert lab.json("/users/version") == {"version": "1.0.0"}
        lab.running.control.disable("users")
    assert packages.uninstall("users").success
    assert lab.running.registry.view.plugins == {}
    assert lab.get("/users/version").status_code == 404


def test_a_failed_plugin_is_uninstalled(lab: Lab) -> None:
    needed = lab.root / "needed"
    needed.touch()
    lab.start()
    lab.running.packages.install(package(tail=f"\nopen({str(needed)!r}).close()\n"))
    lab.stop()
    needed.unlink()
    lab.start()
    assert lab.get("/users/version").status_code == 503
    assert lab.running.packages.uninstall("users").success
    assert lab.running.registry.view.plugins == {}


@pytest.mark.parametrize("where", ["exchange", "write_tree"])
def test_a_disk_that_fails_changes_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    lab.start()
    packages = lab.running.packages
    packages.install(package())
    before = disk(lab)

    def full(*words: object) -> bool:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "users")

    with monkeypatch.context() as patched:
        patched.setattr(switch, where, full)
        with pytest.raises(DevServerError, match="No space left on device"):
            packages.install(package(version="2.0.0"))
    assert disk(lab) == before
    assert lab.json("/users/version") == {"version": "1.0.0"}
    assert packages.install(package(version="2.0.0")).success


def test_nothing_of_a_package_is_executed_before_it_is_live(lab: Lab, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    lab.start()
    tail = f"\nopen({str(mark)!r}, 'w')\nimport there_is_no_such_module\n"
    with pytest.raises(PackageRefused):
        lab.running.packages.install(package(tail=tail))
    lab.running.packages.preview(package(tail=tail))
    assert not mark.exists()
