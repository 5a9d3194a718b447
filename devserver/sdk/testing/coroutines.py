"""Coroutine tests run as they are, and so do `setup_method` and `teardown_method` of their class.
A test that another plugin of pytest runs is left to that."""

from __future__ import annotations

import asyncio
import inspect
import unittest
from collections.abc import Callable, Generator
from typing import Any

import pytest

_RUNNER: pytest.StashKey[asyncio.Runner] = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Each test has an event loop of its own, from its setup to its teardown."""
    runner = item.stash[_RUNNER] = asyncio.Runner(loop_factory=asyncio.new_event_loop)
    try:
        return (yield)
    finally:
        runner.close()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """pytest calls both methods by way of the instance, and awaits neither."""
    if not isinstance(item, pytest.Function) or isinstance(item.instance, unittest.TestCase):
        return
    for name in ("setup_method", "teardown_method"):
        method = getattr(item.instance, name, None)
        if inspect.iscoroutinefunction(method):
            setattr(item.instance, name, _plain(method, item.stash[_RUNNER]))


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object:
    """Runs a coroutine test that nobody else has run."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    known = pyfuncitem.funcargs
    arguments = {n: known[n] for n in inspect.signature(test).parameters if n in known}
    pyfuncitem.stash[_RUNNER].run(test(**arguments))
    return True


def _plain(method: Callable[..., Any], runner: asyncio.Runner) -> Callable[..., Any]:
    """The same, awaited; pytest looks at how many arguments it takes."""
    if inspect.signature(method).parameters:
        return lambda test: runner.run(method(test))
    return lambda: runner.run(method())
