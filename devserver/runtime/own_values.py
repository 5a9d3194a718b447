"""What one generation's plugin is configured with, and what it sets itself."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from devserver.core.config_layers import LayeredConfig, with_overrides
from devserver.core.errors import ConfigurationRefused
from devserver.core.secrets import refusal_of, secret_texts
from devserver.core.values import Changes, check_keys
from devserver.runtime.gate import CURRENT
from devserver.runtime.generation import Generation
from devserver.runtime.secrets import Secrets
from devserver.runtime.values import RunTimeValues, parsed_changes


@dataclass(slots=True)
class _Tried:
    """Another configuration, as long as nobody but the hooks of a transaction is to see it."""

    config: LayeredConfig
    changes: Changes


class OwnValues:
    """Configuration and data of one generation's plugin.

    What it sets before it is live is kept with the commit that makes it live, or nowhere; later,
    or once it is let through, at once. Thread-safe.
    """

    def __init__(self, generation: Generation, values: RunTimeValues, secrets: Secrets) -> None:
        self._generation = generation
        self._values = values
        self._secrets = secrets
        self._lock = threading.Lock()
        self._changes: Changes | None = Changes()
        self._tried: _Tried | None = None
        self._passes = False
        self.times_configured = 0
        """How often another configuration was kept."""

    def config(self) -> Mapping[str, Any]:
        """The effective configuration, as who asks is to see it."""
        generation, tried = self._generation, self._tried
        base, changes = generation.config, self._changes
        if tried is not None and _is_in_a_hook():
            base, changes = tried.config, tried.changes
        overrides = self._values.overrides(generation.key)
        own = {} if changes is None else parsed_changes(changes.config)
        return MappingProxyType(with_overrides(base, overrides, own))

    def secret_texts(self) -> frozenset[str]:
        """The values of its secrets, now and earlier in this run."""
        generation = self._generation
        now = secret_texts(self.config(), generation.manifest, shortest=1)
        return now | self._secrets.of([generation.key])

    def set_config(self, key: str, value: Any) -> None:
        """Overrides a key, or with None takes its override out.

        Raises ConfigurationRefused for a value that does not fit its declaration, TypeError for
        one that is no JSON.
        """
        text = None if value is None else json.dumps(value)
        option = self._generation.manifest.configuration.get(key)
        problem = (
            None if option is None or text is None else refusal_of(key, option, json.loads(text))
        )
        if problem is not None:
            raise ConfigurationRefused(
                f"the configuration of {key!r}: {problem.message}",
                hint=f"{key!r} is declared in the manifest of {self._generation.name!r}",
            )
        self._change(Changes(config={key: text}))
        self._secrets.learn(self._generation.key, {key: value}, self._generation.manifest)

    def get_data(self, key: str, default: Any) -> Any:
        """A copy of what is kept under a key."""
        changes = self._seen_changes()
        kept = None if changes is None else changes.data.get(key)
        if kept is None:
            kept = self._values.get_data(self._generation.key, key)
        return default if kept is None else json.loads(kept)

    def set_data(self, key: str, value: Any) -> None:
        """Keeps a value. Raises TypeError for what is no JSON."""
        self._change(Changes(data={key: json.dumps(value)}))

    def begin_with(self, changes: Mapping[str, str | None]) -> None:
        """Overrides that are to be kept, as JSON text, or taken out (None) when this generation
        goes live: it sees them from the beginning."""
        if self._changes is None:
            raise AssertionError("a generation begins before it is live")
        self._changes.config.update(changes)

    def take_changes(self) -> tuple[str, Changes]:
        """The plugin's key, and what it has set so far; what it sets from now on is kept at
        once."""
        with self._lock:
            changes, self._changes = self._changes, None
        return self._generation.key, changes or Changes()

    def let_through(self) -> None:
        """What is set from now on is kept at once, though the generation is not live; what was
        set before stays its own."""
        with self._lock:
            self._passes = True

    # -- another configuration for a live generation ----------------------------------------------

    def try_config(self, config: LayeredConfig, changes: Mapping[str, str | None]) -> None:
        """Hooks of a transaction see this configuration, and what they set is only noted, until
        it is kept or dropped; everybody else sees what is in force."""
        self._tried = _Tried(config, Changes(config=dict(changes)))

    def tried_changes(self) -> Changes:
        """What is to be kept with it."""
        return Changes() if self._tried is None else self._tried.changes

    def keep_config(self) -> None:
        """What was tried is in force; its changes have been kept."""
        if self._tried is not None:
            self._generation.config = self._tried.config
            self._tried = None
            self.times_configured += 1

    def drop_config(self) -> None:
        """What was tried is nowhere."""
        self._tried = None

    def _seen_changes(self) -> Changes | None:
        tried = self._tried
        return tried.changes if tried is not None and _is_in_a_hook() else self._changes

    def _change(self, change: Changes) -> None:
        check_keys((*change.config, *change.data))
        with self._lock:
            changes = self._seen_changes()
            if changes is not None and not self._passes:
                changes.config.update(change.config)
                changes.data.update(change.data)
                return
            if changes is not None:
                for name in change.config:
                    changes.config.pop(name, None)
                for name in change.data:
                    changes.data.pop(name, None)
        self._values.put([(self._generation.key, change)])


def _is_in_a_hook() -> bool:
    """True for what a transaction calls, however far."""
    flight = CURRENT.get()
    return flight is not None and any(part.pinned for part in flight.chain())
