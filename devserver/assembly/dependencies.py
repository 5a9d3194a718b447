"""Installs what the requirements.txt of plugins names that miss a module."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from devserver.core.errors import DevServerError
from devserver.core.settings import Settings
from devserver.packages.requirements import Installer, needed_by
from devserver.reload.catalog import Reading
from devserver.validation.distributions import REQUIREMENTS

Tell = Callable[[str, str, str | None], None]
"""Called with level, message and hint."""


class MissingDependencies:
    """Does nothing unless `development.auto_install_deps` says so. `settings()` gives those in
    force. Each requirements.txt is tried once; the plugin is tried again by who waits for its
    module."""

    def __init__(self, *, settings: Callable[[], Settings], tell: Tell) -> None:
        self._settings = settings
        self._tell = tell
        self._tried: set[tuple[str, str]] = set()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="install")

    def missed_by(self, readings: Iterable[Reading]) -> None:
        """These were refused for a module that is not there. Returns at once."""
        if not self._settings().development_in_force.auto_install_deps:
            return
        for reading in readings:
            source = None if reading.candidate is None else reading.candidate.source
            file = None if source is None else source.files.get(REQUIREMENTS)
            if file is not None and (reading.key, file.digest) not in self._tried:
                self._tried.add((reading.key, file.digest))
                self._pool.submit(self._install, reading.name, file.content)

    def stop(self) -> None:
        """Begins nothing more; what is being installed is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _install(self, name: str, content: bytes) -> None:
        try:
            needed = needed_by(content.decode("utf-8-sig", "replace"))
            with Installer().installed(needed) as came:
                pass
        except DevServerError as error:
            message = f"{name}: {error.message}"
            self._tell("warning", message, error.hint)
        else:
            if came:
                self._tell("info", f"{name}: installed {', '.join(came)}", None)
