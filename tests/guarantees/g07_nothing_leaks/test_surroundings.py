"""What a plugin did to the interpreter without the SDK goes when its generation goes."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import warnings

import pytest

from tests.guarantees.g07_nothing_leaks.deeds import DEEDS, sizes, wait_disposed, world
from tests.integration.lab import Lab, plugin, wait_for

REFUSES = "def initialize(self):\n    return False\n"
FAILS = "raise RuntimeError('the last line of the module')"


def save(lab: Lab, version: int, top: str = "", body: str = "") -> bool:
    outcome = lab.save(("users", plugin("users", version, top=top, body=body)))
    assert outcome is not None
    wait_disposed(lab)
    return outcome.success


def begin(lab: Lab, top: str = "") -> None:
    lab.write("users", plugin("users", 1, top=top))
    lab.start()


@pytest.mark.parametrize("deed", DEEDS)
def test_a_candidate_that_is_rolled_back_has_done_nothing(lab: Lab, deed: str) -> None:
    begin(lab)
    before = world()
    assert not save(lab, 2, top=DEEDS[deed], body=REFUSES)
    assert world() == before
    assert not save(lab, 3, top=f"{DEEDS[deed]}\n{FAILS}")
    assert world() == before


@pytest.mark.parametrize("deed", DEEDS)
def test_a_rolled_back_candidate_leaves_the_equal_deed_of_the_running_version(
    lab: Lab, deed: str
) -> None:
    begin(lab, top=DEEDS[deed])
    before = world()
    assert not save(lab, 2, top=DEEDS[deed], body=REFUSES)
    assert world() == before


@pytest.mark.parametrize("deed", DEEDS)
def test_what_a_version_did_goes_with_it_and_what_its_successor_did_too_stays(
    lab: Lab, deed: str
) -> None:
    begin(lab)
    before = world()
    assert save(lab, 2, top=DEEDS[deed])
    done = sizes(world())
    assert lab.running.system.surroundings.of(lab.generation("users").table)
    for version in (3, 4):
        assert save(lab, version, top=DEEDS[deed])
        assert sizes(world()) == done
    assert save(lab, 5)
    if "environment" not in deed:  # passes on, as the environment is the process's
        assert world() == before
    lab.running.control.unload("users")
    wait_disposed(lab)
    assert world() == before


@pytest.mark.parametrize("deed", DEEDS)
def test_a_plugin_that_is_unloaded_takes_along_what_it_did(lab: Lab, deed: str) -> None:
    begin(lab)
    before = world()
    assert save(lab, 2, top=DEEDS[deed])
    lab.running.control.unload("users")
    wait_disposed(lab)
    assert world() == before


def test_reloads_faster_than_old_versions_are_let_go_leave_one_of_each(lab: Lab) -> None:
    top = "\n".join(t for d, t in DEEDS.items() if "goes on" not in d and "atexit" not in d)
    begin(lab)
    before = world()
    assert save(lab, 2, top=top)
    done = sizes(world())
    for version in range(3, 15):
        assert lab.save(("users", plugin("users", version, top=top))).success  # type: ignore[union-attr]
    wait_disposed(lab)
    assert sizes(world()) == done
    lab.running.control.unload("users")
    wait_disposed(lab)
    assert world() == before


def test_what_was_there_before_the_plugin_stays(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, "/nowhere/vendor"])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="of the users plugin")
        begin(lab)
        before = world()
        assert save(lab, 2, top=DEEDS["import path"] + "\n" + DEEDS["warnings filter"])
        assert save(lab, 3)
        assert world() == before


def test_an_import_path_serves_the_running_version_while_its_successor_is_made(
    lab: Lab,
) -> None:
    vendor = lab.root / "vendor"
    vendor.mkdir()
    (vendor / "lent_module_a.py").write_text("NAME = 'a'\n")
    top = f"import sys\nsys.path.insert(0, {str(vendor)!r})\n"
    begin(lab, top=top)
    inside = """
import sys, threading, importlib.util
FOUND = []
def ask():
    FOUND.append(importlib.util.find_spec("lent_module_a") is not None)
thread = threading.Thread(target=ask)
thread.start()
thread.join()
FOUND.append(%r in sys.path)
"""
    assert save(lab, 2, top=inside % str(vendor))
    assert lab.generation("users").table.modules["plugins.users.plugin"].FOUND == [True, False]
    assert str(vendor) not in sys.path


def test_shutdown_that_removes_its_import_path_leaves_that_of_the_successor(lab: Lab) -> None:
    body = "def shutdown(self):\n    import sys\n    sys.path.remove('/nowhere/vendor')\n"
    begin(lab)
    before = list(sys.path)
    for version in (2, 3, 4):
        assert save(lab, version, top=DEEDS["import path"], body=body)
        assert sys.path.count("/nowhere/vendor") == 1
    assert save(lab, 5)
    assert sys.path == before


def test_exit_functions_run_once_when_their_version_goes_the_last_first(lab: Lab) -> None:
    top = """
import atexit, os, sys
def say(word):
    sys.said.append((VERSION, word))
atexit.register(say, "first")
atexit.register(say, word="second")
"""
    sys.said = []  # type: ignore[attr-defined]
    try:
        begin(lab, top=top)
        assert save(lab, 2, top=top)
        assert sys.said == [(1, "second"), (1, "first")]  # type: ignore[attr-defined]
        assert not save(lab, 3, top=top, body=REFUSES)
        assert sys.said[2:] == [(3, "second"), (3, "first")]  # type: ignore[attr-defined]
        lab.stop()
        assert sys.said[4:] == [(2, "second"), (2, "first")]  # type: ignore[attr-defined]
    finally:
        del sys.said  # type: ignore[attr-defined]


def test_an_exit_function_that_the_plugin_takes_back_does_not_run(lab: Lab) -> None:
    top = """
import atexit, os
def at_exit():
    os.environ["USERS_RAN"] = "1"
atexit.register(at_exit)
atexit.unregister(at_exit)
"""
    begin(lab)
    before = world()
    assert save(lab, 2, top=top)
    assert save(lab, 3)
    assert world() == before


def test_an_exit_function_that_raises_is_told_and_disturbs_nothing(lab: Lab) -> None:
    begin(lab, top="import atexit\natexit.register(lambda: 1 / 0)")
    outcome = lab.save(("users", plugin("users", 2)))
    assert outcome is not None
    wait_disposed(lab)
    told = wait_for(
        lambda: [n for o in lab.running.journal.outcomes("users", 1) for n in o.notes], "the note"
    )
    assert any("ZeroDivisionError" in note for note in told), told
    assert lab.json("/users/version")["version"] == 2


def test_a_log_handler_that_was_added_at_run_time_goes_too(lab: Lab) -> None:
    routes = """
    @router.get("/listen")
    def listen():
        import logging
        handler = logging.StreamHandler()
        logging.getLogger().addHandler(handler)
        logging.getLogger("elsewhere").addHandler(handler)
        return {}
    """
    lab.write("users", plugin("users", 1, routes=routes))
    lab.start()
    before = world()
    lab.json("/users/listen")
    assert world()["handlers"] != before["handlers"]
    assert save(lab, 2)
    assert world() == before


def test_a_file_of_a_log_handler_is_closed(lab: Lab) -> None:
    begin(lab)
    target = lab.root / "users.log"
    top = f"import logging\nHANDLER = logging.FileHandler({str(target)!r})\n"
    assert save(lab, 2, top=top + "logging.getLogger().addHandler(HANDLER)")
    handler = lab.generation("users").table.modules["plugins.users.plugin"].HANDLER
    assert handler in logging.getLogger().handlers
    assert save(lab, 3)
    assert handler not in logging.getLogger().handlers
    assert handler.stream is None


def test_what_a_library_does_while_it_is_imported_stays(lab: Lab) -> None:
    vendor = lab.root / "vendor"
    vendor.mkdir()
    (vendor / "lent_library.py").write_text(
        "import sys, warnings, atexit, logging\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        return None\n"
        "FINDER = Finder()\n"
        "sys.meta_path.append(FINDER)\n"
        "warnings.filterwarnings('ignore', message='of the lent library')\n"
    )
    meta_path, filters = list(sys.meta_path), list(warnings.filters)
    try:
        begin(lab)
        assert save(
            lab, 2, top=f"import sys\nsys.path.append({str(vendor)!r})\nimport lent_library"
        )
        assert save(lab, 3)
        assert sys.modules["lent_library"].FINDER in sys.meta_path
        assert any("lent library" in str(f[1]) for f in warnings.filters)
    finally:
        lab.stop()
        sys.modules.pop("lent_library", None)
        sys.meta_path[:], warnings.filters[:] = meta_path, filters  # type: ignore[index]


def test_what_a_library_registers_of_its_own_when_it_is_called_is_the_librarys(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = lab.root / "vendor"
    vendor.mkdir()
    (vendor / "lent_pool.py").write_text(
        "import atexit\nRAN = []\ndef end():\n    RAN.append(1)\n"
        "def use():\n    atexit.register(end)\n"
    )
    monkeypatch.syspath_prepend(vendor)
    try:
        begin(lab, top="import lent_pool\nlent_pool.use()")
        assert save(lab, 2)
        assert sys.modules["lent_pool"].RAN == []
        atexit.unregister(sys.modules["lent_pool"].end)
    finally:
        sys.modules.pop("lent_pool", None)


def test_what_is_done_and_taken_back_again_and_again_is_not_collected(lab: Lab) -> None:
    routes = """
    @router.get("/again")
    def again():
        import logging, warnings
        handler = logging.NullHandler()
        logging.getLogger().addHandler(handler)
        logging.getLogger().removeHandler(handler)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
        logging.getLogger("elsewhere").setLevel(logging.ERROR)
        logging.getLogger("elsewhere").setLevel(logging.NOTSET)
        return {}
    """
    lab.write("users", plugin("users", 1, routes=routes))
    lab.start()
    for _ in range(20):
        lab.json("/users/again")
    traces = lab.running.system.surroundings.of(lab.generation("users").table)
    assert len(traces) <= 4, traces


def test_a_trace_function_does_not_outlive_the_hook_that_set_it(lab: Lab) -> None:
    body = """
    def initialize(self):
        import sys
        sys.settrace(lambda *_: None)
        sys.setprofile(lambda *_: None)
    def register_routes(self, app, router):
        import sys
        self.left = [str(sys.gettrace()), str(sys.getprofile())]
    """
    lab.write("users", plugin("users", 1, body=body))
    lab.start()
    assert lab.generation("users").plugin.left == [str(sys.gettrace()), "None"]


def test_a_plugin_beside_it_keeps_its_own(lab: Lab) -> None:
    lab.write(
        "orders", plugin("orders", top=DEEDS["import path"] + DEEDS["excepthook"].join("\n\n"))
    )
    begin(lab, top=DEEDS["import path"])
    hook = sys.excepthook
    assert save(lab, 2, top=DEEDS["excepthook"])
    assert sys.path.count("/nowhere/vendor") == 1
    assert sys.excepthook is not hook
    assert save(lab, 3)
    assert sys.excepthook is hook
    assert sys.path.count("/nowhere/vendor") == 1
    lab.running.control.unload("orders")
    wait_disposed(lab)
    assert "/nowhere/vendor" not in sys.path


def test_at_the_stop_everything_is_as_it_was(lab: Lab) -> None:
    before = world()
    lab.write("users", plugin("users", top="\n".join(DEEDS.values())))
    lab.start()
    assert world()["sys.path"] != before["sys.path"]
    lab.stop()
    before["atexit"] += 1  # the host's own, which it has taken back
    assert world() == before
    assert os.environ.get("USERS_PLUGIN") is None
    assert threading.gettrace() is None
