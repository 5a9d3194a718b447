"""Clients that ask for everything a server can be asked for, and look at each answer."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable

from tests.guarantees.g04_no_request_is_lost.stamped import FILE, lines, mixtures
from tests.guarantees.g04_no_request_is_lost.wire import Received, Wire, chunked, head

Request = Callable[["Wire", "dict[str, str]"], list[str]]
_BODY = b"b" * 1000
_LARGE = b"u" * 2 * 1024 * 1024


def get(wire: Wire, more: dict[str, str]) -> list[str]:
    return _stamped(wire.ask("/report/stamp", **more))


def head_only(wire: Wire, more: dict[str, str]) -> list[str]:
    answer = wire.ask("/report/stamp", "HEAD", **more)
    empty = [] if answer.body == b"" else ["a HEAD answer has a body"]
    return empty + mixtures(json.loads(answer.headers["X-Stamp"])) + _status(answer, 200)


def sleeping(wire: Wire, more: dict[str, str]) -> list[str]:
    return _stamped(wire.ask("/report/sleep", **more))


def coroutine(wire: Wire, more: dict[str, str]) -> list[str]:
    return _stamped(wire.ask("/report/async", **more))


def fastapi(wire: Wire, more: dict[str, str]) -> list[str]:
    return _stamped(wire.ask("/report/api/later", **more))


def fastapi_plain(wire: Wire, more: dict[str, str]) -> list[str]:
    return _stamped(wire.ask("/report/api/plain", **more))


def fastapi_upload(wire: Wire, more: dict[str, str]) -> list[str]:
    wire.send(head("/report/api/upload", "POST", Transfer_Encoding="chunked", **more))
    wire.send(chunked([_BODY] * 20))
    return _uploaded(wire.receive(), 20 * len(_BODY))


def fastapi_stream(wire: Wire, more: dict[str, str]) -> list[str]:
    return stream(wire, more, "/report/api/stream")


def stream(wire: Wire, more: dict[str, str], path: str = "/report/stream") -> list[str]:
    answer = wire.ask(path, **more)
    parts = lines(answer.body) if answer.status == 200 else []
    complete = [] if len(parts) == 5 else [f"a stream of {len(parts)} parts"]
    return _status(answer, 200) + complete + mixtures(parts)


def large(wire: Wire, more: dict[str, str]) -> list[str]:
    answer = wire.ask("/report/large", **more)
    if answer.status != 200:
        return _status(answer, 200)
    told = answer.json()
    short = [] if len(told["filling"]) == 1024 * 1024 else ["a large answer is not whole"]
    return short + mixtures(told["stamps"])


def nowhere(wire: Wire, more: dict[str, str]) -> list[str]:
    return _status(wire.ask("/report/nowhere", **more), 404)


def unchanged(wire: Wire, more: dict[str, str]) -> list[str]:
    fresh = wire.ask("/report/static/digits.txt", **(more | {"Connection": "keep-alive"}))
    wrong = _status(fresh, 200) + ([] if fresh.body.decode() == FILE else ["a file is not whole"])
    again = wire.ask("/report/static/digits.txt", If_None_Match=fresh.headers["ETag"], **more)
    return wrong + _status(again, 304)


def part(wire: Wire, more: dict[str, str]) -> list[str]:
    answer = wire.ask("/report/static/digits.txt", Range="bytes=10-19", **more)
    return _status(answer, 206) + ([] if answer.body == b"0123456789" else ["a wrong range"])


def post(wire: Wire, more: dict[str, str]) -> list[str]:
    sent = head("/report/upload", "POST", Content_Length=str(len(_BODY)), **more)
    wire.send(sent + _BODY)
    return _uploaded(wire.receive(), len(_BODY))


def large_upload(wire: Wire, more: dict[str, str]) -> list[str]:
    wire.send(head("/report/upload", "POST", Content_Length=str(len(_LARGE)), **more) + _LARGE)
    return _uploaded(wire.receive(), len(_LARGE))


def chunked_upload(wire: Wire, more: dict[str, str]) -> list[str]:
    wire.send(head("/report/upload", "POST", Transfer_Encoding="chunked", **more))
    wire.send(chunked([_BODY] * 20))
    return _uploaded(wire.receive(), 20 * len(_BODY))


def expecting(wire: Wire, more: dict[str, str]) -> list[str]:
    length = str(len(_BODY))
    wire.send(head("/report/upload", "POST", Content_Length=length, Expect="100-continue", **more))
    if b" 100 " not in wire.read_line() or wire.read_line() != b"\r\n":
        return ["no 100 Continue"]
    wire.send(_BODY)
    return _uploaded(wire.receive(), len(_BODY))


def pipelined(wire: Wire, more: dict[str, str]) -> list[str]:
    wire.send(head("/report/stamp") * 2 + head("/report/async", **more))
    return [fault for _ in range(3) for fault in _stamped(wire.receive())]


def ancient(wire: Wire, _more: dict[str, str]) -> list[str]:
    """HTTP/1.0: the connection ends with the answer."""
    wire.send(head("/report/stamp", version="1.0"))
    faults = _stamped(wire.receive())
    return faults + ([] if wire.at_end() else ["the connection goes on"])


KINDS: tuple[Request, ...] = (
    get, post, sleeping, coroutine, stream, head_only, nowhere, unchanged, part, large,
    large_upload, chunked_upload, expecting, pipelined, ancient, fastapi, fastapi_plain,
    fastapi_upload, fastapi_stream,
)  # fmt: skip


class Load:
    """`clients` threads that ask until the block ends, every second one with keep-alive."""

    def __init__(self, url: str, clients: int = 8) -> None:
        self._url = url
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(n,), name=f"client-{n}")
            for n in range(clients)
        ]
        self.faults: list[str] = []
        self.answered: Counter[str] = Counter()
        self.by_client: Counter[int] = Counter()

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        keeps = number % 2 == 0
        more = {} if keeps else {"Connection": "close"}
        wire: Wire | None = None
        # Each begins somewhere else, so that all kinds are under way at once.
        for kind in itertools.islice(itertools.cycle(KINDS), number * 2, None):
            if self._ended.is_set():
                break
            try:
                wire = wire or Wire(self._url)
                faults = kind(wire, more)
            except Exception as error:  # a lost connection and half an answer are faults too
                faults = [f"{type(error).__name__}: {error}"]
            self.faults += [f"{kind.__name__}: {fault}" for fault in faults]
            self.answered[kind.__name__] += 1
            self.by_client[number] += 1
            if wire is not None and (faults or not keeps or kind is ancient):
                wire.close()
                wire = None
        if wire is not None:
            wire.close()


def _status(answer: Received, wanted: int) -> list[str]:
    if answer.status == wanted:
        return []
    return [f"{answer.status} for {wanted}: {answer.body[:300]!r}"]


def _stamped(answer: Received) -> list[str]:
    return _status(answer, 200) or mixtures(answer.json())


def _uploaded(answer: Received, size: int) -> list[str]:
    if answer.status != 200:
        return _status(answer, 200)
    told = answer.json()
    short = [] if told["size"] == size else [f"{told['size']} bytes of {size} arrived"]
    return short + mixtures(told["stamps"])
