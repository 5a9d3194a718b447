"""Services: objects that plugins offer to each other."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from devserver.core.errors import ServiceNotFound
from devserver.runtime.gate import CURRENT, Flight, Gate
from devserver.runtime.prolonged import Prolonged, prolonged
from devserver.runtime.registry import Registry, SystemView


class ServiceDirectory:
    """Finds who provides a service in a view."""

    def __init__(self, registry: Registry, gate: Gate) -> None:
        self._registry = registry
        self._gate = gate

    def provider(self, name: str) -> str:
        """The key of the plugin that provides `name`.

        Raises ServiceNotFound, naming the nearest known service.
        """
        outer = CURRENT.get()
        views = [self._registry.view] if outer is None else [outer.view, self._registry.view]
        for view in views:
            for key, record in view.plugins.items():
                if record.generation is not None and name in record.generation.services:
                    return key
        raise ServiceNotFound(
            f"no active plugin provides the service {name!r}", hint=self._hint(name)
        )

    def call(self, name: str, use: Callable[[Any], Any]) -> Any:
        """`use(service object)` as work inside the provider, so that it is never swapped in
        the middle of a call. A coroutine or generator that comes of it is part of that work.
        """
        flight = self._enter(name)
        goes_on: Prolonged | None = None
        token = CURRENT.set(flight)
        try:
            answer = use(flight.generation.services[name])
            goes_on = prolonged(answer, flight, partial(self._gate.leave, flight))
            return answer if goes_on is None else goes_on
        finally:
            CURRENT.reset(token)
            if goes_on is None:
                self._gate.leave(flight)

    def _enter(self, name: str) -> Flight:
        """A thread that does no work of ours (one that a request started and waits for, say)
        is never held: nobody could tell that the reload waits for it."""
        unknown = CURRENT.get() is None
        flight = self._gate.enter(self.provider(name), f"service {name}", never_hold=unknown)
        if name in flight.generation.services:
            return flight
        self._gate.leave(flight)
        raise ServiceNotFound(f"the service {name!r} is no longer provided")

    def _hint(self, name: str) -> str:
        known = sorted(_all_services(self._registry.view))
        near = difflib.get_close_matches(name, known, 1)
        if near:
            return f"did you mean {near[0]!r}?"
        return "known services: " + (", ".join(known) or "none")


def _all_services(view: SystemView) -> set[str]:
    return {
        name
        for record in view.plugins.values()
        if record.generation is not None
        for name in record.generation.services
    }


class ServiceProxy:
    """Stands for a service; every use reaches the provider's live generation.

    Attributes that are callable come as proxies too, so a method kept by a consumer follows a
    reload as well.
    """

    __slots__ = ("_directory", "_name", "_path")

    def __init__(self, directory: ServiceDirectory, name: str, path: tuple[str, ...] = ()) -> None:
        object.__setattr__(self, "_directory", directory)
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_path", path)

    def _use(self, use: Callable[[Any], Any]) -> Any:
        def on_target(provided: Any) -> Any:
            for attribute in self._path:
                provided = getattr(provided, attribute)
            return use(provided)

        return self._directory.call(self._name, on_target)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._use(lambda target: target(*args, **kwargs))

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__") and attribute.endswith("__"):
            raise AttributeError(attribute)
        value = self._use(lambda target: getattr(target, attribute))
        if callable(value):
            return ServiceProxy(self._directory, self._name, (*self._path, attribute))
        return value

    def __setattr__(self, attribute: str, value: Any) -> None:
        self._use(lambda target: setattr(target, attribute, value))

    def __getitem__(self, key: Any) -> Any:
        return self._use(lambda target: target[key])

    def __setitem__(self, key: Any, value: Any) -> None:
        self._use(lambda target: target.__setitem__(key, value))

    def __contains__(self, item: Any) -> bool:
        return bool(self._use(lambda target: item in target))

    def __iter__(self) -> Iterator[Any]:
        return iter(self._use(list))

    def __len__(self) -> int:
        return int(self._use(len))

    def __bool__(self) -> bool:
        return True

    def __reduce__(self) -> Any:
        raise TypeError("a service proxy belongs to its host and passes by reference")

    def __repr__(self) -> str:
        return f"<service {'.'.join((self._name, *self._path))}>"
