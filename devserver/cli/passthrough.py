"""The kernel's sysctl: calls in its own form are handed to it, since both share a name."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

KERNEL_TOOLS = ("/usr/sbin/sysctl", "/sbin/sysctl", "/usr/bin/sysctl", "/bin/sysctl")
_LETTERS = frozenset("aAXbeNnpfrqwoxdV")
_LONG = (
    "all", "binary", "deprecated", "dry-run", "ignore", "load", "names", "pattern", "quiet",
    "system", "values", "write",
)  # fmt: skip
_OUR_LONG = ("dev-mode", "help", "json", "project", "version")
_OUR_WORDS = frozenset(
    {"dev", "plugins", "plugin", "database", "instances", "doctor", "start"}
)  # fmt: skip
_OUR_ENTRY = b"devserver"


def is_kernel_call(arguments: Sequence[str], *, proc: Path = Path("/proc/sys")) -> bool:
    """True when the first argument can only mean the kernel's tool: one of its options, a
    variable (`a.b.c`, `a/b`), an assignment, or a folder of `proc` such as `kernel`."""
    if not arguments:
        return False
    first = arguments[0]
    if first == "--":
        return len(arguments) > 1 and _is_variable(arguments[1], proc)
    if first.startswith("--"):
        return _is_kernel_option(first[2:].partition("=")[0])
    if first.startswith("-"):
        return first[1:2] in _LETTERS
    return _is_variable(first, proc)


def _is_kernel_option(name: str) -> bool:
    """Its parser takes any unambiguous beginning of an option; what could be ours is ours."""
    ours = any(option.startswith(name) for option in _OUR_LONG)
    return not ours and any(option.startswith(name) for option in _LONG)


def _is_variable(word: str, proc: Path) -> bool:
    if not word or word in _OUR_WORDS:
        return False
    return any(mark in word for mark in ".=/") or (proc / word).is_dir()


def run_kernel_tool(arguments: Sequence[str], *, tools: Iterable[str] = KERNEL_TOOLS) -> int:
    """Becomes the system's sysctl; comes back, with 1, only when there is none to run."""
    for tool in tools:
        if os.access(tool, os.X_OK) and not _is_ourselves(tool):
            try:
                os.execv(tool, [tool, *arguments])
            except OSError as error:
                print(f"error: {tool} cannot be run: {error.strerror}", file=sys.stderr)
                return 1
    print(
        "error: this is a call for the kernel's sysctl, which is not on this machine\n"
        "hint: install it (Debian: the package procps), or see `sysctl --help` for the dev server",
        file=sys.stderr,
    )
    return 1


def _is_ourselves(tool: str) -> bool:
    """Our console script can stand in the very place of the kernel's tool."""
    if sys.argv and os.path.realpath(tool) == os.path.realpath(sys.argv[0]):
        return True
    try:
        with open(tool, "rb") as file:
            head = file.read(2048)
    except OSError:
        return False
    return head.startswith(b"#!") and _OUR_ENTRY in head
