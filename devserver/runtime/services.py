"""Services: objects that plugins offer to each other."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion

from devserver.core.errors import DevServerError, ServiceNotFound
from devserver.core.lifecycle import PluginStatus
from devserver.core.names import check_offered
from devserver.runtime.gate import CURRENT, Flight, Gate
from devserver.runtime.generation import Generation
from devserver.runtime.prolonged import Prolonged, prolonged
from devserver.runtime.registry import PluginRecord, Registry, SystemView

ANY = SpecifierSet()
"""Every version will do."""
NOT_PROVIDED = "no active plugin provides the service"


class ServiceDirectory:
    """Finds who provides a service in a view."""

    def __init__(self, registry: Registry, gate: Gate) -> None:
        self._registry = registry
        self._gate = gate
        self.could_provide: Callable[[str], Sequence[PluginRecord]] = self._declared_by
        """Plugins that would provide a service, of those that do not."""

    def _declared_by(self, name: str) -> list[PluginRecord]:
        records = self._registry.view.plugins.values()
        return [r for r in records if name in r.manifest.services]

    def provider(self, name: str, wanted: SpecifierSet = ANY) -> str:
        """The key of the plugin that provides `name`.

        Raises ServiceNotFound, naming who could provide it, or the nearest known service.
        """
        outer = CURRENT.get()
        for flight in () if outer is None else outer.chain():
            for key, beside in flight.generation.company.items():
                if name in beside.services:
                    _check_version(name, beside, wanted)
                    return key
        kept = None if outer is None else outer.seen()
        for view in (kept, self._registry.view) if kept else (self._registry.view,):
            for key, record in view.plugins.items():
                generation = record.generation
                if generation is not None and name in generation.services:
                    _check_version(name, generation, wanted)
                    return key
        for key, record in self._registry.view.plugins.items():
            if record.awaits_use and name in record.manifest.services:
                return key
        raise ServiceNotFound(f"{NOT_PROVIDED} {name!r}", hint=self._hint(name))

    def refuse_second(self, name: str, key: str) -> None:
        """Raises DevServerError when another plugin provides a service of that name already."""
        outer = CURRENT.get()
        view = (None if outer is None else outer.seen()) or self._registry.view
        for other, record in view.plugins.items():
            generation = record.generation
            if other != key and generation is not None and name in generation.services:
                raise DevServerError(
                    f"the service {name!r} is provided by the plugin {record.name!r} already",
                    hint=f"give it a name of its own, such as '{key}.{name.rpartition('.')[2]}'",
                )

    def listed(self) -> list[dict[str, str]]:
        """Every service: `{name, plugin, version, type}`, by name."""
        found = [
            {
                "name": name,
                "plugin": record.name,
                "version": _version_of(name, record.generation),
                "type": type(provided).__name__,
            }
            for record in self._registry.view.plugins.values()
            if record.generation is not None
            for name, provided in list(record.generation.services.items())
        ]
        return sorted(found, key=lambda service: service["name"])

    def call(self, name: str, use: Callable[[Any], Any], wanted: SpecifierSet = ANY) -> Any:
        """`use(service object)` as work inside the provider, so that it is never swapped in
        the middle of a call. A coroutine or generator that comes of it is part of that work.
        """
        flight = self._enter(name, wanted)
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

    def _enter(self, name: str, wanted: SpecifierSet) -> Flight:
        """A thread that does no work of ours (one that a request started and waits for, say)
        is never held: nobody could tell that the reload waits for it."""
        unknown = CURRENT.get() is None
        flight = self._gate.enter(
            self.provider(name, wanted), f"service {name}", never_hold=unknown
        )
        if name in flight.generation.services:
            return flight
        self._gate.leave(flight)
        raise ServiceNotFound(f"the service {name!r} is no longer provided", hint=self._hint(name))

    def _hint(self, name: str) -> str:
        could = self.could_provide(name)
        if could:
            return "; ".join(_way_to(record) for record in could)
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


def check_name(name: object, version: object) -> None:
    """Raises as `check_offered` does, and TypeError for a version that is no text."""
    check_offered("a service", name, "users.find")
    if not isinstance(version, str):
        raise TypeError(
            f"the version of the service {name!r} is a text such as '1.2', "
            f"not {type(version).__name__}"
        )


def specifier(version: str) -> SpecifierSet:
    """`>=1.2` as what versions are compared with. Raises DevServerError for what is none."""
    try:
        return SpecifierSet(version)
    except InvalidSpecifier:
        raise DevServerError(
            f"{version!r} is no version specifier", hint="write such as '>=1.2,<2'"
        ) from None


def _version_of(name: str, generation: Generation) -> str:
    return generation.service_versions.get(name) or generation.version


def _check_version(name: str, generation: Generation, wanted: SpecifierSet) -> None:
    if wanted == ANY:
        return
    version = _version_of(name, generation)
    try:
        fits = wanted.contains(version, prereleases=True)
    except InvalidVersion:
        fits = False
    if not fits:
        raise ServiceNotFound(
            f"the service {name!r} of {generation.name!r} has version {version or 'none'}, "
            f"wanted is {wanted}",
            hint=f"update the plugin {generation.name!r}, or ask for another version",
        )


def _way_to(record: PluginRecord) -> str:
    if record.withheld:
        return (
            f"the plugin {record.name!r} would provide it, but is {record.status}: "
            f"`sysctl plugins enable {record.name}`"
        )
    if record.generation is None and record.status is PluginStatus.FAILED:
        return (
            f"the plugin {record.name!r} would provide it, but failed: "
            f"`sysctl plugins info {record.name}` says why"
        )
    if record.generation is None:
        return f"the plugin {record.name!r} provides it once it is loaded: depend on it"
    return f"the plugin {record.name!r} could provide it, but has not registered it"
