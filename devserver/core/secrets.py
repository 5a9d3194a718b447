"""Which configuration values are secret, and texts and documents without them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from devserver.core.manifest import ConfigOption, Manifest, Misfit, misfit_of

MASK = "***"
_NAME = re.compile(
    r"password|passwd|passphrase|passcode|(^|_)(pass|pwd|pin)$|secret|token|api_?key|private_?key"
    r"|access_?key|credential|authori[sz]ation|cookie|session_?(id|key)",
    re.IGNORECASE,
)
_TELLING = 4
"""Characters from which on a value is looked for in texts."""


def is_secret_name(name: str) -> bool:
    """True for what is called like something that nobody should read."""
    return _NAME.search(name.replace("-", "_")) is not None


def is_secret(key: str, manifest: Manifest) -> bool:
    """True for what is declared secret, or called so and not declared at all."""
    option = manifest.configuration.get(key)
    return is_secret_name(key) if option is None else is_secret_option(key, option)


def is_secret_option(key: str, option: ConfigOption) -> bool:
    """True for what is declared secret, and for a text that is called so where the declaration
    forgot to say it; a number (`max_tokens`) is none."""
    is_text = option.type == "string" and option.choices is None
    return option.secret or (is_text and is_secret_name(key))


def refusal_of(key: str, option: ConfigOption, value: Any) -> Misfit | None:
    """Why a value does not fit its declaration, without what is secret of it; None when it
    does."""
    found = misfit_of(option, value)
    if found is None:
        return None
    if not is_secret_option(key, option):
        return replace(found, message=f"{without_secrets(value)!r} {found.message}")
    told = "does not fit" if found.is_of_type else found.message
    return replace(found, message=f"the value {told}")


def shown(config: Mapping[str, Any], manifest: Manifest) -> dict[str, Any]:
    """A configuration as it may be told: secrets masked, also those within other values."""
    return {str(key): shown_value(str(key), value, manifest) for key, value in config.items()}


def shown_value(key: str, value: Any, manifest: Manifest) -> Any:
    """One value as it may be told."""
    if value is None or not is_secret(key, manifest):
        return without_secrets(value)
    return MASK


def without_masks(changes: Mapping[str, Any], manifest: Manifest) -> dict[str, Any]:
    """What somebody changed of a configuration that they were shown: a secret that is masked
    still is as it was."""
    return {k: v for k, v in changes.items() if v != MASK or not is_secret(k, manifest)}


def without_secrets(value: Any) -> Any:
    """A value with the texts masked that are called like secrets within it."""
    if isinstance(value, Mapping):
        return {
            str(k): MASK if isinstance(v, str) and is_secret_name(str(k)) else without_secrets(v)
            for k, v in value.items()
        }
    return [without_secrets(part) for part in value] if isinstance(value, list) else value


def masked(text: str, secrets: Collection[str]) -> str:
    """The text with every value in it replaced, the longest first."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def secret_texts(
    config: Mapping[str, Any], manifest: Manifest, *, shortest: int = _TELLING
) -> frozenset[str]:
    """The secret values of a configuration, as texts, also as they are written in source, in
    JSON and in addresses; those of fewer characters than `shortest` cannot be told from other
    parts of a text."""
    found: set[str] = set()
    for key, value in config.items():
        if is_secret(str(key), manifest):
            found.update(_texts(value))
        else:
            found.update(_nested(value))
    return frozenset(form for text in found if len(text) >= shortest for form in _forms(text))


def _forms(text: str) -> Iterator[str]:
    yield text
    yield repr(text)[1:-1]
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield quote(text, safe="", errors="replace")


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
