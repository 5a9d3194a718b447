"""config/hot-loading.yaml: its keys, their defaults, and what is wrong with a text of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from devserver.core.config_check import check_document
from devserver.core.diagnostics import Diagnostic
from devserver.core.patterns import PathFilter, problem_with_pattern

SETTINGS_FILE = "config/hot-loading.yaml"
"""Where the file lies, from the project root."""
SECTION = "hot_loading"
"""The key at its top that all others stand below."""

_DAY = 86_400


def _checked(pattern: str) -> str:
    problem = problem_with_pattern(pattern)
    if problem is not None:
        raise PydanticCustomError("pattern", "{problem}", {"problem": problem})
    return pattern


def _auto_or(kind: type[bool] | type[int], low: int = 0, high: int = 1) -> BeforeValidator:
    """`auto`, or a value of exactly that type (a bool is no int) in a range."""

    def check(value: Any) -> Any:
        if value == "auto" or (type(value) is kind and low <= value <= high):
            return value
        raise PydanticCustomError("out_of_range" if type(value) is kind else "choice", "no choice")

    return BeforeValidator(check)


def _switch(default: bool) -> Any:
    return Field(default, description="true or false")


def _whole(default: int, *, low: int, high: int, unit: str = "") -> Any:
    of_unit = f" of {unit}" if unit else ""
    return Field(
        default, ge=low, le=high, description=f"a whole number{of_unit} from {low} to {high}"
    )


def _seconds(default: float, *, zero: bool = False) -> Any:
    low = "from 0" if zero else "above 0"
    return Field(
        default,
        ge=0 if zero else None,
        gt=None if zero else 0,
        le=_DAY,
        allow_inf_nan=False,
        description=f"a number of seconds {low} up to {_DAY}",
    )


def _globs(*default: str) -> Any:
    return Field(default, strict=False, description="a list of globs such as plugins/**/*.py")


Glob = Annotated[str, AfterValidator(_checked)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class WatchSettings(_Section):
    """Which files are watched and how. Globs are gitignore-style, from the project root."""

    enabled: bool = _switch(True)
    patterns: tuple[Glob, ...] = _globs(
        "plugins/**/*.py",
        "plugins/**/manifest.json",
        "plugins/**/*.{yaml,yml,json,sql,html,jinja2}",
        "config/**/*.yaml",
        "schemas/**/*.json",
        "validators/*.py",
    )
    ignore: tuple[Glob, ...] = _globs("**/__pycache__/**", "**/*.pyc", "**/.*")
    debounce_ms: int = _whole(5, low=1, high=10_000, unit="milliseconds")
    force_polling: Annotated[bool | Literal["auto"], _auto_or(bool)] = Field(
        default="auto", description="true, false or auto"
    )

    def path_filter(self) -> PathFilter:
        """The filter for these globs; the settings file itself always counts, and with
        `enabled` false it alone does."""
        patterns = self.patterns if self.enabled else ()
        return PathFilter(patterns, self.ignore, always=(SETTINGS_FILE,))


class ReloadSettings(_Section):
    """How a reload runs. Times are seconds."""

    automatic: bool = _switch(True)
    validation: bool = _switch(True)
    backup_state: bool = _switch(True)
    timeout: float = _seconds(30)
    drain_timeout: float = _seconds(60)


class DevelopmentSettings(_Section):
    """Conveniences of development; all off when `development_mode` is false."""

    debug_logging: bool = _switch(True)
    preserve_breakpoints: bool = _switch(True)
    auto_install_deps: bool = _switch(False)
    reload_on_import_error: bool = _switch(True)
    browser_reload: bool = _switch(True)


class SafetySettings(_Section):
    """What stands between a save and the live plugins."""

    validate_before_reload: bool = _switch(True)
    trial_process: bool = _switch(True)
    trial_memory_mb: Annotated[int | Literal["auto"], _auto_or(int, 1, 1_048_576)] = Field(
        default="auto", description="auto or a whole number of megabytes from 1 to 1048576"
    )
    rollback_on_failure: bool = _switch(True)
    probation_ms: int = _whole(0, low=0, high=3_600_000, unit="milliseconds")
    max_reload_attempts: int = _whole(3, low=0, high=100)
    cooldown_period: float = _seconds(5, zero=True)


class LoadingSettings(_Section):
    """When plugins are loaded."""

    lazy: bool = _switch(False)


class Settings(_Section):
    """All settings; `Settings()` holds the defaults."""

    enabled: bool = _switch(True)
    development_mode: bool = _switch(True)
    watch: WatchSettings = WatchSettings()
    reload: ReloadSettings = ReloadSettings()
    development: DevelopmentSettings = DevelopmentSettings()
    safety: SafetySettings = SafetySettings()
    loading: LoadingSettings = LoadingSettings()

    @property
    def validates(self) -> bool:
        """Whether changes go through the validation pipeline."""
        return self.reload.validation and self.safety.validate_before_reload

    @property
    def watches(self) -> bool:
        """Whether files are watched."""
        return self.enabled and self.watch.enabled

    @property
    def reloads_automatically(self) -> bool:
        """Whether a change is reloaded without being asked for."""
        return self.enabled and self.reload.automatic

    @property
    def watch_in_force(self) -> WatchSettings:
        """The watch section, switched off when everything is."""
        return self.watch.model_copy(update={"enabled": self.watches})

    @property
    def development_in_force(self) -> DevelopmentSettings:
        """The development section, or all of it off outside development mode."""
        if self.development_mode:
            return self.development
        return DevelopmentSettings(**dict.fromkeys(DevelopmentSettings.model_fields, False))


class _File(_Section):
    hot_loading: Settings = Settings()


def parse_settings(text: str, file: str) -> tuple[Settings | None, tuple[Diagnostic, ...]]:
    """The settings that a text stands for, and everything that is wrong with it.

    `file` is the name that the diagnostics carry. The settings are None when there is an error.
    Keys that are missing, and sections without content, have their defaults.
    """
    parsed, diagnostics = check_document(text, _File, file)
    return (None if parsed is None else parsed.hot_loading), diagnostics
