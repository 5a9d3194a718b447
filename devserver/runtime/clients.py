"""Whether the client of a request is still there, as its connection tells."""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def client_of(environ: WSGIEnvironment) -> socket.socket | None:
    """The connection to the client; None where the server does not tell."""
    return environ.get("werkzeug.socket")


def has_left(client: socket.socket | None) -> bool:
    """True when the client has closed its end."""
    if client is None:
        return False
    try:
        # A socket with a time limit would wait for something to read, whatever the flags say.
        look = select.poll()
        look.register(client, select.POLLIN)
        if not look.poll(0):
            return False
        return client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except (OSError, ValueError):
        return True
