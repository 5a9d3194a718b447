"""Errors of every kind, as the product formats them."""

from __future__ import annotations

from typing import Any

import pytest

from devserver.runtime.tracebacks import format_error
from tests.guarantees.g11_tracebacks_and_breakpoints.failing import failing, traceback_of
from tests.integration.lab import Lab, plugin


@pytest.fixture(autouse=True)
def no_trial(lab: Lab) -> None:
    """What a trial process would find has suites of its own."""
    lab.settings("safety:\n  trial_process: false\n")


def test_marks_stand_below_the_expression_that_failed(lab: Lab) -> None:
    lab.write("users", failing("return {'x': values['a'] + values['b']['c']}",
                               before="values = {'a': 1, 'b': {}}"))  # fmt: skip
    lab.start()
    lines = traceback_of(lab).splitlines()
    at = next(n for n, line in enumerate(lines) if "return {" in line)
    marked = lines[at][lines[at + 1].index("~") : lines[at + 1].rindex("^") + 1]
    assert marked == "values['b']['c']"


def test_chained_errors_are_shown_each_with_its_frames(lab: Lab) -> None:
    top = """
        def ask():
            try:
                {}["key"]
            except KeyError as error:
                raise LookupError("asked") from error

        def answer():
            try:
                ask()
            except LookupError:
                raise RuntimeError("answered")

        def hidden():
            try:
                ask()
            except LookupError:
                raise RuntimeError("alone") from None
    """
    lab.write("users", failing("answer()", top=top))
    lab.start()
    text = traceback_of(lab)
    order = [
        '{}["key"]',
        "KeyError: 'key'",
        "direct cause",
        "LookupError: asked",
        "During handling",
        "    answer()",
        "RuntimeError: answered",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    lab.save(("users", failing("hidden()", top=top)))
    assert "KeyError" not in traceback_of(lab)


def test_groups_show_every_member_with_its_own_frames(lab: Lab) -> None:
    top = """
        def fail(kind, text):
            try:
                raise kind(text)
            except kind as error:
                return error

        def everything():
            inner = ExceptionGroup("inner", [fail(ValueError, "a"), fail(TypeError, "b")])
            raise BaseExceptionGroup("outer", [inner, fail(KeyboardInterrupt, "c")])
    """
    lab.write("users", failing("everything()", top=top))
    lab.start()
    # A group of what is not an Exception ends a request as it ends a thread.
    with pytest.raises(BaseExceptionGroup) as caught:
        lab.get("/users/fail")
    text = format_error(caught.value)
    for part in ("outer (2 sub-exceptions)", "inner (2 sub-exceptions)", "ValueError: a",
                 "TypeError: b", "KeyboardInterrupt: c"):  # fmt: skip
        assert part in text
    assert text.count("raise kind(text)") == 3
    assert "Exception Group Traceback (plugin code only):" in text
    assert "werkzeug" not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [("def f(:", "def f(:"), ("a = 1\nb = = 2", "b = = 2")],
)
def test_a_syntax_error_in_a_text_that_a_plugin_compiles_shows_text_and_plugin(
    lab: Lab, text: str, expected: str
) -> None:
    lab.write("users", failing(f"exec(compile({text!r}, '<rule>', 'exec'))"))
    lab.start()
    shown = traceback_of(lab)
    assert "exec(compile(" in shown
    assert 'File "<rule>"' in shown
    assert expected in shown
    assert "SyntaxError: invalid syntax" in shown


def test_a_syntax_error_in_a_compiled_text_is_located_at_the_plugins_line(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    hook = "def initialize(self):\n    compile('def f(:', '<rule>', 'exec')"
    outcome = lab.save(("users", plugin("users", 2, body=hook)))
    [found] = [d for d in outcome.diagnostics if d.is_error]
    assert found.file == "plugins/users/plugin.py"
    assert "compile(" in found.source_lines[0]


def test_code_that_a_plugin_executes_has_frames_without_a_source(lab: Lab) -> None:
    lab.write("users", failing("exec('1 / 0')"))
    lab.start()
    text = traceback_of(lab)
    assert 'File "<string>", line 1, in <module>' in text
    assert text.endswith("ZeroDivisionError: division by zero")


def test_an_error_of_a_library_shows_the_plugin_and_where_the_library_raised(lab: Lab) -> None:
    lab.write("users", failing("json.loads('{')", top="import json"))
    lab.start()
    text = traceback_of(lab)
    assert "json.loads('{')" in text
    assert text.count("json/decoder.py") == 1
    assert "json/__init__.py" not in text
    assert "flask" not in text


def test_notes_are_shown(lab: Lab) -> None:
    top = """
        def noted():
            error = ValueError("x")
            error.add_note("look here")
            return error
    """
    lab.write("users", failing("raise noted()", top=top))
    lab.start()
    assert traceback_of(lab).endswith("ValueError: x\nlook here")


@pytest.mark.parametrize(
    "body",
    [
        "def __str__(self):\n    raise RuntimeError('again')",
        "def __str__(self):\n    return None",
        "def __str__(self):\n    raise SystemExit(1)",
        "@property\ndef __notes__(self):\n    raise RuntimeError('again')",
        "__notes__ = 7",
        "def __getattribute__(self, name):\n    raise RuntimeError(name)",
    ],
)
def test_an_error_that_cannot_say_anything_is_shown_all_the_same(body: str) -> None:
    space: dict[str, Any] = {}
    indented = "".join(f"    {line}\n" for line in body.splitlines())
    exec(f"class Odd(Exception):\n{indented}", space)
    assert "Odd" in format_error(space["Odd"]("x"))


def test_a_recursion_of_thousands_of_frames_is_bounded(lab: Lab) -> None:
    top = """
        def one(n):
            return one(n + 1)

        def ping(n):
            return pong(n)

        def pong(n):
            return ping(n)
    """
    lab.write("users", failing("one(0)", top=top))
    lab.start()
    text = traceback_of(lab)
    assert "more times]" in text
    assert len(text.splitlines()) < 20
    lab.save(("users", failing("ping(0)", top=top)))
    text = traceback_of(lab)
    assert "frames left out]" in text
    assert "RecursionError: maximum recursion depth exceeded" in text
    assert len(text.splitlines()) < 200


def test_a_chain_of_thousands_of_errors_and_a_text_without_end_are_bounded(lab: Lab) -> None:
    top = """
        def chain():
            error = ValueError("x" * 10_000_000)
            for n in range(5000):
                later = ValueError(n)
                later.__context__ = error
                error = later
            return error
    """
    lab.write("users", failing("raise chain()", top=top))
    lab.start()
    text = traceback_of(lab)
    assert text.endswith("ValueError: 4999")
    assert "[what came before it is left out]" in text
    assert len(text) < 10_000
    lab.save(("users", failing("raise ValueError('x' * 10_000_000)", top=top)))
    assert len(traceback_of(lab)) < 20_000


def test_errors_that_are_each_others_context_end() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__context__, two.__context__ = two, one
    one.__cause__, two.__cause__ = two, one
    assert format_error(one).count("ValueError: one") == 1


def test_generators_and_coroutines_show_their_frames(lab: Lab) -> None:
    top = """
        import asyncio

        def numbers():
            yield 1
            raise ValueError("in the generator")

        async def inner():
            await asyncio.sleep(0)
            [*numbers()]

        async def outer():
            async with asyncio.TaskGroup() as group:
                group.create_task(inner())
    """
    lab.write("users", failing("asyncio.run(outer())", top=top))
    lab.start()
    text = traceback_of(lab)
    for line in ("asyncio.run(outer())", "async with asyncio.TaskGroup()", "[*numbers()]",
                 'raise ValueError("in the generator")'):  # fmt: skip
        assert line in text
    assert "base_events" not in text
