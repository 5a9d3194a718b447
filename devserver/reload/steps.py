"""Times the steps of a transaction."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from devserver.core.outcome import Step


class Stopwatch:
    """Collects steps in the order in which they ended."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    @contextmanager
    def step(self, name: str, plugin: str | None = None) -> Iterator[None]:
        """Times a block, also when it raises."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.steps.append(
                Step(name=name, plugin=plugin, ms=(time.perf_counter() - begun) * 1000)
            )
