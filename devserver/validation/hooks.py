"""The hooks of a plugin class: how the host calls them, and whether a definition fits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from devserver.validation.analysis import Attribute, Class, Function, Span

ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "migrations_path": (),
    "get_database_schema": (),
    "seed": ("db",),
    "on_load": ("ctx",),
    "migrate_state": ("state", "from_version"),
    "restore_persistent_state": ("state",),
    "restore_connections": ("connections",),
    "adopt_connection": ("connection_id", "connection"),
    "initialize": (),
    "register_routes": ("app", "router"),
    "get_api_routes": (),
    "register_permissions": (),
    "health_check": (),
    "get_persistent_state": (),
    "on_config_change": ("old", "new"),
    "on_unload": ("ctx",),
    "shutdown": (),
}
"""Hook → what it is called with, by position."""

PLAIN = frozenset({"migrations_path", "get_database_schema", "get_api_routes"})
"""Hooks that must not be async."""

_KNOWN_DECORATORS = frozenset(
    {"override", "abstractmethod", "final", "staticmethod", "classmethod"}
)
_PROPERTIES = frozenset({"property", "cached_property"})
_REAL_WORDS = frozenset({"on_upload", "on_reload", "on_download"})
_SHORTEST = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class HookProblem:
    """What is wrong with a hook, and where in its file."""

    code: str
    message: str
    span: Span
    hint: str | None = None


def problems_with_hooks(found: Class) -> Iterator[HookProblem]:
    """What is wrong with the hooks that a plugin class defines itself."""
    for hook in ARGUMENTS:
        method, attribute = found.method(hook), found.attribute(hook)
        if attribute is not None and (method is None or attribute.span.line > method.span.line):
            yield from _as_attribute(hook, attribute)
        elif method is not None:
            yield from _as_method(hook, method)
            yield from _twice(hook, found)


def _twice(hook: str, found: Class) -> Iterator[HookProblem]:
    plain = [m for m in found.methods if m.name == hook and not m.decorators]
    for method in plain[1:]:
        yield HookProblem(
            code="STR018",
            message=f"{hook!r} is defined again: that in line {plain[0].span.line} has no effect",
            span=method.span,
            hint="make one of the two, or rename one",
        )


def _as_attribute(hook: str, attribute: Attribute) -> Iterator[HookProblem]:
    if attribute.literal and attribute.value is not None:
        yield HookProblem(
            code="STR010",
            message=f"{hook!r} is a hook, which the host calls, but here it is a value",
            span=attribute.span,
            hint=f"write `{_definition(hook)}`",
        )


def _as_method(hook: str, method: Function) -> Iterator[HookProblem]:
    names = {d.rpartition(".")[2] for d in method.decorators}
    if names & _PROPERTIES:
        yield HookProblem(
            code="STR010",
            message=f"{hook!r} is a hook, which the host calls, but here it is a property",
            span=method.span,
            hint="remove the decorator",
        )
        return
    if names - _KNOWN_DECORATORS:
        return  # what a decorator makes of it is not known
    problem = _arity_problem(hook, method, names)
    if problem is not None:
        yield HookProblem(
            code="STR008",
            message=f"the host calls {_called(hook)}, but this {problem}",
            span=method.span,
            hint=f"write `{_definition(hook)}`",
        )
    if method.is_generator:
        yield HookProblem(
            code="STR017",
            message=f"{hook!r} has a `yield`, so calling it runs nothing of its body",
            span=method.span,
            hint="return a value; what `yield` is for belongs into a method of its own",
        )
    if hook in PLAIN and method.is_async:
        yield HookProblem(
            code="STR009",
            message=f"{hook!r} must be a plain function, not async",
            span=method.span,
            hint="write `def` without `async`",
        )


def _arity_problem(hook: str, method: Function, decorators: set[str]) -> str | None:
    signature = method.signature
    if "staticmethod" not in decorators:
        if not signature.takes_first:
            return None if hook == "migrations_path" else "has no `self`"
        signature = signature.without_first()
    return signature.problem_with_count(len(ARGUMENTS[hook]))


def _called(hook: str) -> str:
    return f"{hook}({', '.join(ARGUMENTS[hook])})"


def _definition(hook: str) -> str:
    return f"def {hook}({', '.join(('self', *ARGUMENTS[hook]))})"


def misspelt_hooks(found: Class, texts: Iterable[bytes]) -> Iterator[tuple[Function, str]]:
    """Methods whose name is one slip away from a hook that the class does not define, and that
    nothing in `texts` mentions elsewhere; with the hook."""
    defined = {m.name for m in found.methods}
    for method in found.methods:
        name = method.name
        if name.startswith("_") or len(name) < _SHORTEST or name in ARGUMENTS or method.decorators:
            continue
        hook = next((h for h in ARGUMENTS if h not in defined and is_slip(name, h)), None)
        if hook is not None and _mentions(name, texts) == 1:
            yield method, hook


def _mentions(name: str, texts: Iterable[bytes]) -> int:
    word = re.compile(rb"\b" + re.escape(name.encode()) + rb"\b")
    return sum(len(word.findall(text)) for text in texts)


def is_slip(written: str, meant: str) -> bool:
    """True when one letter is wrong, missing, doubled or swapped with its neighbour."""
    if abs(len(written) - len(meant)) > 1 or written == meant or written in _REAL_WORDS:
        return False
    if meant.startswith(written) or written.startswith(meant):
        return False
    start = _common(written, meant)
    one, other = written[start:], meant[start:]
    return (
        one[1:] == other[1:]
        or one[1:] == other
        or one == other[1:]
        or (one[:2] == other[:2][::-1] and one[2:] == other[2:])
    )


def _common(one: str, other: str) -> int:
    """The length of what both begin with."""
    for index, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return index
    return min(len(one), len(other))
