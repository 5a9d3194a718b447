"""Changes config/hot-loading.yaml, which is the user's file: one line of it."""

from __future__ import annotations

import os
from pathlib import Path

from devserver.core.errors import DevServerError, SettingsError
from devserver.core.settings import SECTION, SETTINGS_FILE, parse_settings
from devserver.core.yaml_edit import with_value
from devserver.runtime.settings_file import read_settings

_BOM = "\ufeff"


def write_development_mode(project_root: Path, on: bool) -> None:
    """Has the file say that `development_mode` is `on`, and leaves all the rest of it as it is
    written. It is replaced in one step.

    Raises SettingsError for a file that is not valid, DevServerError for one that is written in
    a way that cannot be changed so, OSError.
    """
    settings, found = read_settings(project_root)
    if settings is None:
        raise SettingsError(found)
    path = (project_root / SETTINGS_FILE).resolve()
    before = path.read_bytes().decode() if path.exists() else ""
    text, value = before.removeprefix(_BOM), "true" if on else "false"
    changed = with_value(text, SECTION, "development_mode", value)
    wanted = settings.model_copy(update={"development_mode": on})
    if changed is None or parse_settings(changed, SETTINGS_FILE)[0] != wanted:
        raise DevServerError(
            f"{SETTINGS_FILE} is written in a way that only you can change",
            hint=f"write `development_mode: {value}` below `{SECTION}:`",
        )
    path.parent.mkdir(exist_ok=True)
    _replace(path, (_BOM if before.startswith(_BOM) else "") + changed)


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_bytes(text.encode())
        if path.exists():
            os.chmod(beside, path.stat().st_mode & 0o7777)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
