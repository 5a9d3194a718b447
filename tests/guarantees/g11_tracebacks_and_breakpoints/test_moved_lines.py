"""Where a line of the old version is in the new one."""

from __future__ import annotations

import random
import textwrap

import pytest

from devserver.runtime.moved_lines import Version, moved_definition, moved_line

BEFORE = """
    import os

    LIMIT = 10


    def total(items):
        result = 0
        for item in items:
            result += item.price
        return result


    class Cart:
        def __init__(self):
            self.items = []

        def add(self, item):
            self.items.append(item)
            return len(self.items)
"""


def version(text: str) -> Version:
    text = textwrap.dedent(text)
    return Version(text.splitlines(), compile(text, "plugin.py", "exec"))


def moved(before: str, after: str, *, at: str) -> str | None:
    """The text of the line that the line `at` has become."""
    old, new = version(before), version(after)
    line = moved_line(old.lines.index(at) + 1, old, new)
    return None if line is None else new.lines[line - 1]


@pytest.mark.parametrize("at", ["LIMIT = 10", "result += item.price", "self.items.append(item)"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import os", "import os\n    import sys\n\n    # more"),
        ("import os\n", "\n"),
        ("    def total", "    @staticmethod\n    def first(): ...\n\n    def total"),
        ("return result", "return result * 2"),
        ("class Cart", "class Basket"),
        ("def total", "def everything"),
    ],
)
def test_a_line_that_is_still_there_is_followed(at: str, old: str, new: str) -> None:
    assert moved(BEFORE, BEFORE.replace(old, new), at=at) == at


@pytest.mark.parametrize(
    ("old", "new", "at", "expected"),
    [
        ("+= item.price", "+= item.price * 2", "result += item.price", "result += item.price * 2"),
        (
            "            result += item.price\n",
            "            if item:\n                result += item.price\n",
            "result += item.price",
            "result += item.price",
        ),
        ("            result += item.price\n", "            print(1)\n", "result += item.price",
         "print(1)"),
        ("        result = 0\n", "", "result = 0", "for item in items:"),
        ("        result = 0\n", "        # gone\n\n", "result = 0", "for item in items:"),
        ("            return len(self.items)\n", "", "return len(self.items)",
         "self.items.append(item)"),
    ],
)  # fmt: skip
def test_a_line_that_was_edited_or_deleted_is_followed_within_its_function(
    old: str, new: str, at: str, expected: str
) -> None:
    assert moved(BEFORE, BEFORE.replace(old, new), at=at) == expected


def test_functions_that_change_places_take_their_lines_along() -> None:
    one = "def one(x):\n    y = x + 1\n    return y\n"
    two = "def two(x):\n    y = x + 2\n    return y\n"
    old, new = version(one + two), version(two + one)
    assert [moved_line(line, old, new) for line in (2, 3, 5, 6)] == [5, 6, 2, 3]


def test_two_functions_of_one_name_are_told_apart() -> None:
    text = """
        class A:
            @property
            def x(self):
                return self._x

            @x.setter
            def x(self, value):
                self._x = value
    """
    assert moved(text, text.replace("class A:", "class A:\n            y = 1"), at="return self._x")
    assert moved(text, "\n\n" + text, at="self._x = value") == "self._x = value"


def test_a_line_whose_function_is_gone_is_gone() -> None:
    after = BEFORE[: BEFORE.index("    class Cart")]
    assert moved(BEFORE, after, at="self.items.append(item)") is None


def test_a_line_that_became_text_is_not_where_one_could_stop() -> None:
    after = BEFORE.replace("result = 0", '"""\n        result = 0\n        """')
    assert moved(BEFORE, after, at="result = 0") == "for item in items:"


def test_a_line_of_a_comprehension_belongs_to_the_function_around_it() -> None:
    text = "def f(xs):\n    return [\n        x + 1\n        for x in xs\n    ]\n"
    assert moved(text, "# more\n" + text, at="x + 1") == "x + 1"


def test_a_definition_is_followed_by_its_name_and_by_its_text() -> None:
    old = version(BEFORE)
    first = old.lines.index("def total(items):") + 1
    decorated = version(BEFORE.replace("    def total", "    @staticmethod\n    def total"))
    body = moved_definition(first, old, decorated)
    assert body is not None
    assert decorated.lines[body.first - 1] == "@staticmethod"
    gone = version(BEFORE[BEFORE.index("    class Cart") :])
    assert moved_definition(first, old, gone) is None


def test_lines_far_into_a_large_file_are_followed_at_once() -> None:
    dice = random.Random(11)
    functions = [
        f"def f{n}(x):\n    y = {dice.random()}\n    if x:\n        return y\n    return None\n\n\n"
        for n in range(1000)
    ]
    at = version("".join(functions)), version("import os\n" * 9 + "".join(functions))
    line = 7 * 900 + 2
    assert moved_line(line, *at) == line + 9
