"""Names that plugins patched, over each other and where the place itself refuses."""

from __future__ import annotations

import types
from collections.abc import Iterator

import pytest

from devserver.runtime.patches import PatchBoard
from tests.integration.lab import Lab, plugin

PLACES = types.ModuleType("places_to_patch")


class Stubborn:
    """Its `rate` refuses what `refuses` names; `mode` is kept behind a property."""

    refuses: object = "nothing"

    def __init__(self) -> None:
        self._kept = {"rate": 0, "mode": 0}

    @property
    def rate(self) -> int:
        return self._kept["rate"]

    @rate.setter
    def rate(self, value: int) -> None:
        if value == self.refuses:
            raise SystemExit(f"not {value}")
        self._kept["rate"] = value

    @property
    def mode(self) -> int:
        return self._kept["mode"]

    @mode.setter
    def mode(self, value: int) -> None:
        self._kept["mode"] = value


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    monkeypatch.setitem(__import__("sys").modules, "places_to_patch", PLACES)
    PLACES.__dict__.update(plain=0, other=0, stubborn=Stubborn())
    yield PLACES
    assert (PLACES.plain, PLACES.other) == (0, 0)
    assert PLACES.stubborn._kept["mode"] == 0


def source(name: str, version: int, *names: str, more: str = "") -> str:
    patches = "\n    ".join(
        f'self.ctx.patch({target or "places"}, "{attribute}", {name!r} + str(VERSION))'
        for target, _, attribute in (n.rpartition(".") for n in names)
    )
    body = f"def initialize(self):\n    {patches}\n    {more or 'pass'}"
    return plugin(name, version, top="import places_to_patch as places", body=body)


def started(lab: Lab) -> Lab:
    lab.settings("safety:\n  trial_process: false\n  max_reload_attempts: 1\n")
    lab.start()
    return lab


@pytest.mark.parametrize("failing", ["lower", "upper"])
def test_patches_of_one_name_by_two_plugins_are_as_before(
    lab: Lab, places: types.ModuleType, failing: str
) -> None:
    lab.write("lower", source("lower", 1, "plain"))
    lab.write("upper", source("upper", 1, "plain", "other"))
    started(lab)
    before = (places.plain, places.other)
    assert not lab.save((failing, source(failing, 2, "plain", "other", more="1 / 0"))).success  # type: ignore[union-attr]
    assert (places.plain, places.other) == before
    assert lab.save((failing, source(failing, 3, "plain"))).success  # type: ignore[union-attr]
    lab.stop()


def test_a_name_behind_a_property_is_put_back(lab: Lab, places: types.ModuleType) -> None:
    lab.write("users", source("users", 1, "places.stubborn.mode"))
    started(lab)
    assert places.stubborn.mode == "users1"
    assert not lab.save(("users", source("users", 2, "places.stubborn.mode", more="1 / 0"))).success  # type: ignore[union-attr]
    assert places.stubborn.mode == "users1"
    assert lab.save(("users", source("users", 3))).success  # type: ignore[union-attr]
    lab.stop()
    assert places.stubborn.mode == 0


def test_a_place_that_refuses_keeps_no_other_from_being_put_back(
    lab: Lab, places: types.ModuleType
) -> None:
    names = ("plain", "places.stubborn.rate", "other")
    lab.write("users", source("users", 1, *names))
    started(lab)
    refuse = 'type(places.stubborn).refuses = "users1"; 1 / 0'
    try:
        outcome = lab.save(("users", source("users", 2, *names, more=refuse)))
    finally:
        Stubborn.refuses = "nothing"
    assert outcome is not None
    assert outcome.rolled_back
    assert "ZeroDivisionError" in str(outcome.error)
    assert any("not users1" in note for note in outcome.notes), outcome.notes
    assert (places.plain, places.other) == ("users1", "users1")
    lab.stop()


def test_what_could_not_be_patched_is_not_noted() -> None:
    board, place = PatchBoard(), Stubborn()
    board.put("lower", place, "rate", 1)
    place.refuses = 2
    with pytest.raises(SystemExit):
        board.put("upper", place, "rate", 2)
    board.suspend("lower")
    board.resume("lower")
    assert place.rate == 1
    board.remove("lower")
    assert place.rate == 0


def test_several_refusals_are_told_together() -> None:
    board, places = PatchBoard(), [Stubborn(), Stubborn(), Stubborn()]
    for place in places:
        board.put("users", place, "rate", 1)
    places[0].refuses = places[1].refuses = 0
    with pytest.raises(BaseExceptionGroup, match="could not be put back") as caught:
        board.remove("users")
    assert len(caught.value.exceptions) == 2
    assert [place.rate for place in places] == [1, 1, 0]
