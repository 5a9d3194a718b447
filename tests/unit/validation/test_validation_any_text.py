"""Any bytes at all: a diagnostic or nothing, never an exception; a syntax error when, and only
when, the compiler has one."""

from __future__ import annotations

import ast
import io
import site
import sys
import sysconfig
import tokenize
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from validation_worlds import PIPELINE, sample, world

from devserver.validation.outline import Unparsable, analyse_module

TEXTS = [
    sample("users", "\n    def f(self, a=1):\n        from .x import y\n        return y(a)\n"),
    """\
from __future__ import annotations
from typing import TYPE_CHECKING, Generic, TypeVar
import json, plugins.orders.api as api
from .models import *
if TYPE_CHECKING:
    from plugins.orders import Order
T = TypeVar("T")
__all__ = ["Users", *("T",)]
class Users(api.Base, Generic[T], metaclass=type):
    name: str = "users"
    version = f"{1}.{2!r:>{3}}"
    seen: dict[str, list[int]] = {}
    async def initialize(self, *, deep: bool = False) -> bool:
        async with self.lock as held, held:
            async for key, *rest in self.rows():
                self.seen.setdefault(key, []).append(lambda x, /, *y, z=1, **k: (x, y, z))
        await self.publish_event("users.added", {k: v for k, v in rest if (n := len(v)) > 1})
        match deep:
            case {"a": [1, *_], **more} if more:
                return True
            case [str(), None | 1j] as whole if whole:
                return True
            case _:
                del self.seen["\u00e9"], rest[0]
        try:
            raise ValueError from None
        except* (ValueError, TypeError) as group:
            global T
            group.show(not group)
    @property
    def äöü(self): return "/orders/list", f"/orders/{self.name}/x", '\\u65e5\\u672c'
    def register_routes(self, app, router):
        @router.get("/<int:n>")
        def one(n): return api.fetch(n, key=0x1F)[1:2, ...]
def get_plugin(): return Users()
""",
]


def judged(content: bytes) -> None:
    """Fails unless validation says of these bytes what the compiler does."""
    report = PIPELINE.run(world({"users": content, "orders": sample("orders")}))
    assert not [d for d in report.diagnostics if d.code == "STR900"]
    refused = [d for d in report.diagnostics if d.code.startswith("SYN") and d.is_error]
    lines = content.count(b"\n") + content.count(b"\r") + 1
    for found in refused:
        assert found.line is not None
        assert found.column is not None
        assert 1 <= found.line <= (found.end_line or 0) <= lines
        assert found.column >= 1
        assert (found.line, found.column) < (found.end_line, found.end_column)
    assert bool(refused) is not compiles(content)


def compiles(content: bytes) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(content, "x", "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            return False
    return True


PLACES = st.floats(0, 1, exclude_max=True)
BYTES = st.binary(min_size=1, max_size=3) | st.sampled_from(
    [b"\x00", b"\xff", b"\xc3", b"\r", b"\r\n", b"\x0c", b"\xef\xbb\xbf", b"\x1a",
     b"# coding: latin-1\n"]
)  # fmt: skip
PIECES = st.sampled_from(
    ["(", ")", "[", "]", "{", "}", ":", "\n", "    ", "\t", "'", '"', '"""', "\\", "\x00", "é", "#",
     "*", "**", "def ", "class ", "import ", "from . ", "return ", "await ", "yield ", "lambda ",
     "if x:\n", "= ", ":= ", "@", "\x0c", "self.x", "match x:\n", "\r", "\u2028", "f'{",
     "nonlocal x", "global y", "break\n", "async ", "del ", "\ufeff", "\u202e", "0x", "1_", "π"]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(TEXTS), st.lists(st.tuples(PLACES, st.booleans(), BYTES), max_size=4))
@example(TEXTS[0], [(0.0, False, b"#\x80")])
@example(TEXTS[0], [(0.0, False, b"\xef\xbb\xbf# coding: latin-1\n")])
def test_changed_bytes(text: str, edits: list[tuple[float, bool, bytes]]) -> None:
    content = text.encode()
    for place, replaces, piece in edits:
        at = int(place * len(content))
        content = content[:at] + piece + content[at + (len(piece) if replaces else 0) :]
    judged(content)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(TEXTS), st.lists(st.tuples(PLACES, PIECES), max_size=6), PLACES)
def test_pieces_put_in(text: str, edits: list[tuple[float, str]], end: float) -> None:
    for place, piece in edits:
        at = int(place * len(text))
        text = text[:at] + piece + text[at:]
    judged(text[: int(len(text) * (0.5 + end / 2))].encode())


def tokens_of(text: str) -> list[str]:
    """The text cut into tokens and what stands between them."""
    pieces, at = [], 0
    offsets = [0]
    for line in text.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        start, end = (
            offsets[min(r - 1, len(offsets) - 1)] + c for r, c in (token.start, token.end)
        )
        pieces += [text[at:start], text[start:end]]
        at = max(at, end)
    return [p for p in pieces if p]


CUT = [tokens_of(text) for text in TEXTS]


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(CUT), st.lists(st.tuples(PLACES, PLACES, st.sampled_from("dxs")), max_size=4)
)
def test_tokens_doubled_dropped_and_swapped(
    tokens: list[str], edits: list[tuple[float, float, str]]
) -> None:
    changed = list(tokens)
    for one, other, deed in edits:
        i, j = int(one * len(changed)), int(other * len(changed))
        if deed == "d":
            changed.insert(i, changed[i])
        elif deed == "x":
            del changed[i]
        else:
            changed[i], changed[j] = changed[j], changed[i]
    judged("".join(changed).encode())


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(TEXTS), st.lists(st.tuples(PLACES, st.sampled_from("dxi")), max_size=4), PLACES
)
def test_lines_doubled_dropped_and_indented_and_the_end_cut(
    text: str, edits: list[tuple[float, str]], end: float
) -> None:
    lines = text.splitlines(keepends=True)
    for place, deed in edits:
        at = int(place * len(lines))
        changed = {"d": [lines[at], lines[at]], "x": [], "i": [f"  {lines[at]}"]}[deed]
        lines[at : at + 1] = changed
    whole = "".join(lines)
    judged(whole[: int(len(whole) * (1 - end / 3))].encode())


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60) | st.text(alphabet="()[]{}:=.,'\"\\\n \tabf0#@*", max_size=60))
def test_any_text(text: str) -> None:
    judged(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("text", TEXTS, ids=["short", "long"])
def test_a_file_that_is_cut_anywhere_is_told_to_be_cut(text: str) -> None:
    """Of what the compiler refuses, the most is recognised as the beginning of something."""
    assert compiles(text.encode())
    beginnings = [text[:end] for end in range(1, len(text), 3)]
    cut = [b for b in beginnings if not compiles(b.encode())]
    recognised = 0
    for beginning in cut:
        with pytest.raises(Unparsable) as refused:
            analyse_module(beginning.encode(), name="x", file="x.py", is_package=False)
        recognised += refused.value.problem.code == "SYN010"
    assert recognised / len(cut) > 0.95


# -- what others have written -------------------------------------------------------------------


def libraries() -> Iterator[Path]:
    """Every file of the standard library and of what is installed beside the tests."""
    for folder in {sysconfig.get_path("stdlib"), *site.getsitepackages()}:
        yield from Path(folder).rglob("*.py")


def read_as_the_compiler_does(path: Path) -> str | None:
    """What is wrong with how a file is read, or None."""
    content = path.read_bytes()
    try:
        found = analyse_module(content, name="x.y", file=path.name, is_package=False)
    except Unparsable as error:
        return f"{path}: {error.problem}" if compiles(content) else None
    if not compiles(content):
        return f"{path}: the compiler refuses it"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = {n.name for n in ast.parse(content).body if isinstance(n, ast.ClassDef)}
    missing = names - {c.name for c in found.classes}
    return f"{path}: the classes {missing} are not seen" if missing else None


def test_a_sample_of_what_others_have_written_is_read_as_the_compiler_does() -> None:
    sample_of_all = sorted(libraries())[::151]
    assert [p for p in map(read_as_the_compiler_does, sample_of_all) if p is not None] == []


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_all_that_others_have_written_is_read_as_the_compiler_does() -> None:
    paths = sorted(libraries())
    assert len(paths) > 1000
    assert [p for p in map(read_as_the_compiler_does, paths) if p is not None] == []


def test_the_standard_library_imports_nothing_that_is_not_there() -> None:
    """No false finding on imports that work: each module is taken for a plugin's."""
    names = ("json/__init__", "argparse", "asyncio/base_events", "http/server", "email/message",
             "concurrent/futures/thread", "logging/handlers", "zipfile", "inspect")  # fmt: skip
    folder = Path(sysconfig.get_path("stdlib"))
    for name in (n for n in names if (folder / f"{n}.py").is_file()):
        text = (folder / f"{name}.py").read_text()
        report = PIPELINE.run(world({"users": {"plugin.py": sample("users"), "lib.py": text}}))
        wrong = [d for d in report.diagnostics if d.code in ("IMP001", "IMP002") and d.file]
        kept = [d for d in wrong if d.severity != "info"]
        assert kept == [], (sys.version, name)
