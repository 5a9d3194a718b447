"""Edits of Python text that leave everything else of it as it is: formatting and comments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

Place = tuple[int, int]
"""Line and column from 1."""

_GONE = "__devserver_gone__"


def without_import(content: bytes, place: Place) -> bytes | None:
    """The text without the imported name that stands at `place`."""
    return _rewritten(content, lambda: _ImportRemover(place))


def renamed_function(content: bytes, place: Place, name: str) -> bytes | None:
    """The text with the function whose name stands at `place` called `name`."""
    return _rewritten(content, lambda: _Renamer(place, name))


def with_attribute(content: bytes, place: Place, name: str, value: str) -> bytes | None:
    """The text with `name = value` in the class whose name stands at `place`, behind its
    attribute `name` where it has one."""
    return _rewritten(content, lambda: _AttributeAdder(place, name, value))


def with_dependency(content: bytes, place: Place, name: str) -> bytes | None:
    """The text with an entry added to the class attribute `dependencies` at `place`."""
    return _rewritten(content, lambda: _DependencyAdder(place, name))


class _Edit(cst.CSTTransformer):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place
        self.done = False

    def is_here(self, node: cst.CSTNode) -> bool:
        found = self.get_metadata(PositionProvider, node)
        return (found.start.line, found.start.column + 1) == self._place


def _rewritten(content: bytes, edit: Callable[[], _Edit]) -> bytes | None:
    """None when the text cannot be read, or has nothing of the kind at the place."""
    try:
        wrapper = MetadataWrapper(cst.parse_module(content))
    except (cst.ParserSyntaxError, UnicodeDecodeError, RecursionError):
        return None
    transformer = edit()
    module = wrapper.visit(transformer)
    return module.bytes if transformer.done else None


# -- imports ----------------------------------------------------------------------------------


class _ImportRemover(_Edit):
    def leave_Import(
        self, original_node: cst.Import, updated_node: cst.Import
    ) -> cst.Import | cst.Expr:
        kept = self._kept(original_node.names, updated_node.names)
        if kept is None:
            return updated_node
        if not kept:
            return _gone()
        last = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        return updated_node.with_changes(names=[*kept[:-1], last])

    def leave_ImportFrom(
        self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom
    ) -> cst.ImportFrom | cst.Expr:
        names, updated = original_node.names, updated_node.names
        if isinstance(names, cst.ImportStar) or isinstance(updated, cst.ImportStar):
            return updated_node
        kept = self._kept(names, updated)
        if kept is None:
            return updated_node
        if not kept:
            return _gone()
        if kept[-1] is updated[-1]:
            return updated_node.with_changes(names=kept)
        return _with_ending(updated_node.with_changes(names=kept), kept, updated[-1])

    def _kept(
        self, names: Sequence[cst.ImportAlias], updated: Sequence[cst.ImportAlias]
    ) -> list[cst.ImportAlias] | None:
        kept = [new for old, new in zip(names, updated, strict=True) if not self.is_here(old)]
        if len(kept) == len(updated):
            return None
        self.done = True
        return kept

    def leave_SimpleStatementLine(
        self, _original: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine:
        kept = [s for s in updated_node.body if not _is_gone(s)]
        if not kept or len(kept) == len(updated_node.body):
            return updated_node
        last = kept[-1].with_changes(semicolon=cst.MaybeSentinel.DEFAULT)
        return updated_node.with_changes(body=[*kept[:-1], last])

    def leave_Module(self, _original: cst.Module, updated_node: cst.Module) -> cst.Module:
        return _without_gone_lines(updated_node)


def _gone() -> cst.Expr:
    """Stands for a statement until its line is taken out with what belongs to it: a line that
    is empty is dropped together with the comments above it."""
    return cst.Expr(cst.Name(_GONE))


def _is_gone(statement: cst.BaseSmallStatement) -> bool:
    value = statement.value if isinstance(statement, cst.Expr) else None
    return isinstance(value, cst.Name) and value.value == _GONE


def _with_ending(
    statement: cst.ImportFrom, kept: Sequence[cst.ImportAlias], removed: cst.ImportAlias
) -> cst.ImportFrom:
    """The statement with its last name ending as the removed one did, before the bracket; a
    comment behind the name that is now the last stays with it."""
    own = kept[-1].comma
    space = own.whitespace_after if isinstance(own, cst.Comma) else None
    comma: cst.Comma | cst.MaybeSentinel = removed.comma
    bracket = statement.rpar
    if isinstance(space, cst.ParenthesizedWhitespace) and space.first_line.comment is not None:
        if isinstance(comma, cst.Comma):
            after = comma.whitespace_after
            if isinstance(after, cst.ParenthesizedWhitespace):
                changed = after.with_changes(first_line=space.first_line)
                comma = comma.with_changes(whitespace_after=changed)
        elif bracket is not None and isinstance(
            bracket.whitespace_before, cst.ParenthesizedWhitespace
        ):
            before = bracket.whitespace_before.with_changes(first_line=space.first_line)
            bracket = bracket.with_changes(whitespace_before=before)
    last = kept[-1].with_changes(comma=comma)
    return statement.with_changes(names=[*kept[:-1], last], rpar=bracket)


def _without_gone_lines(block: cst.Module) -> cst.Module:
    """The module without statements that are gone; comments above them go to the next
    statement, or to the end."""
    kept: list[cst.BaseStatement] = []
    carried: list[cst.EmptyLine] = []
    for statement in block.body:
        if isinstance(statement, cst.SimpleStatementLine) and all(map(_is_gone, statement.body)):
            carried = _joined(carried, list(statement.leading_lines))
        elif carried and hasattr(statement, "leading_lines"):
            lines = _joined(carried, list(statement.leading_lines))
            kept.append(cast(cst.BaseStatement, statement.with_changes(leading_lines=lines)))
            carried = []
        else:
            kept.append(cast(cst.BaseStatement, statement))
    changed = block.with_changes(body=kept)
    if any(line.comment for line in carried):
        changed = changed.with_changes(footer=[*carried, *block.footer])
    return changed


def _joined(above: list[cst.EmptyLine], below: list[cst.EmptyLine]) -> list[cst.EmptyLine]:
    """Both, without blank lines twice."""
    if not any(line.comment for line in above):
        return max(above, below, key=len) if not any(x.comment for x in below) else below
    return [*above, *below]


# -- names and attributes ---------------------------------------------------------------------


class _Renamer(_Edit):
    def __init__(self, place: Place, name: str) -> None:
        super().__init__(place)
        self._name = name

    def leave_FunctionDef(
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef:
        if not self.is_here(original_node.name):
            return updated_node
        self.done = True
        return updated_node.with_changes(name=cst.Name(self._name))


class _AttributeAdder(_Edit):
    def __init__(self, place: Place, name: str, value: str) -> None:
        super().__init__(place)
        self._line = cst.SimpleStatementLine(
            [cst.Assign([cst.AssignTarget(cst.Name(name))], cst.parse_expression(value))]
        )

    def leave_ClassDef(
        self, original_node: cst.ClassDef, updated_node: cst.ClassDef
    ) -> cst.ClassDef:
        block = updated_node.body
        if not self.is_here(original_node.name) or not isinstance(block, cst.IndentedBlock):
            return updated_node
        self.done = True
        at = _place_for_attribute(block.body)
        body = [*block.body[:at], self._line, *block.body[at:]]
        return updated_node.with_changes(body=block.with_changes(body=body))


def _place_for_attribute(body: Sequence[cst.BaseStatement]) -> int:
    """Behind the attribute `name`, else behind the docstring."""
    for index, statement in enumerate(body):
        if "name" in _assigned(statement):
            return index + 1
    first = body[0] if body else None
    if isinstance(first, cst.SimpleStatementLine) and isinstance(first.body[0], cst.Expr):
        is_text = isinstance(first.body[0].value, (cst.SimpleString, cst.ConcatenatedString))
        return int(is_text)
    return 0


def _assigned(statement: cst.BaseStatement) -> set[str]:
    if not isinstance(statement, cst.SimpleStatementLine):
        return set()
    targets = [t.target for s in statement.body if isinstance(s, cst.Assign) for t in s.targets]
    targets += [s.target for s in statement.body if isinstance(s, cst.AnnAssign)]
    return {t.value for t in targets if isinstance(t, cst.Name)}


@dataclass(frozen=True, slots=True)
class _Entries:
    """The entries of a list, tuple or dict, with one more."""

    name: str

    def added(self, value: cst.BaseExpression) -> cst.BaseExpression | None:
        text = cst.SimpleString(f'"{self.name}"')
        if isinstance(value, (cst.List, cst.Tuple)):
            return value.with_changes(elements=self._more(value.elements, cst.Element(text)))
        if isinstance(value, cst.Dict):
            entry = cst.DictElement(text, cst.SimpleString('"*"'))
            return value.with_changes(elements=self._more(value.elements, entry))
        return None

    @staticmethod
    def _more(
        elements: Sequence[cst.BaseElement | cst.BaseDictElement],
        entry: cst.Element | cst.DictElement,
    ) -> list[cst.BaseElement | cst.BaseDictElement]:
        if not elements:
            return [entry]
        last, between = elements[-1], cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
        if len(elements) > 1 and isinstance(elements[-2].comma, cst.Comma):
            between = elements[-2].comma
        ending = last.comma
        return [
            *elements[:-1],
            last.with_changes(comma=between),
            entry.with_changes(comma=ending),
        ]


class _DependencyAdder(_Edit):
    def __init__(self, place: Place, name: str) -> None:
        super().__init__(place)
        self._entries = _Entries(name)

    def leave_Assign(self, original_node: cst.Assign, updated_node: cst.Assign) -> cst.Assign:
        if not self.is_here(original_node.targets[0].target):
            return updated_node
        value = self._entries.added(updated_node.value)
        if value is None:
            return updated_node
        self.done = True
        return updated_node.with_changes(value=value)
