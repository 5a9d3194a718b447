"""How callers say who they are, as applications declare it, named for one document."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin

_ADDRESSES = ("authorizationUrl", "tokenUrl", "refreshUrl")


class SecuritySchemes:
    """Collects those of one plugin; `key` stands before their names, and `name` is the plugin's
    place."""

    def __init__(self, key: str, name: str) -> None:
        self._key, self._place = key, f"/{name}"
        self.named: dict[str, Any] = {}

    def add(self, schemes: dict[str, Any], mounted: str) -> dict[str, str]:
        """Takes in those of an application that is mounted there; gives the names that they have
        now."""
        return {
            name: self._keep(name, _placed(scheme, f"{self._place}{mounted}/"))
            for name, scheme in schemes.items()
        }

    def _keep(self, name: str, scheme: dict[str, Any]) -> str:
        wanted, number = f"{self._key}.{re.sub(r'[^a-zA-Z0-9._-]', '_', name)}", 1
        free = wanted
        while self.named.setdefault(free, scheme) != scheme:
            number += 1
            free = f"{wanted}.{number}"
        return free


def required(operation: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """The operation with what it requires under the new names."""
    if "security" not in operation:
        return operation
    asked = [
        {names.get(n, n): scopes for n, scopes in one.items()} for one in operation["security"]
    ]
    return {**operation, "security": asked}


def _placed(scheme: dict[str, Any], place: str) -> dict[str, Any]:
    """With the addresses that the application wrote relative to itself as they are from here."""
    flows = {
        kind: {k: urljoin(place, v) if k in _ADDRESSES else v for k, v in flow.items()}
        for kind, flow in scheme.get("flows", {}).items()
    }
    return {**scheme, **({"flows": flows} if flows else {})}
