"""Names that plugins patched, and how they are put back in any order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from devserver.runtime.interrupt import HookInterrupted

_MISSING = object()


@dataclass(slots=True)
class _Patch:
    owner: object
    value: Any
    suspended: bool = False
    gone: bool = False

    def suspend(self) -> None:
        self.suspended = True

    def resume(self) -> None:
        self.suspended = False

    def forget(self) -> None:
        self.gone = True


@dataclass(slots=True)
class _Place:
    """One patched attribute: what was there first, and the patches on it, the newest last."""

    target: Any
    attribute: str
    original: Any
    patches: list[_Patch] = field(default_factory=list)


class PatchBoard:
    """Knows every patch of every generation. Patches lie on each other; taking one away from
    the middle leaves those above it. Thread-safe.

    `suspend`, `resume` and `remove` do it for every place of the owner, and raise what the
    places that refused raised: the error itself, or a group of several.
    """

    def __init__(self) -> None:
        self._places: dict[tuple[int, str], _Place] = {}
        self._lock = threading.RLock()

    def put(self, owner: object, target: Any, attribute: str, value: Any) -> None:
        """Sets `target.attribute` for `owner`; nothing is noted when that raises."""
        with self._lock:
            key = (id(target), attribute)
            place = self._places.get(key)
            if place is None:
                place = _Place(target, attribute, _own_value(target, attribute))
            setattr(target, attribute, value)
            place.patches.append(_Patch(owner, value))
            self._places[key] = place

    def suspend(self, owner: object) -> None:
        """What `owner` patched is as if it had not; until `resume`."""
        self._change(owner, _Patch.suspend)

    def resume(self, owner: object) -> None:
        self._change(owner, _Patch.resume)

    def remove(self, owner: object) -> None:
        """`owner` has patched nothing any more."""
        self._change(owner, _Patch.forget)

    def _change(self, owner: object, change: Callable[[_Patch], None]) -> None:
        refused: list[BaseException] = []
        with self._lock:
            for key, place in list(self._places.items()):
                own = [p for p in place.patches if p.owner is owner]
                if not own:
                    continue
                before = _shown(place)
                for patch in own:
                    change(patch)
                shown = _shown(place)
                place.patches = [p for p in place.patches if not p.gone]
                if not place.patches:
                    del self._places[key]
                try:
                    _show(place, before, shown)
                except HookInterrupted:
                    raise
                except BaseException as error:  # noqa: BLE001 - a descriptor may raise anything
                    refused.append(error)
        if len(refused) == 1:
            raise refused[0]
        if refused:
            raise BaseExceptionGroup("names that could not be put back", refused)


def _own_value(target: Any, attribute: str) -> Any:
    """What the object itself has, so that an inherited value is not copied to it later. A name
    that its class watches over (a property, a slot) is what that gives."""
    own = getattr(target, "__dict__", None)
    if own is None or _is_watched(target, attribute):
        return getattr(target, attribute, _MISSING)
    return own.get(attribute, _MISSING)


def _is_watched(target: Any, attribute: str) -> bool:
    found = next((vars(k)[attribute] for k in type(target).__mro__ if attribute in vars(k)), None)
    return hasattr(type(found), "__set__")


def _shown(place: _Place) -> Any:
    values = [p.value for p in place.patches if not p.suspended and not p.gone]
    return values[-1] if values else place.original


def _show(place: _Place, before: Any, now: Any) -> None:
    """Sets what is on top now; what somebody else has set since is left alone."""
    if now is before or _own_value(place.target, place.attribute) is not before:
        return
    if now is _MISSING:
        delattr(place.target, place.attribute)
    else:
        setattr(place.target, place.attribute, now)
