"""What happened on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeBatch:
    """Paths that changed together. What happened to each is read from disk when it is used:
    the kinds that file systems report (added, modified, deleted) are not reliable.

    `first_seen` is the monotonic second at which the first of them was noticed.
    `complete` is True when the batch stands for "look at everything" (start, overflow).
    """

    paths: frozenset[Path]
    first_seen: float
    complete: bool = False

    def merged(self, other: ChangeBatch) -> ChangeBatch:
        """Both as one."""
        return ChangeBatch(
            paths=self.paths | other.paths,
            first_seen=min(self.first_seen, other.first_seen),
            complete=self.complete or other.complete,
        )
