"""The sources of the last good versions."""

from __future__ import annotations

import random
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select

from devserver.core.source import PluginSource, SourceFile
from devserver.store.database import Database
from devserver.store.sources import GoodVersion, Sources
from devserver.store.tables import source_blobs, source_files
from devserver.store.upgrade import upgrade
from tests.integration.store.conftest import open_database


@pytest.fixture
def sources(database: Database) -> Sources:
    upgrade(database)
    return Sources(database)


def version(
    text: str = "1", name: str = "users", restores: int | None = None, **files: bytes
) -> GoodVersion:
    contents = {"plugin.py": text.encode(), **{f"{k}.py": v for k, v in files.items()}}
    root = Path("/project/plugins") / name
    return GoodVersion(
        source=PluginSource.of(
            name=name,
            root=root,
            base=Path("/project"),
            files=[SourceFile.of(root / p, p, c) for p, c in contents.items()],
            single_file=False,
        ),
        version="1.0",
        generation=3,
        restores=restores,
    )


def numbers(sources: Sources, plugin: str = "users") -> list[int]:
    return [v.number for v in sources.versions(plugin)]


def count(database: Database, table: object) -> int:
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0  # type: ignore[arg-type]


def test_a_version_comes_back_byte_by_byte(sources: Sources) -> None:
    content = {"models": bytes(range(256)) * 10, "empty": b""}
    sources.keep([version("x = 'ü'", **content)])
    (kept,) = sources.versions("users")
    assert (kept.number, kept.version, kept.generation, kept.single_file, kept.restores) == (
        1, "1.0", 3, False, None,
    )  # fmt: skip
    assert kept.kept_at.tzinfo is not None
    assert sources.files("users", 1) == {
        "plugin.py": "x = 'ü'".encode(),
        "models.py": content["models"],
        "empty.py": b"",
    }
    assert sources.files("users", 2) == {}


def test_plugins_are_numbered_apart_and_found_in_either_spelling(sources: Sources) -> None:
    sources.keep([version("1", "my-users"), version("1", "orders")])
    sources.keep([version("2", "my-users")])
    assert numbers(sources, "my_users") == [1, 2]
    assert numbers(sources, "orders") == [1]
    assert sources.files("my-users", 2) == {"plugin.py": b"2"}


def test_what_is_the_newest_already_is_not_kept_again(sources: Sources) -> None:
    sources.keep([version("1"), version("1"), version("2")])
    sources.keep([version("2")])
    sources.keep([version("1", restores=1)])
    assert [(v.number, v.stands_for) for v in sources.versions("users")] == [(1, 1), (2, 2), (3, 1)]


def test_a_file_is_stored_once(sources: Sources, database: Database) -> None:
    shared = b"shared = 1\n" * 100
    for text in "12":
        sources.keep(
            [version(text, "users", models=shared), version(text, "orders", models=shared)]
        )
    assert count(database, source_blobs) == 3  # "1", "2" and what all four share
    assert count(database, source_files) == 8
    assert sources.digests("users")["plugin.py"] == {
        f.digest for t in "12" for f in version(t).source.files.values()
    }


def test_the_oldest_go_with_what_only_they_had(database: Database) -> None:
    upgrade(database)
    sources = Sources(database, most=3)
    sources.keep([version("0", "orders", models=b"shared")])
    for number in range(1, 8):
        sources.keep([version(str(number), models=b"shared" if number < 4 else b"own")])
    assert numbers(sources) == [5, 6, 7]
    assert count(database, source_blobs) == 2 + 3 + 1
    assert sources.files("orders", 1) == {"plugin.py": b"0", "models.py": b"shared"}
    assert sources.files("users", 7) == {"plugin.py": b"7", "models.py": b"own"}


def test_many_at_once_and_large_ones(sources: Sources, database: Database) -> None:
    noise = random.Random(1)
    files = {f"f{n}": noise.randbytes(50_000) for n in range(100)}
    sources.keep([version("1", "large", **files), *(version("1", f"p{n}") for n in range(300))])
    found = sources.files("large", 1)
    assert len(found) == 101
    assert all(found[f"{name}.py"] == content for name, content in files.items())
    assert numbers(sources, "p299") == [1]
    many = {f"g{n}": str(n).encode() for n in range(1500)}
    sources.keep([version("1", "many", **many)])
    assert len(sources.files("many", 1)) == 1501
    with database.read() as connection:
        stored = connection.scalars(select(source_blobs.c.content)).all()
    assert sum(map(len, stored)) < 6_000_000
    assert all(zlib.decompress(blob) is not None for blob in stored)


def test_several_that_write_at_once_agree_on_the_numbers(
    sources: Sources, database_url: str
) -> None:
    together = threading.Barrier(4)

    def save(number: int) -> None:
        own = open_database(database_url)
        try:
            together.wait(20)
            for step in range(8):
                Sources(own, most=10).keep([version(f"{number} {step}", models=b"shared")])
        finally:
            own.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(save, range(4)))
    assert numbers(sources) == list(range(23, 33))
    for number in numbers(sources):
        assert sources.files("users", number)["models.py"] == b"shared"
