"""What one module says, read from its syntax tree: plain values that keep nothing of the tree.

Every value can be written as JSON (see `storage`). Lines and columns count from 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from devserver.validation.parameters import Call, Signature

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text; the end column is the first one behind it."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntaxNote:
    """What the compiler warns of, on the written part of a line."""

    line: int
    column: int
    end_column: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedName:
    """One name of `from module import name as alias`; the name may be `*`."""

    name: str
    bound_as: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One imported module. `import a, b` is two of these.

    `module` is as written, without the dots that `level` counts. `names` is empty unless
    `is_from`. `bound_as` is the name that `import module` binds, "" for
    `importlib.import_module("module")`.

    The import runs when the module is loaded unless it is `lazy` (inside a function) or
    `conditional` (under an `if`, a loop or the like). `optional`: a failure is caught.
    `type_checking`: never runs.
    """

    module: str
    level: int
    names: tuple[ImportedName, ...]
    is_from: bool
    bound_as: str
    span: Span
    lazy: bool
    optional: bool
    conditional: bool
    type_checking: bool

    @property
    def is_certain(self) -> bool:
        """True when loading the module runs the import and fails with it."""
        return not (self.lazy or self.optional or self.conditional or self.type_checking)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """`alias.path` or `alias.path(...)`, where alias was imported from below `plugins` or
    relatively.

    `level`, `module` and `name` (None for a whole module) tell what the alias stands for; `path`
    are the attributes behind it. `stores` is True when it is assigned to.
    """

    level: int
    module: str
    name: str | None
    path: tuple[str, ...]
    span: Span
    call: Call | None
    stores: bool
    lazy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function of a module or a class. `decorators` are dotted names, "?" for anything else.

    `returns` tells, of get_plugin and create_plugin alone, what each `return` gives: `X()`, `X`,
    or "?". `span` is the name. `deprecated` is what `@deprecated("...")` says, None without it.
    """

    name: str
    span: Span
    is_async: bool
    is_generator: bool
    decorators: tuple[str, ...]
    signature: Signature
    returns: tuple[str, ...] = ()
    deprecated: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """`name = value` in a class body, or `self.name = value` in `__init__`.

    `value` is the value where `literal` is True (tuples as lists), else None. `mutable` is True
    for lists, dicts, sets and calls that make them.
    """

    name: str
    span: Span
    literal: bool
    value: Any
    mutable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCall:
    """A call on the instance (`name` is `publish_event` for `self.publish_event(...)`), on a part
    of the context (`events.publish` for `ctx.events.publish(...)`), or of `Permission` or
    `requires_permission`.

    `arguments` are the string literals that the positional arguments begin with, else the one
    given by keyword; empty where only running the code would tell. `discarded`: nothing is done
    with what the call gives.
    """

    name: str
    arguments: tuple[str, ...]
    awaited: bool
    discarded: bool
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """Syntax that came with a version of Python, such as `3.10`; the first place of each."""

    version: str
    name: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A string that may be the path of a route, `/NAME/...`; `{}` stands for a computed part."""

    path: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Class:
    """A class at the top level of a module. `bases` are dotted names, "?" for anything else;
    a subscript counts as what is subscripted. `keywords` are those of the class statement.

    `assigned` are the attributes that any method assigns on its instance, `mutated` those
    that any method changes in place (`self.x.append(...)`, `self.x[...] = ...`). `calls` are
    the host calls on the instance.
    """

    name: str
    span: Span
    bases: tuple[str, ...]
    keywords: tuple[str, ...]
    decorators: tuple[str, ...]
    methods: tuple[Function, ...]
    attributes: tuple[Attribute, ...]
    initial: tuple[Attribute, ...]
    assigned: frozenset[str]
    mutated: frozenset[str]
    calls: tuple[HostCall, ...] = ()
    deprecated: str | None = None

    def method(self, name: str) -> Function | None:
        """The last definition of a method, or None."""
        return next((m for m in reversed(self.methods) if m.name == name), None)

    def attribute(self, name: str) -> Attribute | None:
        """What instances have under a name at first: `__init__` wins over the class body."""
        for found in (*reversed(self.initial), *reversed(self.attributes)):
            if found.name == name:
                return found
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`@router.get("/path")` on a function. `owner` is the function that declares it ("" for the
    module), `router` the variable. `methods` are upper case. `view` are the parameters of the
    function, None where its decorators may change them."""

    owner: str
    router: str
    methods: tuple[str, ...]
    path: str
    span: Span
    view: Signature | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleAnalysis:
    """One module of a plugin. `name` is its import name, `file` relative to the project.

    `bound` are all names that the module may have after it was loaded, but for what its star
    imports bring, `rebound` those bound more than once. `exports` is `__all__` where that is
    literal. `is_open` means that names may come from elsewhere (globals(), sys.modules, exec and
    the like), so none is surely missing. `calls` are the host calls but for those on an instance.
    `assigned` maps names that are assigned once to `X`,
    `X()` or "?". `uses` are of what was imported from plugins.
    """

    name: str
    file: str
    is_package: bool
    imports: tuple[Import, ...]
    bound: frozenset[str]
    rebound: frozenset[str]
    exports: tuple[str, ...] | None
    is_open: bool
    functions: tuple[Function, ...]
    classes: tuple[Class, ...]
    assigned: dict[str, str]
    uses: tuple[Use, ...]
    routes: tuple[Route, ...]
    notes: tuple[SyntaxNote, ...]
    calls: tuple[HostCall, ...] = ()
    features: tuple[Feature, ...] = ()
    links: tuple[Link, ...] = ()

    def function(self, name: str) -> Function | None:
        """The function of that name; None where there is none, or more than one."""
        return _sole([f for f in self.functions if f.name == name])

    def class_named(self, name: str) -> Class | None:
        """The class of that name; None where there is none, or more than one."""
        return _sole([c for c in self.classes if c.name == name])

    @property
    def package(self) -> str:
        """What relative imports start from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]

    def absolute(self, module: str, level: int) -> str | None:
        """The absolute name of an import, None when its dots lead out of `plugins`."""
        if not level:
            return module
        parts = self.package.split(".")
        if level > len(parts):
            return None
        base = parts[: len(parts) - level + 1]
        return ".".join([*base, module] if module else base)


def _sole(found: Sequence[T]) -> T | None:
    return found[0] if len(found) == 1 else None
