"""Which configuration values are secret, and texts and documents without them."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from devserver.core.manifest import Manifest
from devserver.runtime.readable import MASK, is_secret_name

_TELLING = 4
"""Characters from which on a value is looked for in texts."""


class Secrets:
    """The secret values that each plugin has been configured with in this run, also those that
    are replaced by now: what still tells of them must not show them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: dict[str, frozenset[str]] = {}
        self._all: frozenset[str] = frozenset()

    def learn(self, plugin: str, config: Mapping[str, Any], manifest: Manifest) -> None:
        """`plugin` (normalised) has been configured so."""
        found = secret_texts(config, manifest)
        known = self._texts.get(plugin, frozenset())
        if not found <= known:
            with self._lock:
                self._texts[plugin] = self._texts.get(plugin, frozenset()) | found
                self._all |= found

    def of(self, plugins: Iterable[str]) -> frozenset[str]:
        """The values of these plugins (normalised), as texts."""
        return frozenset().union(*(self._texts.get(plugin, frozenset()) for plugin in plugins))

    def all(self) -> frozenset[str]:
        """The values of every plugin, as texts."""
        return self._all

    def mask_all(self, text: str) -> str:
        """Any text without the secrets of all plugins."""
        return masked(text, self._all)

    def mask(self, plugin: str, text: str) -> str:
        """A text about a plugin without its secrets."""
        return masked(text, self.of([plugin]))


def masked(text: str, secrets: Collection[str]) -> str:
    """The text with every value in it replaced, the longest first."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def is_secret(key: str, manifest: Manifest) -> bool:
    """True for what is declared secret, or called so and not declared at all."""
    option = manifest.configuration.get(key)
    return is_secret_name(key) if option is None else option.secret or _is_secret_text(key, option)


def _is_secret_text(key: str, option: Any) -> bool:
    """A text that is called so is one even where the declaration forgot to say it; a number
    (`max_tokens`) is none."""
    return option.type == "string" and option.choices is None and is_secret_name(key)


def shown(config: Mapping[str, Any], manifest: Manifest) -> dict[str, Any]:
    """A configuration as it may be told: secrets masked, also those within other values."""
    return {str(key): shown_value(str(key), value, manifest) for key, value in config.items()}


def shown_value(key: str, value: Any, manifest: Manifest) -> Any:
    """One value as it may be told."""
    if value is None or not is_secret(key, manifest):
        return _without_secrets(value)
    return MASK


def without_masks(changes: Mapping[str, Any], manifest: Manifest) -> dict[str, Any]:
    """What somebody changed of a configuration that they were shown: a secret that is masked
    still is as it was."""
    return {k: v for k, v in changes.items() if v != MASK or not is_secret(k, manifest)}


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            str(k): MASK if isinstance(v, str) and is_secret_name(str(k)) else _without_secrets(v)
            for k, v in value.items()
        }
    return [_without_secrets(part) for part in value] if isinstance(value, list) else value


def secret_texts(
    config: Mapping[str, Any], manifest: Manifest, *, shortest: int = _TELLING
) -> frozenset[str]:
    """The secret values of a configuration, as texts; those of fewer characters than `shortest`
    cannot be told from other parts of a text."""
    found: set[str] = set()
    for key, value in config.items():
        if is_secret(str(key), manifest):
            found.update(_texts(value))
        else:
            found.update(_nested(value))
    return frozenset(text for text in found if len(text) >= shortest)


def _nested(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            hidden = isinstance(part, str) and is_secret_name(str(key))
            yield from _texts(part) if hidden else _nested(part)
    elif isinstance(value, list):
        for part in value:
            yield from _nested(part)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
