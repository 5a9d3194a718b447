"""Finds what makes a plugin: its factory or class."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from devserver.core.errors import DevServerError
from devserver.runtime.kinds import is_a
from devserver.runtime.modules import ModuleTable
from devserver.sdk.plugin import BasePlugin

FACTORIES = ("get_plugin", "create_plugin")


class NoEntry(DevServerError):
    """A plugin's entry module offers no plugin, or more than one."""


def find_entry(table: ModuleTable) -> Callable[[], Any]:
    """`get_plugin`, else `create_plugin`, else the only concrete BasePlugin subclass that the
    plugin defines. The entry module must be loaded.

    Raises NoEntry.
    """
    module = table.load(table.entry_name())
    for name in FACTORIES:
        factory = getattr(module, name, None)
        if callable(factory):
            return factory  # type: ignore[no-any-return]
    classes = _classes(module, table.package)
    if len(classes) == 1:
        return classes[0]
    if not classes:
        raise NoEntry(
            f"{module.__name__} defines no plugin",
            hint="define get_plugin(), or one class that derives from devserver.sdk.BasePlugin",
        )
    names = ", ".join(sorted(c.__name__ for c in classes))
    raise NoEntry(
        f"{module.__name__} defines more than one plugin class: {names}",
        hint="define get_plugin() to say which one is meant",
    )


def _classes(module: ModuleType, package: str) -> list[type[BasePlugin]]:
    found = {
        value
        for value in vars(module).values()
        if is_a(value, type)
        and issubclass(value, BasePlugin)
        and f"{value.__module__}.".startswith(f"{package}.")
        and not inspect.isabstract(value)
    }
    # A base of another candidate is not meant itself.
    return [c for c in found if not any(c in other.__mro__[1:] for other in found)]
