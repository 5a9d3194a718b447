"""Globs in the style of .gitignore, matched against paths from the project root.

A pattern with a slash before its end is anchored at the root, one without matches at any depth.
`*` and `?` stay inside one name, `**` crosses folders, `[a-z]` and `\\` work as in git, `{a,b}`
stands for both, a leading `!` takes back what an earlier pattern said. What matches a folder
matches everything below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

MAX_ALTERNATIVES = 256
_MAX_CACHED = 20_000
_WILDCARDS = frozenset("*?[\\")


def problem_with_pattern(pattern: str) -> str | None:
    """Why `pattern` is no valid glob, or None when it is one."""
    try:
        compile_pattern(pattern)
    except ValueError as error:
        return str(error)
    return None


def expand_braces(pattern: str) -> tuple[str, ...]:
    """`a.{py,{yaml,yml}}` → `a.py`, `a.yaml`, `a.yml`; ValueError when the braces do not pair or
    stand for more than `MAX_ALTERNATIVES` patterns."""
    done: list[str] = []
    waiting = [pattern]
    while waiting:
        current = waiting.pop()
        group = _last_group(current)
        if group is None:
            done.append(current)
        else:
            start, end, commas = group
            cuts = [start, *commas, end]
            pieces = [current[a + 1 : b] for a, b in pairwise(cuts)]
            waiting += [current[:start] + piece + current[end + 1 :] for piece in reversed(pieces)]
        if len(done) + len(waiting) > MAX_ALTERNATIVES:
            raise ValueError(f"the braces stand for more than {MAX_ALTERNATIVES} patterns")
    return tuple(dict.fromkeys(done))


def _last_group(pattern: str) -> tuple[int, int, list[int]] | None:
    """The first closed `{...}` with no group inside: its start, end and commas."""
    opened: list[tuple[int, list[int]]] = []
    index = 0
    while index < len(pattern):
        char = pattern[index]
        if char == "\\":
            index += 1
        elif char == "{":
            opened.append((index, []))
        elif char == "," and opened:
            opened[-1][1].append(index)
        elif char == "}":
            if not opened:
                raise ValueError("a '}' has no '{' (write \\} for the character itself)")
            start, commas = opened[-1]
            return start, index, commas
        index += 1
    if opened:
        raise ValueError("a '{' is not closed (write \\{ for the character itself)")
    return None


def compile_pattern(pattern: str) -> tuple[tuple[bool, re.Pattern[str]], ...]:
    """One `(include, expression)` per alternative; ValueError says what is wrong."""
    return tuple(_compile(single) for single in expand_braces(pattern))


def _compile(pattern: str) -> tuple[bool, re.Pattern[str]]:
    body = pattern.removeprefix("!")
    if not body.strip("/ "):
        raise ValueError("the pattern is empty")
    if body != body.strip():
        raise ValueError("the pattern starts or ends with a space")
    if pattern.startswith("#"):
        raise ValueError("a pattern that starts with '#' is a comment (write \\# for '#')")
    segments = body.removeprefix("/").removesuffix("/").split("/")
    if "" in segments:
        raise ValueError("the pattern has two slashes in a row")
    if ".." in segments or "." in segments:
        raise ValueError("'.' and '..' never match: paths are seen from the project root")
    expression = _anchor(body) + _join(segments, folder_only=body.endswith("/"))
    try:
        return not pattern.startswith("!"), re.compile(expression, re.DOTALL)
    except re.error as error:
        raise ValueError(f"a [...] set is not valid: {error.msg}") from error


def _anchor(body: str) -> str:
    return "" if "/" in body.removesuffix("/") else "(?:.+/)?"


def _join(segments: Sequence[str], *, folder_only: bool) -> str:
    """The expression for all segments; a match of a folder is a match of what it holds."""
    parts: list[str] = []
    for index, segment in enumerate(segments):
        last = index == len(segments) - 1
        if segment != "**":
            parts.append(_translate(segment) + ("" if last else "/"))
        elif last:
            parts.append(".+")
        elif index == 0 or segments[index - 1] != "**":
            parts.append("(?:.+/)?")
    if folder_only:
        return "".join(parts) + r"/.*\Z"
    return "".join(parts) + (r"\Z" if segments[-1] == "**" else r"(?:/.*)?\Z")


def _translate(segment: str) -> str:
    """One name with its wildcards as an expression."""
    parts: list[str] = []
    index = 0
    while index < len(segment):
        char = segment[index]
        index += 1
        if char == "*":
            if parts[-1:] != ["[^/]*"]:
                parts.append("[^/]*")
        elif char == "?":
            parts.append("[^/]")
        elif char == "[":
            text, index = _translate_set(segment, index)
            parts.append(text)
        elif char == "\\":
            if index == len(segment):
                raise ValueError("a '\\' stands at the end of a name")
            parts.append(re.escape(segment[index]))
            index += 1
        else:
            parts.append(re.escape(char))
    return "".join(parts)


def _translate_set(segment: str, start: int) -> tuple[str, int]:
    """A `[...]` whose content begins at `start`, and the index behind it."""
    begin = start + 1 if segment[start : start + 1] in ("!", "^") else start
    end = segment.find("]", begin + 1)
    if end < 0:
        raise ValueError("a '[' is not closed (write \\[ for the character itself)")
    content = segment[begin:end]
    if "[:" in content:
        raise ValueError("character classes such as [:alpha:] are not known; write [a-zA-Z]")
    negated = "^" if begin > start else ""
    escaped = re.sub(r"([\[\]^&~|])", r"\\\1", content)
    return f"(?!/)[{negated}{escaped}]", end + 1


class PathFilter:
    """Which files of a project count. Remembers its answers; not for several threads at once.

    `patterns` and `ignore` are globs as above (ValueError for an invalid one); `always` are
    relative paths that are accepted whatever the globs say.
    """

    def __init__(
        self, patterns: Iterable[str], ignore: Iterable[str] = (), *, always: Iterable[str] = ()
    ) -> None:
        patterns, ignore = tuple(patterns), tuple(ignore)
        self._always = frozenset(always)
        self._rules = _rules(patterns)
        self._ignored = _rules(ignore)
        self._pruned = _rules(_folder_of(single) for p in ignore for single in expand_braces(p))
        self._may_prune = all(include for include, _ in self._ignored)
        self._answers: dict[str, bool] = {}
        self.folders = _topmost(
            [*(p.rpartition("/")[0] for p in self._always), *_prefixes(patterns)]
        )
        """The folders below which everything accepted lies, none inside another; "" is the root."""

    def accepts(self, relative: str) -> bool:
        """True when the file at `relative` (from the project root, `/` between names) counts."""
        answer = self._answers.get(relative)
        return self._remember(relative, self._decide(relative)) if answer is None else answer

    def prunes(self, relative: str) -> bool:
        """True when no file in the folder `relative` can be accepted because it is ignored."""
        folder = f"{relative}/"
        answer = self._answers.get(folder)
        return self._remember(folder, self._decide_on_folder(folder)) if answer is None else answer

    def _remember(self, path: str, answer: bool) -> bool:
        if len(self._answers) >= _MAX_CACHED:
            self._answers.clear()
        self._answers[path] = answer
        return answer

    def _decide_on_folder(self, folder: str) -> bool:
        if _is_no_text(folder):
            return True
        if not self._may_prune or not _says(self._pruned, folder):
            return False
        return not any(path.startswith(folder) for path in self._always)

    def _decide(self, relative: str) -> bool:
        if relative in self._always:
            return True
        return (
            not _is_no_text(relative)
            and _says(self._rules, relative)
            and not _says(self._ignored, relative)
        )


def _is_no_text(path: str) -> bool:
    """Names that are no valid text come with lone surrogates, which nothing can print."""
    return not path.isascii() and any("\ud800" <= char <= "\udfff" for char in path)


def _rules(patterns: Iterable[str]) -> tuple[tuple[bool, re.Pattern[str]], ...]:
    """All rules, the last first: the last that matches decides."""
    return tuple(reversed([rule for pattern in patterns for rule in compile_pattern(pattern)]))


def _folder_of(pattern: str) -> str:
    """`name/**` is all that is in the folder, so the folder itself need not be entered."""
    if not pattern.endswith("/**"):
        return pattern
    folder = pattern.removeprefix("/").removesuffix("**")
    return f"/{folder}" if folder else "**"


def _says(rules: tuple[tuple[bool, re.Pattern[str]], ...], relative: str) -> bool:
    return next((include for include, rule in rules if rule.match(relative)), False)


def _prefixes(patterns: Iterable[str]) -> list[str]:
    """The fixed folder that each pattern starts with."""
    singles = [single for pattern in patterns for single in expand_braces(pattern)]
    return [_prefix(single) for single in singles if not single.startswith("!")]


def _prefix(pattern: str) -> str:
    if "/" not in pattern.removesuffix("/"):
        return ""
    names = pattern.removeprefix("/").split("/")[:-1]
    fixed = next((i for i, name in enumerate(names) if _WILDCARDS & set(name)), len(names))
    return "/".join(names[:fixed])


def _topmost(folders: Iterable[str]) -> tuple[str, ...]:
    """The folders without those that lie inside another of them."""
    found: list[str] = []
    for folder in sorted(set(folders)):
        if not any(top == "" or folder.startswith(f"{top}/") for top in found):
            found.append(folder)
    return tuple(found)
