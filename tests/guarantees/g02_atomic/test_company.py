"""What is refused for the company that it was saved in goes live as soon as that is gone."""

from __future__ import annotations

import pytest

from tests.integration.lab import Lab, plugin, wait_for


@pytest.fixture
def two(lab: Lab) -> Lab:
    """`faulty` and `fine`, which have nothing to do with each other, refused in one batch."""
    lab.write("faulty", plugin("faulty"))
    lab.write("fine", plugin("fine"))
    lab.start()
    outcome = lab.save(("faulty", "broken("), ("fine", plugin("fine", 2)))
    assert outcome is not None
    assert not outcome.success
    assert lab.json("/fine/version")["version"] == 1
    return lab


def _freed(lab: Lab) -> None:
    wait_for(lambda: lab.json("/fine/version")["version"] == 2, "its company is mended")
    wait_for(lambda: lab.running.control.pending() == [], "nothing waits")


def test_when_the_faulty_one_is_mended(two: Lab) -> None:
    two.save(("faulty", plugin("faulty", 3)))
    _freed(two)
    assert two.json("/faulty/version")["version"] == 3


def test_when_the_faulty_one_goes_back_to_what_runs(two: Lab) -> None:
    generation = two.generation("faulty")
    outcome = two.save(("faulty", plugin("faulty")))
    _freed(two)
    assert outcome is not None
    assert outcome.reloaded == ("fine",)
    assert two.generation("faulty") is generation


def test_when_the_faulty_one_is_deleted(two: Lab) -> None:
    two.save(("faulty", None))
    _freed(two)
    assert two.running.registry.view.find("faulty") is None


def test_when_a_faulty_new_one_is_deleted(lab: Lab) -> None:
    lab.write("fine", plugin("fine"))
    lab.start()
    assert not lab.save(("new", "broken("), ("fine", plugin("fine", 2))).success
    lab.save(("new", None))
    _freed(lab)


def test_not_while_another_one_is_faulty_in_the_same_way(two: Lab) -> None:
    assert not two.save(("faulty", "also broken(")).success
    assert two.json("/fine/version")["version"] == 1
    two.save(("faulty", plugin("faulty")))
    _freed(two)


def test_what_the_settings_hold_back_stays_held_back(lab: Lab) -> None:
    lab.settings("reload:\n  automatic: false\n")
    lab.write("one", plugin("one"))
    lab.write("other", plugin("other"))
    lab.start()
    lab.save(("one", plugin("one", 2)), ("other", plugin("other", 2)))
    assert lab.save(("one", plugin("one"))) is None
    assert lab.running.control.pending() == ["other"]
    assert lab.json("/other/version")["version"] == 1


def test_a_new_one_that_the_settings_hold_back_is_known_and_goes_live_when_asked(lab: Lab) -> None:
    lab.settings("reload:\n  automatic: false\n")
    lab.start()
    for name in ("one", "other", "third", "gone"):
        assert lab.save((name, plugin(name))) is None
    control = lab.running.control
    record = control.registry.view.plugins["one"]
    assert (record.status, record.reason) == ("registered", "new on disk, not loaded")
    assert lab.get("/one/version").status_code == 503
    lab.save(("gone", None))
    assert control.pending() == ["one", "other", "third"]
    assert control.reload("one").success
    assert control.load("other").success
    assert lab.json("/one/version") == lab.json("/other/version")
    lab.settings("reload:\n  automatic: true\n")
    lab.running.changed(lab.root / "config" / "hot-loading.yaml")
    lab.save(("third", plugin("third", 2)))
    assert lab.json("/third/version")["version"] == 2


def test_with_the_real_watcher_too(lab: Lab) -> None:
    lab.write("faulty", plugin("faulty"))
    lab.write("fine", plugin("fine"))
    lab.start(hot_reload=True)
    pair = {"faulty": "broken(", "fine": plugin("fine", 2)}
    for name, text in pair.items():
        lab.replace(name, text)
    wait_for(lambda: "faulty" in lab.running.control.pending(), "the refusal")
    lab.replace("faulty", plugin("faulty"))
    _freed(lab)


def test_one_that_comes_along_is_still_told_as_refused(lab: Lab) -> None:
    needs = "from plugins.users.plugin import VERSION as THEIRS"
    lab.write("users", plugin("users", 1))
    lab.write("orders", plugin("orders", 1, top=needs))
    lab.start()
    lab.save(("orders", "broken("))
    before = lab.running.registry.view.plugins["orders"]
    assert before.pending
    lab.save(("users", plugin("users", 2)))
    assert lab.json("/users/version")["version"] == 2
    now = lab.running.registry.view.plugins["orders"]
    assert now.generation is not before.generation
    assert now.pending
    assert now.diagnostics == before.diagnostics
    lab.save(("orders", plugin("orders", 2, top=needs)))
    now = lab.running.registry.view.plugins["orders"]
    assert (now.pending, now.diagnostics) == (False, ())
