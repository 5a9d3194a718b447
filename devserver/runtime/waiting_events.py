"""What plugins that are being replaced have not heard yet: instances of their classes in it become
instances of the new ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any

from devserver.runtime.capture import Capture
from devserver.runtime.interrupt import HookInterrupted
from devserver.runtime.mailbox import Mailbox
from devserver.sdk.context import Event

_PLAIN = (type(None), bool, int, float, str, bytes)


class Search(Capture):
    """Tells which values lead to code, or to an object of a plugin, that is being replaced."""

    _found = False

    def among(self, values: Sequence[Any]) -> list[Any]:
        """Those that do, but for what cannot be looked through."""
        # Mostly none does, which one look at all of them tells.
        return [v for v in values if self._finds(v)] if self._finds(values, in_doubt=True) else []

    def _finds(self, value: Any, *, in_doubt: bool = False) -> bool:
        self._found = False
        try:
            self.dump(value)
        except HookInterrupted:
            raise
        except BaseException:  # noqa: BLE001 - a plugin's __reduce__ may raise anything
            self._later.clear()
            return in_doubt
        return self._found

    def is_replaced(self, module: str | None) -> bool:
        replaced = super().is_replaced(module)
        self._found |= replaced
        return replaced

    def _reduced(self, value: Any) -> Any:
        self.is_replaced(type(value).__module__)
        return super()._reduced(value)

    def _substituted(self, key: str) -> Any:
        self._found = True
        return super()._substituted(key)


class WaitingEvents:
    """Events in `boxes`, which are looked into with `lock` held."""

    def __init__(self, boxes: Mapping[str, Mailbox], lock: Lock, plugins: Collection[str]) -> None:
        self._boxes = boxes
        self._lock = lock
        self._plugins = plugins

    def contents(self) -> list[Any]:
        """The data of the events, each once."""
        return list({id(e.data): e.data for e in self._events()}.values())

    def exchange(self, replaced: Mapping[int, tuple[Any, Any]]) -> None:
        """`replaced` has data, old and new, by the id of the old. All other data stays the very
        same object, which its publisher may hold."""
        found = [event for event in self._events() if id(event.data) in replaced]
        new = {e.id: replace(e, data=replaced[id(e.data)][1]) for e in found}
        with self._lock:
            for box in self._mine():
                box.exchange(new)

    def _events(self) -> list[Event]:
        with self._lock:
            found = (event for box in self._mine() for _, event in box.events())
            return [event for event in found if type(event.data) not in _PLAIN]

    def _mine(self) -> list[Mailbox]:
        return [self._boxes[key] for key in self._plugins if key in self._boxes]
