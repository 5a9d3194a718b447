"""What is edited: the same code for every contender, of two sizes.

S is one file of 50 lines. M is a package of 20 files of 200 lines, of which one that all others
import is edited. Each contender gets an adapter, the few lines by which it serves the version.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

DEVSERVER = """
from devserver.sdk import BasePlugin


class Bench(BasePlugin):
    name = "bench"
    version = "1.0.0"

    def register_routes(self, app, router):
        @router.get("/version")
        def version():
            return str(VERSION)
"""

WSGI = """
def app(environ, start_response):
    body = str(VERSION).encode()
    headers = [("Content-Type", "text/html"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]
"""

ASGI = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    headers = [(b"content-type", b"text/html")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": str(VERSION).encode()})
"""

_FUNCTION = '''
def task_{n}(values, factor={n}):
    """Adds up what is above the factor."""
    total = 0
    for value in values:
        if value > factor:
            total += value * factor
    return total
'''


@dataclass(frozen=True)
class Workload:
    """`files` maps relative names to content at version 0; `edit(version)` is the new content
    of the file `edited`; `entry` is the file with the adapter."""

    size: str
    files: dict[str, str]
    entry: str
    edited: str
    edit: Callable[[int], str]


def small(adapter: str, entry: str) -> Workload:
    """One file of 50 lines."""

    def source(version: int) -> str:
        return _filled(f'"""Version {version}."""\n\nVERSION = {version}\n{adapter}', 50)

    return Workload("S", {entry: source(0)}, entry, entry, source)


def medium(adapter: str, entry: str) -> Workload:
    """20 files of 200 lines; all import `leaf.py`, which is the one that is edited."""
    parts = [f"part_{n:02}" for n in range(18)]

    def leaf(version: int) -> str:
        return _filled(f'"""Version {version}."""\n\nVERSION = {version}\n', 200)

    files = {"leaf.py": leaf(0)}
    for part in parts:
        files[f"{part}.py"] = _filled(f'"""{part}"""\n\nfrom .leaf import VERSION, task_1\n', 200)
    imports = "".join(f"from .{part} import task_2 as {part}\n" for part in parts)
    files[entry] = _filled(f"from .leaf import VERSION\n{imports}{adapter}", 200)
    return Workload("M", files, entry, "leaf.py", leaf)


def _filled(head: str, lines: int) -> str:
    """`head`, and functions behind it until there are that many lines."""
    text, n = head, 1
    while (missing := lines - text.count("\n")) >= _FUNCTION.count("\n"):
        text += _FUNCTION.format(n=n)
        n += 1
    return text + "# the end\n" * missing


WORKLOADS = {"S": small, "M": medium}
