"""How instances of a plugin's class get the state that instances of its predecessor had."""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_SET_DATACLASS_STATE = getattr(dataclasses, "_dataclass_setstate", None)


class Shape:
    """What the instances of one class have places for."""

    def __init__(self, kind: Any) -> None:
        own = inspect.getattr_static(kind, "__setstate__", None)
        self._has_own = own is not None and own is not _SET_DATACLASS_STATE
        self._slots = {
            name: slot
            for cls in reversed(kind.__mro__)
            for name, slot in vars(cls).items()
            if isinstance(slot, types.MemberDescriptorType)
        }
        self._has_dict = kind.__dictoffset__ != 0
        self._defaults = dict(_defaults(kind))

    def set_state(self, instance: Any, state: Any) -> None:
        """As pickle would; what has no place any more is left out, and fields of a dataclass or
        a pydantic model that are new get their defaults. Raises what the plugin's code raises,
        AttributeError for a state that only a `__setstate__` understands."""
        if self._has_own:
            instance.__setstate__(state)
        else:
            for layer in state if isinstance(state, tuple) else (state,):
                if layer and self._has_dict and not self._slots:
                    instance.__dict__.update(layer)
                elif layer:
                    for name, value in layer.items():
                        self._put(instance, name, value)
        for name, default in self._defaults.items():
            if not self._has(instance, name):
                self._put(instance, name, default())

    def set_some(self, instance: Any, values: Mapping[str, Any]) -> None:
        """Attributes ahead of the whole state; none where only a `__setstate__` understands
        them."""
        if not self._has_own:
            for name, value in values.items():
                self._put(instance, name, value)

    def _put(self, instance: Any, name: str, value: Any) -> None:
        """Past any `__setattr__`, which may refuse."""
        slot = self._slots.get(name)
        if slot is not None:
            slot.__set__(instance, value)
        elif self._has_dict:
            instance.__dict__[name] = value

    def _has(self, instance: Any, name: str) -> bool:
        slot = self._slots.get(name)
        if slot is None:
            return self._has_dict and name in instance.__dict__
        try:
            slot.__get__(instance, type(instance))
        except AttributeError:
            return False
        return True


def _defaults(kind: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    for field in dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ():
        if field.default_factory is not dataclasses.MISSING:
            yield field.name, field.default_factory
        elif field.default is not dataclasses.MISSING:
            yield field.name, _giving(field.default)
    models = inspect.getattr_static(kind, "__pydantic_fields__", None)
    for name, model in models.items() if isinstance(models, dict) else ():
        if not model.is_required():
            yield name, _giving_default(model)


def _giving(value: Any) -> Callable[[], Any]:
    return lambda: value


def _giving_default(model: Any) -> Callable[[], Any]:
    return lambda: model.get_default(call_default_factory=True)
