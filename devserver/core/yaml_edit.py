"""A change of one value in a YAML text of somebody's own: all the rest stays as it is written."""

from __future__ import annotations

import re

import yaml

_BEFORE_COMMENT = re.compile(r" +(?=#)")


def with_value(text: str, section: str, key: str, value: str) -> str | None:
    """`text` with `key: value` in the mapping `section` at its top. The value that stands there
    is exchanged; else there is one line more. None for a text where neither can be done.

    What comes of it is to be read before it is used: a text may be written in ways (`<<`, aliases,
    several documents) in which the line says something else.
    """
    try:
        top = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return None
    if top is None:
        return _with_section(text, section, f"{key}: {value}")
    if not isinstance(top, yaml.MappingNode):
        return None
    found = _pair(top, section)
    if found is not None:
        return _within(text, *found, key, value)
    if top.flow_style:
        return _into_braces(text, top, f"{section}: {{{key}: {value}}}")
    return _with_section(text, section, f"{key}: {value}")


def _within(text: str, name: yaml.Node, body: yaml.Node, key: str, value: str) -> str | None:
    line = f"{key}: {value}"
    if isinstance(body, yaml.ScalarNode):
        if body.start_mark.index == body.end_mark.index:
            return _below(text, name, f"{' ' * (name.start_mark.column + 2)}{line}")
        return _exchanged(text, body, f"{{{line}}}") if body.tag.endswith(":null") else None
    if not isinstance(body, yaml.MappingNode):
        return None
    found = _pair(body, key)
    if found is not None:
        return _exchanged(text, found[1], value)
    if body.flow_style:
        return _into_braces(text, body, line)
    return _below(text, name, f"{' ' * body.value[0][0].start_mark.column}{line}")


def _pair(mapping: yaml.MappingNode, key: str) -> tuple[yaml.Node, yaml.Node] | None:
    return next(((k, v) for k, v in mapping.value if k.value == key), None)


def _exchanged(text: str, node: yaml.Node, value: str) -> str:
    """A comment behind it stays in its column where there is room."""
    start, end = node.start_mark.index, node.end_mark.index
    before, rest = text[:start] + (" " if start == end else ""), text[end:]
    comment = _BEFORE_COMMENT.match(rest)
    if comment is not None:
        room = comment.end() + (end - start) - len(value)
        rest = " " * max(1, room) + rest[comment.end() :]
    return f"{before}{value}{rest}"


def _into_braces(text: str, mapping: yaml.MappingNode, line: str) -> str:
    behind = text.index("{", mapping.start_mark.index) + 1
    comma = ", " if mapping.value else ""
    return f"{text[:behind]}{line}{comma}{text[behind:]}"


def _below(text: str, node: yaml.Node, line: str) -> str:
    """The line below that of a node."""
    end = text.find("\n", node.end_mark.index)
    if end < 0:
        return f"{text}{_newline(text)}{line}{_newline(text)}"
    return f"{text[: end + 1]}{line}{_newline(text)}{text[end + 1 :]}"


def _with_section(text: str, section: str, line: str) -> str:
    newline = _newline(text)
    gap = newline if text and not text.endswith("\n") else ""
    return f"{text}{gap}{section}:{newline}  {line}{newline}"


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
