"""Globs as people know them from .gitignore."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pathspec import GitIgnoreSpec

from devserver.core.patterns import (
    MAX_ALTERNATIVES,
    PathFilter,
    compile_pattern,
    expand_braces,
    problem_with_pattern,
)
from devserver.core.settings import WatchSettings

_DEFAULTS = WatchSettings()


def _matches(pattern: str, path: str) -> bool:
    return PathFilter([pattern]).accepts(path)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("plugins/**/*.py", "plugins/a.py", True),
        ("plugins/**/*.py", "plugins/a/b/c.py", True),
        ("plugins/**/*.py", "xplugins/a.py", False),
        ("plugins/**/*.py", "x/plugins/a.py", False),
        ("plugins/**/*.py", "plugins/a.pyc", False),
        ("validators/*.py", "validators/a.py", True),
        ("validators/*.py", "validators/deep/a.py", False),
        ("**/.*", ".env", True),
        ("**/.*", "plugins/a/.b.py.swp", True),
        ("**/.*", "plugins/.git/objects/ab/cd", True),
        ("**/.*", "plugins/a.b", False),
        ("**/__pycache__/**", "plugins/a/__pycache__/x/y.pyc", True),
        ("**/__pycache__/**", "__pycache__/y", True),
        ("*.log", "plugins/a/b.log", True),
        ("/*.log", "plugins/b.log", False),
        ("/*.log", "b.log", True),
        ("build/", "a/build/x", True),
        ("build/", "build", False),
        ("plugins/a", "plugins/a/deep/x.txt", True),
        ("plugins/?.py", "plugins/ab.py", False),
        ("plugins/[a-c].py", "plugins/b.py", True),
        ("plugins/[!a-c].py", "plugins/b.py", False),
        ("plugins[!a]b", "plugins/b", False),
        ("plugins/[]x].py", "plugins/].py", True),
        (r"plugins/\*.py", "plugins/*.py", True),
        (r"plugins/\*.py", "plugins/a.py", False),
        (r"a\{b,c\}", "a{b,c}", True),
        ("a.b", "axb", False),
        ("**", "any/thing", True),
        ("a/**/**/b", "a/b", True),
    ],
)
def test_pattern_matches_as_in_gitignore(pattern: str, path: str, expected: bool) -> None:
    assert _matches(pattern, path) is expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a.{py,pyi}", ("a.py", "a.pyi")),
        ("{a,b}/{c,d}", ("a/c", "a/d", "b/c", "b/d")),
        ("a.{py,{yaml,yml}}", ("a.py", "a.yaml", "a.yml")),
        ("a{,b}", ("a", "ab")),
        ("{a}", ("a",)),
        ("!{a,b}", ("!a", "!b")),
        (r"a\{b", (r"a\{b",)),
        ("a,b", ("a,b",)),
    ],
)
def test_braces_stand_for_every_alternative(pattern: str, expected: tuple[str, ...]) -> None:
    assert set(expand_braces(pattern)) == set(expected)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("", "empty"),
        ("/", "empty"),
        ("!", "empty"),
        ("a/{b,c", "not closed"),
        ("a}", "no '{'"),
        ("[ab", "not closed"),
        ("a\\", "stands at the end"),
        ("[z-a].py", "not valid"),
        ("[[:alpha:]]", "not known"),
        ("a//b", "two slashes"),
        ("a/../b", "never match"),
        ("./a", "never match"),
        ("#a", "comment"),
        (" a", "space"),
        ("{a,b}" * 10, f"more than {MAX_ALTERNATIVES}"),
    ],
)
def test_invalid_pattern_is_told_with_its_reason(pattern: str, reason: str) -> None:
    assert reason in (problem_with_pattern(pattern) or "")


@pytest.mark.parametrize("pattern", [*_DEFAULTS.patterns, *_DEFAULTS.ignore])
def test_default_patterns_are_valid(pattern: str) -> None:
    assert problem_with_pattern(pattern) is None


_names = st.text(alphabet="ab.", min_size=1, max_size=3).filter(lambda n: n not in (".", ".."))
_paths = st.lists(_names, min_size=1, max_size=4).map("/".join)
_segments = st.one_of(
    _names,
    st.just("**"),
    st.text(alphabet="ab.*?", min_size=1, max_size=3).filter(
        lambda s: s not in (".", "..") and "**" not in s
    ),
)
_patterns = st.builds(
    lambda front, middle, end: front + "/".join(middle) + end,
    st.sampled_from(["", "/"]),
    st.lists(_segments, min_size=1, max_size=4),
    st.sampled_from(["", "/"]),
)


# What ends in `**/` is left out: git takes it for folders only, pathspec for files as well.
@given(_patterns.filter(lambda p: not p.endswith("**/")), _paths)
def test_matching_agrees_with_git(pattern: str, path: str) -> None:
    expected = GitIgnoreSpec.from_lines([pattern]).match_file(path)
    assert _matches(pattern, path) is expected


@given(st.text(alphabet="a/*?[]{},!\\#-^ .", max_size=12))
def test_any_text_is_a_pattern_or_has_a_reason(pattern: str) -> None:
    problem = problem_with_pattern(pattern)
    if problem is None:
        assert compile_pattern(pattern)
        assert PathFilter([pattern], [pattern]).accepts("a/b") is False
    else:
        assert problem


def test_ignored_file_does_not_count_whatever_the_patterns_say() -> None:
    accepts = _DEFAULTS.path_filter().accepts
    assert accepts("plugins/users/models.py")
    assert accepts("plugins/users/schema.yml")
    assert not accepts("plugins/users/.models.py.swp")
    assert not accepts("plugins/users/__pycache__/models.py")
    assert not accepts("plugins/users/4913")
    assert not accepts("plugins/users/models.py___jb_tmp___")
    assert not accepts("README.md")


def test_last_matching_pattern_decides() -> None:
    accepts = PathFilter(["plugins/**", "!plugins/data/**", "plugins/data/keep.py"]).accepts
    assert accepts("plugins/a.py")
    assert not accepts("plugins/data/a.py")
    assert accepts("plugins/data/keep.py")


def test_negated_ignore_lets_a_file_through_and_its_folder_is_entered() -> None:
    chosen = PathFilter(["plugins/**"], ["plugins/data/**", "!plugins/data/keep.py"])
    assert chosen.accepts("plugins/data/keep.py")
    assert not chosen.prunes("plugins/data")


def test_settings_file_counts_even_when_nothing_is_watched_and_everything_ignored() -> None:
    chosen = WatchSettings(enabled=False, ignore=("config/**",)).path_filter()
    assert chosen.accepts("config/hot-loading.yaml")
    assert not chosen.prunes("config")
    assert not chosen.accepts("plugins/a.py")
    assert chosen.folders == ("config",)


def test_folder_is_pruned_only_when_all_of_it_is_ignored() -> None:
    chosen = PathFilter(["**/*.py"], ["**/__pycache__/**", "**/.*", "build/**", "tmp/"])
    assert chosen.prunes("plugins/a/__pycache__")
    assert chosen.prunes(".git")
    assert chosen.prunes(".git/objects")
    assert chosen.prunes("build")
    assert not chosen.prunes("plugins/build")
    assert chosen.prunes("plugins/tmp")
    assert not chosen.prunes("plugins")


@given(st.lists(_patterns, max_size=3), _paths, _names)
def test_pruned_folder_holds_nothing_that_is_accepted(
    ignore: list[str], folder: str, name: str
) -> None:
    chosen = PathFilter(["**"], ignore)
    if chosen.prunes(folder):
        assert not chosen.accepts(f"{folder}/{name}")


@pytest.mark.parametrize(
    ("patterns", "folders"),
    [
        (_DEFAULTS.patterns, ("config", "plugins", "schemas", "validators")),
        (("plugins/a/*.py", "plugins/**/*.py"), ("plugins",)),
        (("{a,b}/*.py",), ("a", "b")),
        (("*.py", "plugins/*.py"), ("",)),
        (("config/main.yaml",), ("config",)),
        (("/main.yaml",), ("",)),
        (("!plugins/*.py",), ()),
    ],
)
def test_filter_names_the_folders_where_its_patterns_begin(
    patterns: tuple[str, ...], folders: tuple[str, ...]
) -> None:
    assert PathFilter(patterns).folders == folders


def test_name_that_is_no_text_never_counts() -> None:
    name = b"plugins/\xff.py".decode("utf-8", "surrogateescape")
    assert not _DEFAULTS.path_filter().accepts(name)
    assert _DEFAULTS.path_filter().prunes(name)
