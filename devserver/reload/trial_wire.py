"""Frames over a socket: how the live server and its trial processes talk.

A frame is its length (8 bytes) and a marshalled mapping. Both ends are ours and of one
interpreter; what a plugin could have written is never read this way.
"""

from __future__ import annotations

import marshal
import select
import socket
import struct
import time
from typing import Any

_HEAD = struct.Struct("<Q")
_PART = 1 << 20


class Channel:
    """One end of a socket pair. A deadline is a `time.monotonic()`; None waits for ever.

    After a TimeoutError or another OSError the channel is of no more use.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._received = bytearray()

    def fileno(self) -> int:
        """The descriptor of the socket, to poll for what comes."""
        return self._socket.fileno()

    def send(self, message: dict[str, Any], deadline: float | None = None) -> None:
        """Raises TimeoutError, or another OSError when the other end is gone."""
        payload = marshal.dumps(message)
        self._socket.settimeout(_left(deadline))
        self._socket.sendall(_HEAD.pack(len(payload)) + payload)

    def receive(self, deadline: float | None = None) -> dict[str, Any] | None:
        """The next message, None when the other end is gone. Raises TimeoutError."""
        received, size = self._received, _HEAD.size
        while len(received) < size or len(received) < (size := _frame_size(received)):
            self._socket.settimeout(_left(deadline))
            try:
                part = self._socket.recv(_PART)
            except ConnectionError:
                return None
            if not part:
                return None
            received += part
        message: dict[str, Any] = marshal.loads(bytes(received[_HEAD.size : size]))
        del received[:size]
        return message

    def waits(self, seconds: float = 0) -> bool:
        """True as soon as something is there to be read; False after so long."""
        if self._received:
            return True
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        return bool(poller.poll(seconds * 1000))

    def is_cut(self) -> bool:
        """True when the other end is gone and nothing is left to be read."""
        if self._received:
            return False
        self._socket.settimeout(0)
        try:
            return not self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def cut(self) -> None:
        """Both ends see the end of the stream, also whoever waits for a message now."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def close(self) -> None:
        """Gives the descriptor back."""
        self._socket.close()


def _frame_size(content: bytearray) -> int:
    """The size of the frame that these bytes begin."""
    return _HEAD.size + int(_HEAD.unpack_from(content)[0])


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - time.monotonic(), 0.001)
