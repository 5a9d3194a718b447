from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.integration.cluster.fakes import Instance
from tests.integration.lab import wait_for
from tests.integration.store.conftest import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]

Start = Callable[..., list[Instance]]


@pytest.fixture
def start(postgres_url: str) -> Iterator[Start]:
    """Starts instances with the plugins `users` and `orders` and waits until they are live."""
    started: list[Instance] = []

    def begin(count: int, *, url: str = postgres_url, installer: object = None) -> list[Instance]:
        new = [
            Instance(url, len(started) + n, "users", "orders", installer=installer)
            for n in range(count)
        ]
        started.extend(new)
        for instance in new:
            instance.start()
        for instance in new:
            wait_for(lambda i=instance: _has_joined(i), "a live instance")
        return new

    yield begin
    for instance in started:
        instance.stop()


def _has_joined(instance: Instance) -> bool:
    agent = instance.group._agent
    return agent is not None and agent._joined and instance.row()["live"]
