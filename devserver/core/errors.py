"""Every deliberate exception of the product. Expected failures are values, not exceptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devserver.core.diagnostics import Diagnostic


class DevServerError(Exception):
    """A failure that is told to the user as a fact and, in `hint`, the next step; tracebacks have
    both."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if hint:
            self.add_note(f"hint: {hint}")


class ProjectNotFound(DevServerError):
    """No project root was found upwards of a folder."""


class PluginNotFound(DevServerError):
    """No plugin of that name exists."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"no plugin named {name!r}", hint="`sysctl plugins list` shows the known plugins"
        )
        self.name = name


class SettingsError(DevServerError):
    """config/hot-loading.yaml is invalid; `diagnostics` says where."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("; ".join(d.message for d in diagnostics))
        self.diagnostics = tuple(diagnostics)


class DependencyCycle(DevServerError):
    """Plugins depend on each other in a circle; `path` starts and ends with the same name."""

    def __init__(self, path: Sequence[str]) -> None:
        super().__init__(
            f"dependency cycle: {' → '.join(path)}",
            hint="break the circle: move what both need into a third plugin",
        )
        self.path = tuple(path)


class PluginUnavailable(DevServerError):
    """A plugin is known but has nothing that could serve (failed, disabled, not loaded)."""


class SwitchRefused(DevServerError):
    """A plugin cannot be disabled or unloaded; `reasons` are all that stand against it."""

    def __init__(self, message: str, *, hint: str | None, reasons: tuple[str, ...]) -> None:
        super().__init__(message, hint=hint)
        self.reasons = reasons


class CanaryRefused(SwitchRefused):
    """A canary cannot begin, or there is none."""


class VersionNotFound(DevServerError):
    """No such version of a plugin's source is kept; `versions` are the numbers of those that
    are."""

    def __init__(self, message: str, *, versions: Sequence[int]) -> None:
        kept = ", ".join(map(str, versions))
        super().__init__(message, hint=f"kept are: {kept}" if kept else "none is kept yet")
        self.versions = tuple(versions)


class ConfigurationRefused(DevServerError, ValueError):
    """A value does not fit what the manifest declares for its key."""


class DatabaseUnavailable(DevServerError):
    """The database cannot be used: it cannot be reached, is locked, full, damaged, or newer than
    this program."""


class MigrationFailed(DevServerError):
    """The migrations of a plugin were refused, or did not work out: nothing of them is in the
    database. `diagnostics` say where and why; every one is an error."""

    def __init__(
        self, message: str, *, hint: str | None = None, diagnostics: Sequence[Diagnostic] = ()
    ) -> None:
        super().__init__(message, hint=hint)
        self.diagnostics = tuple(diagnostics)


class CommitFailed(DevServerError):
    """The database refused to commit what a piece of plugin work did; nothing of it is there."""


class LoopBlocked(DevServerError):
    """A coroutine blocked the plugin loop, which has gone on without it; `__cause__` has the
    stack."""


class HostRequired(DevServerError):
    """A helper of BasePlugin that needs a running host was used without one."""

    def __init__(self, helper: str) -> None:
        super().__init__(
            f"{helper}() needs a running host",
            hint="in a unit test replace the helper on the plugin: plugin.get_config = ...",
        )


class ServiceNotFound(DevServerError, LookupError):
    """No active plugin provides the service."""


class CommandNotFound(DevServerError, LookupError):
    """No active plugin has the command."""


class PermissionDenied(DevServerError):
    """The caller lacks permissions; `missing` names all of them that were asked for. `caller` is
    the name of the token that was used, "" where there was none."""

    def __init__(self, *missing: str, caller: str = "") -> None:
        names = ", ".join(map(repr, missing))
        told = f"permission {names} is" if len(missing) == 1 else f"permissions {names} are"
        super().__init__(
            f"{told} missing",
            hint=f"grant it to the token {caller!r} in config/main.yaml under auth.tokens"
            if caller
            else "send `Authorization: Bearer TOKEN` of a token that holds it: config/main.yaml "
            "lists them under auth.tokens",
        )
        self.missing = missing
        self.caller = caller


class PluginHookFailed(DevServerError):
    """Plugin code raised, returned False from initialize(), or did not end in time.

    `plugin` and `hook` name where; `__cause__` is what the plugin raised, or for a hang an
    exception whose traceback is where it hung, if that is known.
    """

    def __init__(
        self, message: str, *, plugin: str, hook: str, code: str, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.plugin = plugin
        self.hook = hook
        self.code = code
