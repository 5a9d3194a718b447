"""Runs a plugin's command with arguments that come as text or JSON."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from devserver.core.errors import DevServerError
from devserver.runtime.gate import as_current_work
from devserver.runtime.generation import Command
from devserver.runtime.loop import PluginLoop
from devserver.runtime.signatures import signature_of


class BadArguments(DevServerError):
    """The arguments do not fit the command's signature."""


def run_command(command: Command, arguments: Mapping[str, Any], loop: PluginLoop) -> Any:
    """What the command returns; a coroutine is awaited on the plugin loop.

    Arguments are turned into what the signature is annotated with. Raises BadArguments, or
    whatever the command raises.
    """
    fitted = _fit(command, arguments)
    answer = command.function(**fitted)
    if inspect.isawaitable(answer):
        return loop.submit(as_current_work, answer).result()
    return answer


def _fit(command: Command, arguments: Mapping[str, Any]) -> dict[str, Any]:
    signature = signature_of(command.function)
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise BadArguments(
            f"command {command.name!r}: {error}", hint=f"its arguments: {signature}"
        ) from None
    fitted = {}
    for name, value in arguments.items():
        parameter = signature.parameters.get(name)
        annotation = inspect.Parameter.empty if parameter is None else parameter.annotation
        if annotation is inspect.Parameter.empty or isinstance(annotation, str):
            fitted[name] = value
            continue
        try:
            fitted[name] = TypeAdapter(annotation).validate_python(value)
        except ValidationError as error:
            raise BadArguments(
                f"command {command.name!r}: {name}: {error.errors()[0]['msg']}",
                hint=f"its arguments: {signature}",
            ) from None
    return fitted
