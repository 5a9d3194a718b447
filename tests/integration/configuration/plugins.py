"""Plugins for tests of configuration."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.lab import plugin

SCHEMA: dict[str, Any] = {
    "interval": {"type": "integer", "default": 5, "min": 1, "max": 60},
    "mode": {"choices": ["fast", "safe"]},
    "ratio": {"type": "number"},
    "verbose": {"type": "boolean"},
    "api_key": {"type": "string", "secret": True},
}
ROUTES = """
@router.get("/config")
def config():
    return dict(self.config)

@router.get("/seen")
def seen():
    return {"seen": self.seen, "limit": self.limit}

@router.get("/own/<key>/<int:value>")
def own(key, value):
    self.ctx.config.set(key, value)
    return {}
"""
INIT = "self.seen = []\nself.limit = 0"
TAKES = """
def initialize(self):
    self.limit = self.config.get("interval", 0)

def on_config_change(self, old, new):
    self.limit = new["interval"]
    self.seen.append([old.get("interval"), new["interval"], self.config["interval"]])
    {more}
"""


def manifest(options: dict[str, Any] | None = None, **fields: Any) -> str:
    """The text of a manifest.json."""
    return json.dumps({"configuration": SCHEMA if options is None else options, **fields}, indent=1)


def configured(name: str = "users", version: object = 1, *, body: str = "", init: str = "") -> str:
    """A plugin that tells its configuration, and is reloaded for another."""
    return plugin(name, version, init=f"{INIT}\n{init}", routes=ROUTES, body=body)


def taking(name: str = "users", version: object = 1, *, more: str = "", init: str = "") -> str:
    """One that takes another configuration live, and then does `more`."""
    return configured(name, version, body=TAKES.replace("{more}", more), init=init)
