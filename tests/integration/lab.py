"""A project in a temporary folder with a running host: edit, and see what comes of it."""

from __future__ import annotations

import gc
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from werkzeug.test import Client, TestResponse

from devserver.assembly import PluginHost
from devserver.core.outcome import Outcome
from devserver.runtime.dispatcher import Dispatcher
from devserver.runtime.generation import Generation
from devserver.runtime.project import Project

PLUGIN = """
from devserver.sdk import BasePlugin

VERSION = {version!r}
{top}

class {cls}(BasePlugin):
    name = {name!r}
    version = "1.0.0"

    def __init__(self):
        super().__init__()
        self.hits = 0
        self.greeting = {greeting!r}
{init}

    def register_routes(self, app, router):
        @router.get("/version")
        def version():
            return {{"version": VERSION, "greeting": self.greeting}}

        @router.get("/hit")
        def hit():
            self.hits += 1
            return {{"hits": self.hits}}
{routes}
{body}
"""


def plugin(
    name: str,
    version: object = 1,
    *,
    greeting: str = "hello",
    top: str = "",
    init: str = "",
    routes: str = "",
    body: str = "",
) -> str:
    """The source of a plugin with the routes /version and /hit; the parts go where they say."""
    return PLUGIN.format(
        name=name,
        cls=name.title().replace("_", ""),
        version=version,
        greeting=greeting,
        top=textwrap.dedent(top).strip("\n"),
        init=textwrap.indent(textwrap.dedent(init).strip("\n"), " " * 8),
        routes=textwrap.indent(textwrap.dedent(routes).strip("\n"), " " * 8),
        body=textwrap.indent(textwrap.dedent(body).strip("\n"), " " * 4),
    )


def wait_for(fact: Callable[[], Any], what: str = "the fact", timeout: float = 20.0) -> Any:
    """What `fact()` gives as soon as it is true; fails the test after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while True:
        value = fact()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come about within {timeout:g} s")
        pause.wait(0.01)


class Lab:
    """Files are written at once; `save` tells the host as the watcher would, and waits. Requests
    keep no cookies between them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "plugins").mkdir(parents=True, exist_ok=True)
        self.host: PluginHost | None = None
        self._client: Client | None = None

    # -- files --------------------------------------------------------------------------------

    def path(self, place: str) -> Path:
        """`users` is plugins/users/plugin.py, `users/models.py` a file of it, `/config/x.yaml`
        one of the project."""
        if place.startswith("/"):
            return self.root / place[1:]
        return self.root / "plugins" / (place if "." in place else f"{place}/plugin.py")

    def write(self, place: str, text: str) -> Path:
        path = self.path(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def replace(self, place: str, text: str) -> Path:
        """Writes in one step, as careful editors do: nobody ever sees half of it."""
        path = self.path(place)
        beside = path.with_name(f".{path.name}.new")
        beside.write_text(text)
        return beside.replace(path)

    def settings(self, text: str) -> None:
        """config/hot-loading.yaml, without its first line."""
        self.write("/config/hot-loading.yaml", "hot_loading:\n" + textwrap.indent(text, "  "))

    def save(self, *edits: tuple[str, str | None]) -> Outcome | None:
        """Writes (None deletes) all of `edits` and tells the host of one batch."""
        paths = []
        for place, text in edits:
            path = self.path(place)
            if text is None:
                path.unlink()
            else:
                self.write(place, text)
            paths.append(path)
        return self.running.changed(*paths)

    # -- the host ------------------------------------------------------------------------------

    def start(self, *, hot_reload: bool = False) -> PluginHost:
        self.host = PluginHost(Project(self.root), hot_reload=hot_reload)
        self.host.start()
        system = self.host.system
        served = Dispatcher(system.registry, system.gate, _nothing_there)
        self._client = Client(served, use_cookies=False)
        return self.host

    def stop(self) -> None:
        if self.host is not None:
            self.host.stop()
            self.host = None

    @property
    def running(self) -> PluginHost:
        assert self.host is not None, "start() first"
        return self.host

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.ask("GET", path, **options)

    def ask(self, method: str, path: str, **options: Any) -> TestResponse:
        assert self._client is not None, "start() first"
        return self._client.open(path, method=method, buffered=True, **options)

    def json(self, path: str) -> Any:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json

    def generation(self, name: str) -> Generation:
        generation = self.running.registry.view.generation(name)
        assert generation is not None, f"{name} does not serve"
        return generation

    def live(self, name: str) -> list[int]:
        """The generations that exist once garbage has been collected."""
        gc.collect()
        return self.running.system.live.numbers(name)


def _nothing_there(environ: Any, start_response: Any) -> list[bytes]:
    start_response("404 NOT FOUND", [("Content-Type", "text/plain")])
    return [b"nothing there"]
