"""Calls of what the host gives to a plugin: `self.publish_event("topic")` and the like."""

from __future__ import annotations

import ast

from devserver.validation.analysis import HostCall
from devserver.validation.outline import expressions
from devserver.validation.outline.walk import Context, Walk

COROUTINES = frozenset(
    {"get_config", "set_config", "get_data", "set_data", "publish_event", "subscribe_to_event"}
)
"""Helpers of BasePlugin that must be awaited."""
PLAIN = frozenset(
    {
        *("register_service", "get_service", "register_command", "register_connection"),
        *("get_connection", "create_task", "on_cleanup", "get_metrics"),
    }
)
"""Helpers of BasePlugin that must not."""
_BARE = frozenset({"Permission", "requires_permission"})
_PARTS = frozenset({"services", "events", "config", "data", "permissions"})
_CONTEXTS = frozenset({"ctx", "context", "_ctx"})
_METHODS = frozenset({"register", "get", "set", "publish", "subscribe", "unsubscribe", "require"})
_KEYWORDS = ("topic", "key", "name")


def visit_await(walk: Walk, node: ast.Await, context: Context) -> None:
    """`await f(...)`."""
    walk.awaited.add(node.value)
    walk.push([node.value], context)


def visit_expression(walk: Walk, node: ast.Expr, context: Context) -> None:
    """`f(...)` as a statement of its own."""
    walk.discarded.add(node.value)
    walk.push([node.value], context)


def note_self_call(calls: list[HostCall], walk: Walk, node: ast.Call, name: str) -> None:
    """Keeps `self.name(...)`."""
    calls.append(_host_call(walk, node, name))


def note_bare_call(walk: Walk, node: ast.Call, name: str) -> None:
    """Keeps `Permission(...)` and `requires_permission(...)`."""
    if name in _BARE:
        walk.calls.append(_host_call(walk, node, name))


def note_part_call(walk: Walk, node: ast.Call, function: ast.Attribute) -> None:
    """Keeps `ctx.events.publish(...)`, `ctx["events"].publish(...)`, `ctx.get("events")...`,
    `self.config.get(...)` and `sdk.Permission(...)`."""
    name = function.attr
    if name in _METHODS:
        part = _part(function.value)
        if part is not None:
            walk.calls.append(_host_call(walk, node, f"{part}.{name}"))
    elif name in _BARE:
        walk.calls.append(_host_call(walk, node, name))


def note_key(walk: Walk, node: ast.Subscript) -> None:
    """Keeps `self.config["key"]`, read."""
    key = expressions.literal_text(node.slice)
    if key is not None and isinstance(node.ctx, ast.Load) and _part(node.value) == "config":
        span = walk.source.span(node.slice)
        call = HostCall(
            name="config.get", arguments=(key,), awaited=False, discarded=False, span=span
        )
        walk.calls.append(call)


def _part(node: ast.expr) -> str | None:
    """The part of the plugin's context that an expression stands for."""
    if isinstance(node, ast.Attribute):
        part, owner = node.attr, expressions.dotted(node.value)
        if (owner, part) == ("self", "config"):
            return part
    elif isinstance(node, ast.Subscript):
        part, owner = expressions.literal_text(node.slice) or "", expressions.dotted(node.value)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        if node.func.attr != "get":
            return None
        part = expressions.literal_text(node.args[0]) or ""
        owner = expressions.dotted(node.func.value)
    else:
        return None
    if part not in _PARTS or owner is None:
        return None
    return part if owner.rpartition(".")[2] in _CONTEXTS else None


def _host_call(walk: Walk, node: ast.Call, name: str) -> HostCall:
    texts: list[str] = []
    place: ast.expr = node.args[0] if node.args else node.func
    for argument in node.args:
        text = expressions.literal_text(argument)
        if text is None:
            break
        texts.append(text)
    if not node.args:
        for keyword in node.keywords:
            text = expressions.literal_text(keyword.value) if keyword.arg in _KEYWORDS else None
            if text is not None:
                texts, place = [text], keyword.value
    return HostCall(
        name=name,
        arguments=tuple(texts),
        awaited=node in walk.awaited,
        discarded=node in walk.discarded,
        span=walk.source.span(place if texts else node.func),
    )
