"""What the database knows of packages, where there is one: the files are enough without it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from devserver.core.errors import DatabaseUnavailable
from devserver.packages.records import PackageRecords, StoredPackage
from devserver.packages.shelf import Shelf


class Book:
    """`records()` is the table, None while the database cannot be used. What cannot be noted is
    said, and caught up with at the next start."""

    def __init__(self, records: Callable[[], PackageRecords | None]) -> None:
        self._records = records

    def note(self, name: str, version: str, content: bytes) -> tuple[str, ...]:
        """Keeps a version; what is to be said of it."""
        stored = _stored(name, version, content)
        return self._done(lambda records: records.put(stored))

    def forget(self, name: str) -> tuple[str, ...]:
        """Takes a plugin out, with all versions; what is to be said of it."""
        return self._done(lambda records: records.forget(name))

    def find(self, name: str, version: str) -> bytes | None:
        """The archive of a version. Raises PackageRefused, DatabaseUnavailable."""
        records = self._records()
        found = None if records is None else records.find(name, version)
        return None if found is None else found.content

    def catch_up(self, shelf: Shelf) -> None:
        """Keeps every version of the shelf that is not known. Raises DatabaseUnavailable."""
        records, names = self._records(), shelf.names()
        if records is None or not names:
            return
        known = {(p.name, p.version) for p in records.all()}
        for name in names:
            for version in shelf.versions(name):
                if (name, version) in known:
                    continue
                content = shelf.archive(name, version)
                if content is not None:
                    records.put(_stored(name, version, content))

    def _done(self, deed: Callable[[PackageRecords], None]) -> tuple[str, ...]:
        records = self._records()
        try:
            if records is not None:
                deed(records)
                return ()
            reason = "it cannot be used"
        except DatabaseUnavailable as error:
            reason = error.message
        return (f"not noted in the database: {reason}",)


def _stored(name: str, version: str, content: bytes) -> StoredPackage:
    sha256 = hashlib.sha256(content).hexdigest()
    return StoredPackage(name=name, version=version, sha256=sha256, content=content)
