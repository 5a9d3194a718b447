"""Plugins' functions that may or may not be coroutine functions."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import FunctionType, MethodType
from typing import Any


def is_coroutine_function(function: object) -> bool:
    """True for a function that is written with `async def`; what cannot be seen without asking
    the object itself is none."""
    while type(function) in (MethodType, partial):
        bound: Any = function
        function = bound.__func__ if type(function) is MethodType else bound.func
    return type(function) is FunctionType and inspect.iscoroutinefunction(function)


@dataclass(frozen=True, slots=True)
class Awaitable:
    """Stands for an answer that is to be awaited."""

    answer: Any

    def get(self) -> Any:
        return self.answer


def answer_of(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function gives; an awaitable in a wrapper. To ask for that may run its code."""
    answer = function(*arguments)
    return Awaitable(answer) if inspect.isawaitable(answer) else answer


class CoroutineCancelled(Exception):
    """A coroutine ended with CancelledError, which as such would end a Call without a trace."""

    def __init__(self, cancelled: BaseException) -> None:
        super().__init__()
        self.cancelled = cancelled


async def awaited(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """What awaiting `function(*arguments)` gives.

    Raises CoroutineCancelled for CancelledError, and whatever else the coroutine raises.
    """
    try:
        return await function(*arguments)
    except asyncio.CancelledError as error:
        raise CoroutineCancelled(error) from None
