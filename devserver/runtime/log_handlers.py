"""Log handlers that plugins add to their loggers."""

from __future__ import annotations

import logging

from devserver.runtime.modules import ROOT

Attached = frozenset[tuple[str, logging.Handler]]
"""Handlers with the names of the loggers that they are attached to."""


def attached(key: str) -> Attached:
    """The handlers at the loggers of a plugin: `plugins.KEY` and those below it."""
    name = f"{ROOT}.{key}"
    known = list(logging.root.manager.loggerDict.items())
    return frozenset(
        (at, handler)
        for at, logger in known
        if isinstance(logger, logging.Logger) and (at == name or at.startswith(name + "."))
        for handler in logger.handlers
    )


def detach(handlers: Attached) -> None:
    """Takes them off and closes them."""
    for name, handler in handlers:
        logging.getLogger(name).removeHandler(handler)
        handler.close()
