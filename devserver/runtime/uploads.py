"""Takes the body of a request in before its work begins: a slow client is nobody's work."""

from __future__ import annotations

import io
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any

from werkzeug.exceptions import ClientDisconnected

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

IN_MEMORY = 1024 * 1024
"""Bytes of a body that are kept in memory; what is more goes into a temporary file."""
AT_MOST = 64 * 1024 * 1024
"""Bytes of a body that are waited for; the rest is read while the request is at work."""
_PIECE = 64 * 1024


class UploadFailed(Exception):
    """The body did not arrive as it was announced; `status` is the answer's status code."""

    def __init__(self, status: int, message: str, hint: str) -> None:
        super().__init__(message)
        self.status = status
        self.hint = hint


def take_in(environ: WSGIEnvironment) -> IO[bytes] | None:
    """The request's body, received; the caller closes it. None for a request without one.

    Raises UploadFailed.
    """
    chunked = bool(environ.get("wsgi.input_terminated"))
    length = None if chunked else int(environ.get("CONTENT_LENGTH") or 0)
    if length == 0:
        return None
    source = environ["wsgi.input"]
    spool: Any = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the caller closes it
    try:
        complete = _receive(source, spool, length)
    except BaseException as error:  # raised again, with the file closed
        spool.close()
        raise _told(error) from error
    spool.seek(0)
    return spool if complete else io.BufferedReader(_Continued(spool, source))


def _receive(source: Any, spool: Any, length: int | None) -> bool:
    """Copies up to AT_MOST bytes; True when that was all."""
    wanted = AT_MOST if length is None else min(length, AT_MOST)
    while wanted > 0:
        piece = source.read(min(wanted, _PIECE))
        if not piece:
            return True
        spool.write(piece)
        wanted -= len(piece)
    return length is not None and length <= AT_MOST


def _told(error: BaseException) -> BaseException:
    if isinstance(error, TimeoutError):
        return UploadFailed(408, "the body did not arrive in time", "send the request again")
    if isinstance(error, (ClientDisconnected, OSError, ValueError)):
        return UploadFailed(400, f"the body did not arrive: {error}", "send the request again")
    return error


class _Continued(io.RawIOBase):
    """What was taken in, and then what is still to come."""

    def __init__(self, spool: IO[bytes], source: IO[bytes]) -> None:
        self._spool = spool
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._spool.read(len(buffer)) or self._source.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._spool.close()
        super().close()
