"""How weak references are taken: the new one refers to what the kept target became, and keeps it
alive as little as the old one did."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

WEAK = (
    weakref.ReferenceType,
    *weakref.ProxyTypes,
    weakref.WeakValueDictionary,
    weakref.WeakKeyDictionary,
    weakref.WeakSet,
)


class _Gone:
    """What a reference refers to whose target is no more."""

    def method(self) -> None:
        """What a reference to a method refers to."""


def weak_reduction(value: Any) -> Any:
    """What `__reduce_ex__` would give. Raises TypeError for what only a subclass understands."""
    kind = type(value)
    if kind is weakref.ReferenceType:
        return reference, (value(), value.__callback__)
    if kind is weakref.WeakMethod:
        return method, (value(),)
    if kind in weakref.ProxyTypes:
        return proxy, (_target_of(value),)
    if kind in (weakref.WeakValueDictionary, weakref.WeakKeyDictionary):
        return kind, (), None, None, iter(list(value.items()))
    if kind is weakref.WeakSet:
        return kind, (), list(value), None, None, add_all
    raise TypeError(f"{kind.__qualname__} is a weak reference of its own kind")


def _target_of(value: Any) -> Any:
    try:
        return value.__repr__.__self__
    except ReferenceError:
        return None


# These stand in the pickles.


def reference(target: Any, callback: Callable[..., Any] | None) -> Any:
    """A dead one where there is no target."""
    return weakref.ref(_Gone()) if target is None else weakref.ref(target, callback)


def method(target: Any) -> Any:
    """A dead one where there is no target."""
    return weakref.WeakMethod(_Gone().method if target is None else target)


def proxy(target: Any) -> Any:
    """A dead one where there is no target."""
    return weakref.proxy(_Gone() if target is None else target)


def add_all(members: weakref.WeakSet[Any], items: Iterable[Any]) -> None:
    """Fills a set that circles may lead back to."""
    for item in items:
        members.add(item)
