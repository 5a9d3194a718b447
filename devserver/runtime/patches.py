"""Names that plugins patched, and how they are put back in any order."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

_MISSING = object()


@dataclass(slots=True)
class _Patch:
    owner: object
    value: Any
    suspended: bool = False


@dataclass(slots=True)
class _Place:
    """One patched attribute: what was there first, and the patches on it, the newest last."""

    target: Any
    attribute: str
    original: Any
    patches: list[_Patch] = field(default_factory=list)


class PatchBoard:
    """Knows every patch of every generation. Patches lie on each other; taking one away from
    the middle leaves those above it. Thread-safe."""

    def __init__(self) -> None:
        self._places: dict[tuple[int, str], _Place] = {}
        self._lock = threading.Lock()

    def put(self, owner: object, target: Any, attribute: str, value: Any) -> None:
        """Sets `target.attribute` for `owner`."""
        with self._lock:
            key = (id(target), attribute)
            place = self._places.get(key)
            if place is None:
                place = _Place(target, attribute, _own_value(target, attribute))
                self._places[key] = place
            place.patches.append(_Patch(owner, value))
            setattr(target, attribute, value)

    def suspend(self, owner: object) -> None:
        """What `owner` patched is as if it had not; until `resume`."""
        self._change(owner, suspended=True)

    def resume(self, owner: object) -> None:
        self._change(owner, suspended=False)

    def remove(self, owner: object) -> None:
        """`owner` has patched nothing any more."""
        with self._lock:
            for key, place in list(self._places.items()):
                before = _shown(place)
                place.patches = [p for p in place.patches if p.owner is not owner]
                _show(place, before)
                if not place.patches:
                    del self._places[key]

    def _change(self, owner: object, *, suspended: bool) -> None:
        with self._lock:
            for place in self._places.values():
                before = _shown(place)
                for patch in place.patches:
                    if patch.owner is owner:
                        patch.suspended = suspended
                _show(place, before)


def _own_value(target: Any, attribute: str) -> Any:
    """What the object itself has, so that an inherited value is not copied to it later."""
    own = getattr(target, "__dict__", None)
    return getattr(target, attribute, _MISSING) if own is None else own.get(attribute, _MISSING)


def _shown(place: _Place) -> Any:
    values = [p.value for p in place.patches if not p.suspended]
    return values[-1] if values else place.original


def _show(place: _Place, before: Any) -> None:
    """Sets what is on top now; what somebody else has set since is left alone."""
    now = _shown(place)
    if now is before or _own_value(place.target, place.attribute) is not before:
        return
    if now is _MISSING:
        delattr(place.target, place.attribute)
    else:
        setattr(place.target, place.attribute, now)
