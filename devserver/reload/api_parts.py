"""Asks generations what they answer, once each and with a time limit: types may bring code."""

from __future__ import annotations

import weakref
from concurrent.futures import Future

from devserver.core.errors import PluginHookFailed
from devserver.runtime.api_document import ApiPart, bare_part_of, part_of
from devserver.runtime.generation import Generation
from devserver.runtime.hooks import HookRunner
from devserver.runtime.system import PluginSystem

_TIMEOUT = 5.0  # seconds that the types of one plugin have to tell their schemas


class ApiParts:
    """The parts of the OpenAPI document, each kept for as long as its generation lives."""

    def __init__(self, system: PluginSystem) -> None:
        self._system = system
        self._parts: weakref.WeakKeyDictionary[Generation, Future[ApiPart]] = (
            weakref.WeakKeyDictionary()
        )

    def of(self, generation: Generation) -> ApiPart:
        """What a generation answers; where its types cannot tell, paths and methods alone."""
        mine: Future[ApiPart] = Future()
        part = self._parts.setdefault(generation, mine)
        if part is mine:
            try:
                mine.set_result(self._ask(generation))
            except BaseException as error:  # noqa: BLE001 - who else waits for it hears of it
                mine.set_exception(error)
        return part.result()

    def _ask(self, generation: Generation) -> ApiPart:
        hooks = HookRunner(self._system.loop, name=f"openapi-{generation.key}")
        try:
            part: ApiPart = hooks.call(
                part_of, generation, plugin=generation.name, hook="openapi", timeout=_TIMEOUT
            )
            return part
        except PluginHookFailed as error:
            cause = error.__cause__
            if cause is not None:
                self._system.report(generation.key, "telling its API", cause)
            return bare_part_of(generation, error.message)
        finally:
            hooks.close()
