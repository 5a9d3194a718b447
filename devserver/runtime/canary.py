"""New generations that answer a share of the requests beside those that serve."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from werkzeug.http import dump_cookie
from werkzeug.sansio.http import parse_cookie  # takes any bytes: other servers of a host set them

from devserver.core.canary import Tally, Verdict, falls_to_new, verdict

if TYPE_CHECKING:
    from devserver.runtime.generation import Generation
    from devserver.runtime.registry import SystemView

_DAY = 86_400


@dataclass(eq=False, kw_only=True)
class Canary:
    """`new` and `old` are the generations by key, dependencies first; `percent` of the requests
    go to the new ones. `requests` are needed for a promotion, 0: only by word. With `sticky` a
    client stays with the version that answered first. `decide` is called once, on a request's
    thread, when the error rates have said what is to become of it."""

    main: str
    new: Mapping[str, Generation]
    old: Mapping[str, Generation]
    percent: float
    sticky: bool
    requests: int
    decide: Callable[[Canary, Verdict], None]
    started: float = field(default_factory=time.time)
    answered: Tally = field(default_factory=Tally)
    answered_by_old: Tally = field(default_factory=Tally)
    over: threading.Event = field(default_factory=threading.Event)
    _configured: Mapping[str, int] = field(init=False)
    _open: dict[int, Share] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _decided: bool = False

    def __post_init__(self) -> None:
        self._configured = _times_configured(self.old)

    @property
    def number(self) -> int:
        """The generation of the plugin that it was asked for."""
        return self.new[self.main].number

    @property
    def name(self) -> str:
        return self.new[self.main].name

    def told(self) -> str:
        """`canary g8 of users`"""
        return f"canary g{self.number} of {self.name}"

    def stands(self, view: SystemView) -> bool:
        """True while the generations that it stands beside are those that serve, as they were
        configured."""
        serve = all(view.generation(key) is old for key, old in self.old.items())
        return serve and self._configured == _times_configured(self.old)

    def share(self, environ: Mapping[str, Any]) -> Share:
        """Which version a request goes to."""
        cookie = f"canary-{self.main}"
        token = f"{self.number}-{int(self.started):x}"
        known = parse_cookie(environ.get("HTTP_COOKIE")).get(cookie) if self.sticky else None
        if known in (f"{token}.new", f"{token}.old"):
            return Share(self, known.endswith(".new"))
        is_new = falls_to_new(next(self._numbers), self.percent)
        if not self.sticky:
            return Share(self, is_new)
        value = f"{token}.{'new' if is_new else 'old'}"
        header = dump_cookie(cookie, value, max_age=_DAY, path="/", httponly=True, samesite="Lax")
        return Share(self, is_new, (("Set-Cookie", header),))

    def open(self, share: Share) -> None:
        """The new version begins to answer."""
        self._open[id(share)] = share

    def count(self, share: Share, *, failed: bool) -> None:
        """A request has been answered, or never will be."""
        with self._lock:
            self._open.pop(id(share), None)
            tally = self.answered if share.is_new else self.answered_by_old
            tally.requests += 1
            tally.errors += failed
            found = verdict(self.answered, self.answered_by_old, requests=self.requests)
            if found is None or self._decided or self.over.is_set():
                return
            self._decided = True
        self.decide(self, found)

    def give_up_hanging(self, limit: float) -> None:
        """Requests that the new version has not answered within `limit` seconds have failed."""
        now = time.monotonic()
        for share in list(self._open.values()):
            if now - share.begun > limit:
                share.done(failed=True)

    def to_json(self) -> dict[str, Any]:
        return {
            "plugin": self.name,
            "plugins": [g.name for g in self.new.values()],
            "generation": self.number,
            "beside": self.old[self.main].number,
            "percent": self.percent,
            "sticky": self.sticky,
            "requests_needed": self.requests,
            "started": self.started,
            "new": self.answered.to_json(),
            "old": self.answered_by_old.to_json(),
        }


def _times_configured(generations: Mapping[str, Generation]) -> dict[str, int]:
    return {key: g.host.own.times_configured for key, g in generations.items()}


class Share:
    """One request during a canary; `headers` are added to its answer."""

    __slots__ = ("_canary", "_is_done", "begun", "headers", "is_new")

    def __init__(
        self, canary: Canary, is_new: bool, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self._canary = canary
        self._is_done = False
        self.is_new = is_new
        self.headers = headers
        self.begun = time.monotonic()

    def done(self, *, failed: bool) -> None:
        """Counts it; the first call does."""
        if not self._is_done:
            self._is_done = True
            self._canary.count(self, failed=failed)


class CanaryBoard:
    """The canaries by the keys of their plugins. Readers take no lock."""

    def __init__(self) -> None:
        self._by_key: Mapping[str, Canary] = {}
        self._lock = threading.Lock()

    def find(self, key: str) -> Canary | None:
        return self._by_key.get(key)

    def all(self) -> list[Canary]:
        """Each once."""
        return list(dict.fromkeys(self._by_key.values()))

    def put(self, canary: Canary) -> None:
        with self._lock:
            self._by_key = {**self._by_key, **dict.fromkeys(canary.new, canary)}

    def take(self, canary: Canary) -> bool:
        """From now on no request goes to it; False when it is over already."""
        with self._lock:
            if canary.over.is_set():
                return False
            canary.over.set()
            self._by_key = {k: c for k, c in self._by_key.items() if c is not canary}
            return True
