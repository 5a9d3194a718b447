"""The settings of a running host: what its file says, and what was said for this run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from devserver.core.settings import Settings
from devserver.reload.journal import Journal
from devserver.runtime.settings_file import read_settings


class SettingsInForce:
    """`variant` is given what config/hot-loading.yaml says and gives what is in force. `on_change`
    is called when that has changed, before anybody is told."""

    def __init__(
        self, root: Path, *, journal: Journal, variant: Callable[[Settings], Settings]
    ) -> None:
        self._root = root
        self._journal = journal
        self._variant = variant
        self._said: bool | None = None
        self.on_change: Callable[[], None] = lambda: None
        found, self.diagnostics = read_settings(root)
        self._of_file = found or Settings()
        self.current = variant(self._of_file)

    def say(self, development_mode: bool | None) -> None:
        """From the next `read` on development mode is on or off whatever the file says, until
        this host stops; None: as the file says."""
        self._said = development_mode

    def read(self) -> None:
        """A valid edit applies at once; an invalid one is told and the old settings stay."""
        found, diagnostics = read_settings(self._root)
        self._of_file = found or self._of_file
        current = self._variant(self._as_said(self._of_file))
        if current == self.current and diagnostics == self.diagnostics:
            return
        self.diagnostics = diagnostics
        if current != self.current:
            self.current = current
            self.on_change()
        self._journal.tell(
            "settings", ok=found is not None, diagnostics=[d.to_json() for d in diagnostics]
        )

    def to_json(self) -> dict[str, Any]:
        """`{ok, diagnostics, for_this_run, settings}`: whether what the file says is in force and
        what is wrong with it, whether development mode was said for this run, all values."""
        return {
            "ok": not any(d.is_error for d in self.diagnostics),
            "diagnostics": [d.to_json() for d in self.diagnostics],
            "for_this_run": self._said is not None,
            "settings": self.current.model_dump(mode="json"),
        }

    def _as_said(self, settings: Settings) -> Settings:
        if self._said is None:
            return settings
        return settings.model_copy(update={"development_mode": self._said})
