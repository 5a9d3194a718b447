"""Figures of the server's process, under the names that all programs have them by."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_STATM = Path("/proc/self/statm")


def process() -> Iterator[Metric]:
    """Memory, where the system tells it, and processor time."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    memory = resident_bytes()
    if memory is not None:
        yield GaugeMetricFamily(
            "process_resident_memory_bytes", "Resident memory size in bytes.", value=memory
        )
    yield CounterMetricFamily(
        "process_cpu_seconds",
        "Total user and system CPU time spent in seconds.",
        value=time.process_time(),
    )


def resident_bytes() -> int | None:
    """The memory that the process has; None where that cannot be known."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
