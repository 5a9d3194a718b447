"""Imports, as statements and as calls."""

from __future__ import annotations

import ast

from devserver.validation.analysis import Import, ImportedName, Span
from devserver.validation.outline import expressions
from devserver.validation.outline.drafts import ImportTarget
from devserver.validation.outline.walk import Context, Walk


def visit_import(walk: Walk, node: ast.Import, context: Context) -> None:
    """`import a.b as c, d`."""
    for alias in node.names:
        bound = alias.asname or alias.name.partition(".")[0]
        _add(walk, context, alias.name, span=walk.source.span(alias), bound_as=bound)
        module = alias.name if alias.asname else bound
        _bind(bound, (0, module, None), context)


def visit_import_from(walk: Walk, node: ast.ImportFrom, context: Context) -> None:
    """`from ..a import b as c`."""
    if node.module == "__future__" and not node.level:
        return
    names = _names(walk, node)
    span = _module_span(walk, node)
    _add(walk, context, node.module or "", level=node.level, names=names, span=span)
    for imported in names:
        if imported.name != "*":
            _bind(imported.bound_as, (node.level, node.module or "", imported.name), context)


def note_type_checking(walk: Walk, statements: list[ast.stmt], context: Context) -> None:
    """The imports below `if TYPE_CHECKING:`, which never run."""
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    span = walk.source.span(alias)
                    _add(walk, context, alias.name, span=span, type_checking=True)
            elif isinstance(node, ast.ImportFrom):
                _add(
                    walk,
                    context,
                    node.module or "",
                    level=node.level,
                    names=_names(walk, node),
                    span=_module_span(walk, node),
                    type_checking=True,
                )


def note_dynamic(walk: Walk, node: ast.Call, context: Context) -> None:
    """`importlib.import_module("a.b")`, and `import_module(".b", __package__)`."""
    given = dict(zip(("name", "package"), node.args, strict=False))
    given.update({k.arg: k.value for k in node.keywords if k.arg in ("name", "package")})
    name = expressions.literal_text(given.get("name"))
    if not name or len(given) != len(node.args) + len(node.keywords):
        return
    level = len(name) - len(name.lstrip("."))
    if level and expressions.dotted(given.get("package", node)) != "__package__":
        return
    _add(walk, context, name[level:], level=level, span=walk.source.span(given["name"]))


def _names(walk: Walk, node: ast.ImportFrom) -> tuple[ImportedName, ...]:
    return tuple(
        ImportedName(name=a.name, bound_as=a.asname or a.name, span=walk.source.span(a))
        for a in node.names
    )


def _module_span(walk: Walk, node: ast.ImportFrom) -> Span:
    """MODULE in `from MODULE import ...`; the statement where that is not found."""
    whole = walk.source.span(node)
    written = "." * node.level + (node.module or "")
    start = walk.source.lines[node.lineno - 1].find(written, whole.column + 3)
    if start < 0:
        return whole
    return Span(whole.line, start + 1, whole.line, start + 1 + len(written))


def _add(
    walk: Walk,
    context: Context,
    module: str,
    *,
    span: Span,
    level: int = 0,
    names: tuple[ImportedName, ...] = (),
    bound_as: str = "",
    type_checking: bool = False,
) -> None:
    walk.imports.append(
        Import(
            module=module,
            level=level,
            names=names,
            is_from=bool(names),
            bound_as=bound_as,
            span=span,
            lazy=context.lazy,
            optional=context.optional,
            conditional=context.conditional,
            type_checking=type_checking,
        )
    )


def _bind(name: str, target: ImportTarget, context: Context) -> None:
    level, module, _ = target
    if level or module == "plugins" or module.startswith("plugins."):
        context.scope.bind_import(name, target)
    else:
        context.scope.bind(name)
