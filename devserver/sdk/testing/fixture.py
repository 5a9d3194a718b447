"""The pytest fixture `plugin_host`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from devserver.sdk.testing.client import Answer, PluginTestClient
from devserver.sdk.testing.rig import insist, running_app

if TYPE_CHECKING:
    from devserver.assembly.embedded import EmbeddedApp
    from devserver.reload.manager import Switched

_MARK = "plugin_host"
_OPTIONS = ("project", "enabled", "config", "database")


class PluginTestHost:
    """A running host. `app` is the application, with `plugin_manager` and
    `hot_reload_manager`; `client` asks it."""

    def __init__(self, app: EmbeddedApp) -> None:
        self.app = app
        self.client = PluginTestClient(app)

    def enable(self, *names: str) -> None:
        """Puts plugins into service, in this order. Raises AssertionError that tells why one
        could not be, and PluginNotFound."""
        for name in names:
            insist(self.app, name)

    def disable(self, name: str) -> Switched:
        """Takes a plugin out of service; false when that was refused."""
        return self.app.plugin_manager.disable_plugin(name)

    def reload(self, name: str) -> Switched:
        """Reloads a plugin from disk; `.outcome` tells all about it."""
        return self.app.plugin_manager.reload_plugin(name)

    def plugin(self, name: str) -> Any:
        """The live instance of a plugin. Raises LookupError for one that does not serve."""
        generation = self.app.plugin_host.registry.view.generation(name)
        if generation is None:
            raise LookupError(f"plugin {name!r} is not in service: enable it first")
        return generation.plugin

    def run(self, plugin: str, command: str, **arguments: Any) -> Any:
        """What a command of a plugin returns. Raises PluginNotFound, CommandNotFound, and
        whatever the command raises."""
        return self.app.plugin_host.control.run_command(plugin, command, arguments)

    def get(self, path: str, **options: Any) -> Answer:
        """The answer to GET; `options` are those of `PluginTestClient.ask`."""
        return self.client.ask("GET", path, **options)

    def post(self, path: str, **options: Any) -> Answer:
        """The answer to POST."""
        return self.client.ask("POST", path, **options)

    def put(self, path: str, **options: Any) -> Answer:
        """The answer to PUT."""
        return self.client.ask("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Answer:
        """The answer to PATCH."""
        return self.client.ask("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Answer:
        """The answer to DELETE."""
        return self.client.ask("DELETE", path, **options)


@pytest.fixture
def plugin_host(request: pytest.FixtureRequest) -> Iterator[PluginTestHost]:
    """A host of the project around the test, whose plugins the test enables. The mark
    `plugin_host(project=, enabled=, config=, database=)` has the arguments of
    `PluginTestCase.create_test_app`."""
    options: dict[str, Any] = {"project": None}
    for mark in reversed(list(request.node.iter_markers(_MARK))):
        strange = [repr(one) for one in mark.args] + sorted(mark.kwargs.keys() - set(_OPTIONS))
        if strange:
            takes = ", ".join(f"{name}=" for name in _OPTIONS)
            pytest.fail(f"the mark {_MARK} takes {takes} but not {', '.join(strange)}", False)
        options.update(mark.kwargs)
    with running_app(near=request.path.parent, **options) as app:
        yield PluginTestHost(app)


def pytest_configure(config: pytest.Config) -> None:
    """Makes the mark known."""
    config.addinivalue_line(
        "markers",
        f"{_MARK}(project=None, enabled=(), config=None, database=False): what the fixture "
        "plugin_host runs",
    )
