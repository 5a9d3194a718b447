"""What Linux lets one user have of inotify, and what this process has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

LIMITS = Path("/proc/sys/fs/inotify")
_DESCRIPTORS = Path("/proc/self/fdinfo")


def limit(name: str) -> int | None:
    """`max_user_watches` or `max_user_instances`; None where there is none."""
    try:
        return int((LIMITS / name).read_text())
    except (OSError, ValueError):
        return None


def usage() -> dict[str, int | None]:
    """`{max_user_watches, max_user_instances, watches, instances}`, the last two of this process;
    the limits are of all processes of a user together."""
    watches = list(_watches())
    return {
        "max_user_watches": limit("max_user_watches"),
        "max_user_instances": limit("max_user_instances"),
        "watches": sum(watches),
        "instances": len(watches),
    }


def _watches() -> Iterator[int]:
    """How many watches each of the process's instances has."""
    with suppress(OSError):
        for entry in _DESCRIPTORS.iterdir():
            with suppress(OSError):
                lines = entry.read_text().splitlines()
                count = sum(line.startswith("inotify ") for line in lines)
                if count:
                    yield count
