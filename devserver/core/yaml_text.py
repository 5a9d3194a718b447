"""YAML read into plain values, with the place of everything and all that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

KeyPath = tuple[str | int, ...]
"""Keys and list indexes from the top of the document."""

_MERGE = "tag:yaml.org,2002:merge"
_TEXT = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value")
_PLAIN = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "seq", "map")}
_MAX_DEPTH = 50
_MAX_NODES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A piece of text; lines and columns count from 1, the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlProblem:
    """What is wrong; `kind` is syntax, duplicate or value."""

    kind: str
    message: str
    place: Place
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlDocument:
    """`value` is made of dict (keys as they are written), list, str, int, float, bool and None.

    `keys` and `values` give the place of each key and of what stands behind it. When
    `readable` is False the text is no YAML and there is no value.
    """

    value: Any = None
    readable: bool = True
    keys: Mapping[KeyPath, Place] = field(default_factory=dict)
    values: Mapping[KeyPath, Place] = field(default_factory=dict)
    problems: tuple[YamlProblem, ...] = ()


def read_yaml(text: str) -> YamlDocument:
    """Reads a text of one document. Nothing but plain values is ever made of it."""
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        return YamlDocument(readable=False, problems=(_syntax_problem(error, text),))
    except RecursionError:
        return YamlDocument(
            readable=False, problems=(_too_deep(Place(line=1, column=1, end_line=1, end_column=2)),)
        )
    reader = _Reader()
    value = None if node is None else reader.read(node, ())
    return YamlDocument(
        value=value, keys=reader.keys, values=reader.values, problems=tuple(reader.problems)
    )


class _Reader:
    """Turns nodes into values, once."""

    def __init__(self) -> None:
        self.keys: dict[KeyPath, Place] = {}
        self.values: dict[KeyPath, Place] = {}
        self.problems: list[YamlProblem] = []
        self._scalars = yaml.constructor.SafeConstructor()
        self._count = 0

    def read(self, node: yaml.Node, path: KeyPath) -> Any:
        place = _place(node)
        self.values[path] = place
        self._count += 1
        if len(path) > _MAX_DEPTH or self._count > _MAX_NODES:
            # Aliases can make a short text stand for an endless value.
            if not any(p.message == _too_deep(place).message for p in self.problems):
                self.problems.append(_too_deep(place))
            return None
        if node.tag not in _PLAIN and node.tag not in _TEXT:
            self._report(
                "value",
                f"the tag {_short(node.tag)} is not allowed",
                place,
                "write plain values: text, numbers, true, false, lists and mappings",
            )
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node)

    def _scalar(self, node: yaml.Node) -> Any:
        if node.tag in _TEXT:
            return node.value
        try:
            return self._scalars.construct_object(node)
        except (ValueError, KeyError, IndexError, yaml.YAMLError):
            message = f"{node.value!r} is not a valid {node.tag.rpartition(':')[2]}"
            self._report("value", message, _place(node), "quote it if it is meant as text")
            return None

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = _place(key_node)
            if key_node.tag == _MERGE:
                merged = {**self._merged(value_node, path), **merged}
            elif not isinstance(key_node, yaml.ScalarNode):
                self._report(
                    "value",
                    "a key must be a single word",
                    place,
                    "lists and mappings can stand only behind a key",
                )
            else:
                name = key_node.value
                if name in own:
                    self._report_twice(name, path, place)
                self.keys[(*path, name)] = place
                own[name] = self.read(value_node, (*path, name))
        return {**merged, **own}

    def _merged(self, node: yaml.Node, path: KeyPath) -> dict[str, Any]:
        """What `<<` takes over from one mapping or several, the first of which wins."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found: dict[str, Any] = {}
        for source in sources:
            if isinstance(source, yaml.MappingNode):
                self._count += 1
                found = {**(self.read(source, (*path, "<<")) or {}), **found}
            else:
                self._report("value", "'<<' needs a mapping", _place(source), None)
        return found

    def _report_twice(self, name: str, path: KeyPath, place: Place) -> None:
        first = self.keys[(*path, name)]
        key = ".".join(map(str, (*path, name)))
        self._report(
            "duplicate",
            f"{key} is given twice (first in line {first.line})",
            place,
            "keep one of the two: the other would silently have no effect",
        )

    def _report(self, kind: str, message: str, place: Place, hint: str | None) -> None:
        self.problems.append(YamlProblem(kind=kind, message=message, place=place, hint=hint))


def _place(node: yaml.Node) -> Place:
    start, end = node.start_mark, node.end_mark
    # A block ends where the next thing starts; its first line is what there is to show.
    if end.line > start.line:
        return _point(start.line, start.column)
    return Place(
        line=start.line + 1,
        column=start.column + 1,
        end_line=end.line + 1,
        end_column=max(end.column, start.column + 1) + 1,
    )


def _point(line: int, column: int) -> Place:
    return Place(line=line + 1, column=column + 1, end_line=line + 1, end_column=column + 2)


def _too_deep(place: Place) -> YamlProblem:
    return YamlProblem(
        kind="value",
        message="the document is nested too deeply or too large",
        place=place,
        hint="aliases that contain themselves cannot be read",
    )


def _short(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


def _syntax_problem(error: yaml.YAMLError, text: str) -> YamlProblem:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        context = f" ({error.context})" if error.context else ""
        message = f"{(error.problem or 'no valid YAML').removeprefix('but ')}{context}"
    elif isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        line, column = before.count("\n"), error.position - (before.rfind("\n") + 1)
        message = f"the character U+{ord(text[error.position]):04X} is not allowed in YAML"
    else:
        line, column, message = 0, 0, str(error)
    tab = "\\t" in message
    hint = "indent with spaces, never with tabs" if tab else "check indentation, colons and quotes"
    return YamlProblem(kind="syntax", message=message, place=_point(line, column), hint=hint)
