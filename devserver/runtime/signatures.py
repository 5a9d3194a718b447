"""Signatures of plugin functions with their annotations evaluated."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """The signature; annotations that are text are evaluated where the function was written.

    Each parameter is evaluated for itself: one whose names are not there when the code runs
    (imported for type checkers only, or local to the function around it) stays text and leaves
    the others as they are. What is returned is never evaluated.
    """
    signature = inspect.signature(function)
    written = _written(function)
    parameters = [
        p.replace(annotation=_evaluated(p.annotation, written))
        for p in signature.parameters.values()
    ]
    return signature.replace(parameters=parameters)


def answer_of(function: Callable[..., Any]) -> Any:
    """The annotation of what is returned, evaluated; `inspect.Signature.empty` without one."""
    return _evaluated(inspect.signature(function).return_annotation, _written(function))


def _written(function: Any) -> FunctionType | None:
    """The function below methods, partials, decorators and objects that can be called."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif inspect.ismethod(function):
            function = function.__func__
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif isinstance(function, FunctionType):
            return function
        else:
            called = inspect.getattr_static(type(function), "__call__", None)
            return called if isinstance(called, FunctionType) else None


def _evaluated(annotation: Any, written: FunctionType | None) -> Any:
    if not isinstance(annotation, str) or written is None:
        return annotation
    try:
        return eval(annotation, written.__globals__, _enclosed(written))
    except Exception:  # noqa: BLE001 - evaluating an annotation runs plugin code
        return annotation


def _enclosed(function: FunctionType) -> dict[str, Any]:
    """The variables of enclosing functions that the function uses, where they have a value."""
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue  # not assigned yet
    return found
