"""PluginTestCase: coroutine tests with an application of their own."""

from __future__ import annotations

import inspect
import unittest
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from devserver.sdk.testing.client import PluginTestClient
from devserver.sdk.testing.rig import Configs, Database, running_app

if TYPE_CHECKING:
    from devserver.assembly.embedded import EmbeddedApp


class PluginTestCase(unittest.IsolatedAsyncioTestCase):
    """`async def test_...` methods run as they are, under pytest and unittest.

    `project` is the project's folder, by default the nearest one upwards from the test's file;
    `enabled` the plugins in service from the beginning; `config` their configuration; `database`
    True gives the plugins an SQLite file that goes with the test, a URL that database.
    """

    project: str | Path | None = None
    enabled: Iterable[str] = ()
    config: Configs = MappingProxyType({})
    database: Database = False

    def create_test_app(
        self,
        *,
        project: str | Path | None = None,
        enabled: Iterable[str] | None = None,
        config: Mapping[str, Mapping[str, Any]] | None = None,
        database: Database | None = None,
    ) -> EmbeddedApp:
        """A running application, closed at the end of the test; what is not given is that of the
        class. Every plugin that is not `enabled` is known but out of service:
        `await app.plugin_manager.enable_plugin(name)`.

        Raises DevServerError while another one runs, and as `PluginTestHost.enable`.
        """
        stack = ExitStack()
        self.addCleanup(stack.close)
        return stack.enter_context(
            running_app(
                project or self.project,
                near=Path(inspect.getfile(type(self))).absolute().parent,
                enabled=self.enabled if enabled is None else enabled,
                config=self.config if config is None else config,
                database=self.database if database is None else database,
            )
        )

    def create_test_client(self, app: EmbeddedApp | None = None) -> PluginTestClient:
        """A client of `app`, by default of a new one: `await client.get("/counter/")`."""
        return PluginTestClient(self.create_test_app() if app is None else app)
