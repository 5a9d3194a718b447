"""What a class assigns on its instance, from its source alone."""

from __future__ import annotations

import ast

from devserver.runtime.persistent import DECLARATION

MERGED = "kept if changed at run time, else the new code's value"
_WAY_IN = frozenset(("on_load", "initialize"))
_WAY_OUT = frozenset(("on_unload", "shutdown"))
_UNCOPYABLE = frozenset(
    (
        "Lock", "RLock", "Condition", "Event", "Semaphore", "BoundedSemaphore", "Barrier", "local",
        "Thread", "Timer", "ThreadPoolExecutor", "ProcessPoolExecutor", "Popen", "socket", "open",
        "create_connection", "connect", "Queue", "LifoQueue", "PriorityQueue", "SimpleQueue",
    )
)  # fmt: skip
"""Last names of what makes objects that are handed on as they are."""


class Assignments:
    """Of the class `name` in a module: `made_by` maps attributes to the dotted name of the call
    that makes them."""

    def __init__(self, content: bytes, name: str) -> None:
        self.made_by: dict[str, str] = {}
        self._made_anew: set[str] = set()
        self._ended: set[str] = set()
        for cls in _parsed(content):
            if isinstance(cls, ast.ClassDef) and cls.name == name:
                for method in cls.body:
                    if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)):
                        self._take(method)

    def fate(self, name: str) -> dict[str, str]:
        """`{fate, why}` of an attribute at a reload."""
        call = self.made_by.get(name, "")
        if name.startswith("_"):
            return {"fate": "anew", "why": "a name that begins with _ is no state"}
        if call.rpartition(".")[2] not in _UNCOPYABLE:
            return {"fate": "kept or merged", "why": MERGED}
        if name in self._ended:
            return {"fate": "merged", "why": "it is ended on the way out"}
        if name in self._made_anew:
            return {"fate": "merged", "why": "on_load() or initialize() assigns it"}
        return {"fate": "passed", "why": f"what {call}() makes cannot be copied"}

    def _take(self, method: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for node in ast.walk(method):
            if isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for name in filter(None, map(_own_name, targets)):
                    if method.name in _WAY_IN:
                        self._made_anew.add(name)
                    if isinstance(node.value, ast.Call):
                        self.made_by[name] = ast.unparse(node.value.func)
            elif method.name in _WAY_OUT and (own := _own_name(node)):
                self._ended.add(own)


def persistent_names(content: bytes) -> list[str]:
    """The globals that a module declares to live on."""
    for node in _parsed(content):
        if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == [DECLARATION]:
            parts = getattr(node.value, "elts", [])
            return sorted(str(p.value) for p in parts if isinstance(p, ast.Constant))
    return []


def _parsed(content: bytes) -> list[ast.stmt]:
    try:
        return ast.parse(content).body
    except (SyntaxError, ValueError):
        return []


def _own_name(node: ast.AST) -> str | None:
    """`x` of `self.x`."""
    is_own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    return node.attr if is_own and node.value.id == "self" else None  # type: ignore[attr-defined]
