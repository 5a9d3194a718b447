"""Of what kind an object really is."""

from __future__ import annotations

from typing import TypeGuard, TypeVar

T = TypeVar("T")


def is_a(thing: object, kind: type[T] | tuple[type[T], ...]) -> TypeGuard[T]:
    """As `isinstance`, without asking the object: its `__class__` may be a property of a plugin's,
    which answers what it likes, or never."""
    return issubclass(type(thing), kind)


def module_of(kind: type) -> str:
    """The import name of the module that a class was defined in, without asking its metaclass."""
    found = type.__getattribute__(kind, "__module__")
    return found if type(found) is str else ""
