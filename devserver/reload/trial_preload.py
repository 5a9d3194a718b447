"""Which modules of the environment a trial server has imported before it forks."""

from __future__ import annotations

import importlib
import site
import sysconfig
from collections.abc import Callable, Iterable
from os import sep

from devserver.reload.trial_limits import thread_count

ALWAYS = ("devserver.sdk", "flask", "pydantic")
"""What most plugins need."""
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Has numeric libraries start no threads when they are imported: a fork would lose them."""


def environment_folders() -> tuple[str, ...]:
    """The folders of the standard library and of installed packages, each with a separator at
    its end. What lies elsewhere may be edited while the server runs and is never preloaded."""
    paths = sysconfig.get_paths()
    found = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    found += site.getsitepackages()
    if site.ENABLE_USER_SITE:
        found.append(site.getusersitepackages())
    return tuple(dict.fromkeys(folder.rstrip(sep) + sep for folder in found))


class Preloader:
    """Imports what trials had to import, so that the next one has it.

    `wanted` are the modules that it has imported, `refused` the packages that it never imports:
    they start threads, or cannot be imported here.
    """

    def __init__(self, *, refused: Iterable[str]) -> None:
        self.wanted: list[str] = []
        self.refused = set(refused)
        self._seen: set[str] = set()
        self._waiting: list[str] = []

    def want(self, names: Iterable[str]) -> None:
        """These are imported by the next `work`."""
        known = self._seen
        new = [n for n in dict.fromkeys(names) if not (n in known or _package(n) in self.refused)]
        self._seen.update(new)
        self._waiting += new

    @property
    def packages(self) -> list[str]:
        """What the next `work` is about."""
        return sorted({_package(name) for name in self._waiting})

    def work(self, *, is_busy: Callable[[], bool]) -> bool:
        """Imports what waits, until `is_busy()`. False when threads came of it: a process with
        threads must not fork."""
        while self._waiting and not is_busy():
            name = self._waiting.pop(0)
            package = _package(name)
            if package in self.refused:
                continue
            try:
                importlib.import_module(name)
            except BaseException:  # noqa: BLE001 - an installed package may raise anything
                self.refused.add(package)
            else:
                self.wanted.append(name)
            if thread_count() > 1:
                self.refused.add(package)
                return False
        return True


def _package(name: str) -> str:
    return name.partition(".")[0]
