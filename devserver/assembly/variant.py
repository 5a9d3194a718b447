"""How a host may differ from that of the development server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from devserver.core.lifecycle import DesiredState
from devserver.core.settings import Settings
from devserver.runtime.log_lines import PLUGINS


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """`database` is a URL in place of the configured one, "" for none at all: then nothing is
    kept. `unspoken` is the operator's word for a plugin that there is none for. `settings` is
    given what config/hot-loading.yaml says and gives what is in force. With `claims_project` False
    another process may serve the project at the same time: nothing is written there, and no command
    finds this one. `logged` are the loggers whose records are kept, "" for all."""

    database: str | None = None
    unspoken: DesiredState = DesiredState.ACTIVE
    settings: Callable[[Settings], Settings] = lambda settings: settings
    claims_project: bool = True
    logged: tuple[str, ...] = (PLUGINS,)
