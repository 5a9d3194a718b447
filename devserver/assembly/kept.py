"""What the store of a project tells and takes while no server runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from devserver.core.lifecycle import DesiredState
from devserver.core.values import Changes
from devserver.runtime.host_settings import read_host_settings
from devserver.runtime.project import Project
from devserver.runtime.values import parsed
from devserver.store.address import find_address
from devserver.store.store import Store


def open_store(project: Project) -> Store:
    """The store, ready. Raises DatabaseUnavailable, or DevServerError for a bad
    config/main.yaml."""
    store = Store(find_address(project.root, read_host_settings(project.root).database))
    store.open()
    return store.insist()


@contextmanager
def _store_if_any(project: Project) -> Iterator[Store | None]:
    """The store, ready; nothing is made where there is no database yet, which gives None."""
    store = Store(find_address(project.root, read_host_settings(project.root).database))
    file = store.database.address.file
    if file is not None and not file.exists():
        yield None
        return
    store.open()
    try:
        yield store.insist()
    finally:
        store.close()


def kept_words(project: Project) -> dict[str, DesiredState]:
    """Key → the operator's word, of every plugin that was ever seen; nothing is made where there
    is no database yet. Raises as `open_store`."""
    with _store_if_any(project) as store:
        known = {} if store is None else store.records.all()
        return {key: one.status for key, one in known.items()}


def kept_overrides(project: Project, plugin: str) -> dict[str, Any]:
    """Key → value of what was set at run time for a plugin (normalised); nothing is made where
    there is no database yet. Raises as `open_store`."""
    with _store_if_any(project) as store:
        return {} if store is None else parsed(store.values.overrides(plugin))


def keep_overrides(project: Project, plugin: str, changes: Mapping[str, Any]) -> None:
    """Keeps them for the next start; None takes one out. Raises as `open_store`."""
    texts = {key: None if value is None else json.dumps(value) for key, value in changes.items()}
    store = open_store(project)
    try:
        store.values.put({plugin: Changes(config=texts)})
    finally:
        store.close()


def keep_word(project: Project, names: Iterable[str], status: DesiredState) -> bool:
    """Keeps the operator's word for the next start; True where other instances may share the
    database, so that it is kept for them too. Raises as `open_store`."""
    store = open_store(project)
    try:
        store.records.set_status(names, status)
        return not store.database.address.is_sqlite
    finally:
        store.close()
