"""Reading config/hot-loading.yaml."""

from __future__ import annotations

from pathlib import Path

from devserver.core.config_check import UNREADABLE
from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.settings import SETTINGS_FILE, Settings, parse_settings


def read_settings(project_root: Path) -> tuple[Settings | None, tuple[Diagnostic, ...]]:
    """The settings of a project and what is wrong with their file.

    Without a file they are the defaults. They are None when the file cannot be read or is
    invalid: whoever has settings in force keeps them, whoever starts takes `Settings()`.
    """
    try:
        text = (project_root / SETTINGS_FILE).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return Settings(), ()
    except UnicodeDecodeError as error:
        return None, (_not_utf8(error),)
    except OSError as error:
        reason = error.strerror or str(error)
        return None, (
            _unreadable(
                f"the settings cannot be read: {reason}",
                hint="it must be a file that the user who runs the server may read",
            ),
        )
    return parse_settings(text, SETTINGS_FILE)


def _not_utf8(error: UnicodeDecodeError) -> Diagnostic:
    before = error.object[: error.start]
    return _unreadable(
        f"the file is not UTF-8: byte 0x{error.object[error.start]:02x} does not fit",
        hint="save the file with the encoding UTF-8",
        line=before.count(b"\n") + 1,
        column=len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1,
    )


def _unreadable(
    message: str, *, hint: str, line: int | None = None, column: int | None = None
) -> Diagnostic:
    return Diagnostic(
        code=UNREADABLE,
        severity=Severity.ERROR,
        message=message,
        file=SETTINGS_FILE,
        line=line,
        column=column,
        hint=hint,
    )
