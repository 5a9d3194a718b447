"""config/hot-loading.yaml: defaults, and messages that say what, where and what next."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from devserver.core.diagnostics import Diagnostic
from devserver.core.settings import SETTINGS_FILE, Settings, parse_settings

REPOSITORY = Path(__file__).parents[3]


def _parse(text: str) -> tuple[Settings | None, tuple[Diagnostic, ...]]:
    return parse_settings(dedent(text), SETTINGS_FILE)


def _valid(text: str) -> Settings:
    settings, diagnostics = _parse(text)
    assert diagnostics == ()
    assert settings is not None
    return settings


def _problems(text: str) -> tuple[Diagnostic, ...]:
    settings, diagnostics = _parse(text)
    assert settings is None
    assert diagnostics
    assert all(d.is_error and d.file == SETTINGS_FILE and d.hint for d in diagnostics)
    return diagnostics


def _problem(text: str) -> Diagnostic:
    (problem,) = _problems(text)
    return problem


def _section(path: str, value: str) -> str:
    """`watch.debounce_ms`, `3` → the file with that one setting."""
    lines = ["hot_loading:"]
    for depth, key in enumerate(path.split("."), start=1):
        lines.append("  " * depth + f"{key}:")
    return "\n".join(lines) + f" {value}\n"


DEFAULTS: dict[str, Any] = {
    "enabled": True,
    "development_mode": True,
    "watch": {
        "enabled": True,
        "patterns": [
            "plugins/**/*.py",
            "plugins/**/manifest.json",
            "plugins/**/*.{yaml,yml,json,sql,html,jinja2}",
            "config/**/*.yaml",
            "schemas/**/*.json",
            "validators/*.py",
        ],
        "ignore": ["**/__pycache__/**", "**/*.pyc", "**/.*"],
        "debounce_ms": 5,
        "force_polling": "auto",
    },
    "reload": {
        "automatic": True,
        "validation": True,
        "backup_state": True,
        "timeout": 30,
        "drain_timeout": 60,
    },
    "development": {
        "debug_logging": True,
        "preserve_breakpoints": True,
        "auto_install_deps": False,
        "reload_on_import_error": True,
        "browser_reload": True,
    },
    "safety": {
        "validate_before_reload": True,
        "trial_process": True,
        "trial_memory_mb": "auto",
        "rollback_on_failure": True,
        "probation_ms": 0,
        "max_reload_attempts": 3,
        "cooldown_period": 5,
    },
    "loading": {"lazy": False},
}


def test_every_setting_has_its_default() -> None:
    assert Settings().model_dump(mode="json") == DEFAULTS


def test_repository_configuration_spells_out_every_key_at_its_default() -> None:
    text = (REPOSITORY / SETTINGS_FILE).read_text(encoding="utf-8")
    assert yaml.safe_load(text) == {"hot_loading": DEFAULTS}
    assert parse_settings(text, SETTINGS_FILE) == (Settings(), ())


@pytest.mark.parametrize(
    "text",
    ["", "# a comment\n", "---\n", "hot_loading:\n", "hot_loading: {}", "hot_loading:\n  watch:\n",
     "hot_loading:\n  safety: {}\n  loading:\n"],
)  # fmt: skip
def test_what_is_not_given_has_its_default(text: str) -> None:
    assert _valid(text) == Settings()


def test_given_values_replace_the_defaults_and_leave_the_others() -> None:
    settings = _valid(
        """
        hot_loading:
          enabled: false
          watch:
            patterns: ["plugins/*.{py,txt}"]
            force_polling: true
          reload: {timeout: 2.5}
          safety:
            trial_memory_mb: 256
        """
    )
    assert settings.enabled is False
    assert settings.watch.patterns == ("plugins/*.{py,txt}",)
    assert settings.watch.force_polling is True
    assert settings.reload.timeout == 2.5
    assert settings.reload.drain_timeout == 60
    assert settings.safety.trial_memory_mb == 256


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("enabled", ["true", "false", "yes", "off"]),
        ("watch.debounce_ms", ["1", "10000"]),
        ("watch.force_polling", ["auto", "true", "false"]),
        ("watch.patterns", ["[]", "[a, '!b']"]),
        ("reload.timeout", ["0.001", "86400", "7"]),
        ("safety.trial_memory_mb", ["auto", "1", "64"]),
        ("safety.probation_ms", ["0", "250"]),
        ("safety.max_reload_attempts", ["0", "100"]),
        ("safety.cooldown_period", ["0", "0.5"]),
    ],
)
def test_value_in_range_is_taken(key: str, values: list[str]) -> None:
    for value in values:
        assert _valid(_section(key, value))


@pytest.mark.parametrize(
    ("key", "value", "code", "expected"),
    [
        ("enabled", '"yes"', "CFG003", 'true or false, not "yes"'),
        ("enabled", "1", "CFG003", "true or false, not 1"),
        ("enabled", "", "CFG003", "true or false, not an empty value"),
        ("enabled", "[true]", "CFG003", "true or false, not [true]"),
        ("watch", "5", "CFG003", "a section with keys of its own, not 5"),
        ("watch.debounce_ms", "0", "CFG004", "milliseconds from 1 to 10000, not 0"),
        ("watch.debounce_ms", "10001", "CFG004", "from 1 to 10000, not 10001"),
        ("watch.debounce_ms", "true", "CFG003", "a whole number of milliseconds"),
        ("watch.debounce_ms", "5.5", "CFG003", "not 5.5"),
        ("watch.debounce_ms", '"5"', "CFG003", 'not "5"'),
        ("watch.force_polling", "maybe", "CFG003", 'true, false or auto, not "maybe"'),
        ("watch.force_polling", "1", "CFG003", "true, false or auto, not 1"),
        ("watch.patterns", "a", "CFG003", 'a list of globs such as plugins/**/*.py, not "a"'),
        ("reload.timeout", "0", "CFG004", "seconds above 0 up to 86400, not 0"),
        ("reload.timeout", "-1", "CFG004", "not -1"),
        ("reload.timeout", ".nan", "CFG004", "not NaN"),
        ("reload.timeout", ".inf", "CFG004", "not Infinity"),
        ("reload.timeout", "true", "CFG003", "a number of seconds"),
        ("reload.timeout", "soon", "CFG003", 'not "soon"'),
        ("reload.timeout", "2020-01-01", "CFG003", 'not "2020-01-01"'),
        ("reload.drain_timeout", "86401", "CFG004", "up to 86400"),
        ("safety.trial_memory_mb", "true", "CFG003", "auto or a whole number of megabytes"),
        ("safety.trial_memory_mb", "0", "CFG004", "from 1 to 1048576, not 0"),
        ("safety.max_reload_attempts", "101", "CFG004", "from 0 to 100, not 101"),
        ("safety.cooldown_period", "-0.5", "CFG004", "from 0 up to 86400, not -0.5"),
    ],
)
def test_wrong_value_is_told_with_key_place_and_what_is_expected(
    key: str, value: str, code: str, expected: str
) -> None:
    problem = _problem(_section(key, value))
    assert problem.code == code
    assert problem.message.startswith(f"hot_loading.{key} must be ")
    assert expected in problem.message
    assert problem.line == key.count(".") + 2


def test_place_is_that_of_the_value() -> None:
    problem = _problem("hot_loading:\n  watch:\n    debounce_ms: soon  # quick\n")
    assert (problem.line, problem.column, problem.end_column) == (3, 18, 22)
    assert problem.source_lines == ("    debounce_ms: soon  # quick",)
    assert problem.location == "config/hot-loading.yaml:3:18"
    assert problem.hint == "the default is 5"


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("hot_loding: {}", "hot_loding", "hot_loading"),
        ("watch: {}", "watch", "hot_loading.watch"),
        ("hot_loading: {enable: true}", "hot_loading.enable", "hot_loading.enabled"),
        ("hot_loading: {debounce_ms: 5}", "hot_loading.debounce_ms",
         "hot_loading.watch.debounce_ms"),
        ("hot_loading: {safety: {cooldown_perod: 5}}", "hot_loading.safety.cooldown_perod",
         "hot_loading.safety.cooldown_period"),
        ("hot_loading: {reload: {enabled: true}}", "hot_loading.reload.enabled",
         "hot_loading.enabled"),
        ("hot_loading: {Watch: {}}", "hot_loading.Watch", "hot_loading.watch"),
    ],
)  # fmt: skip
def test_unknown_key_is_told_with_the_nearest_valid_one(text: str, key: str, nearest: str) -> None:
    problem = _problem(text)
    assert problem.code == "CFG002"
    assert problem.message == f"unknown key {key}"
    assert problem.hint == f"did you mean {nearest}?"


def test_key_that_is_near_to_none_is_told_with_all_that_are_valid_there() -> None:
    problem = _problem("hot_loading:\n  loading:\n    qqq: 1\n")
    assert (problem.line, problem.column, problem.end_column) == (3, 5, 8)
    assert problem.hint == "the nearest valid key is hot_loading.loading.lazy; valid here: lazy"


@pytest.mark.parametrize("key", ["1", "on", "null", "2020-01-01"])
def test_key_that_is_no_text_is_an_unknown_key(key: str) -> None:
    assert _problem(f"{key}: 1").message == f"unknown key {key}"


def test_every_invalid_glob_of_a_list_is_told() -> None:
    first, second, third = _problems(
        """\
        hot_loading:
          watch:
            patterns:
              - "plugins/**/*.py"
              - "plugins/{a,b"
              - 5
            ignore: ["[x"]
        """
    )
    assert (first.code, first.line) == ("CFG006", 5)
    assert "hot_loading.watch.patterns[1] is no valid glob" in first.message
    assert "'{' is not closed" in first.message
    assert (second.code, second.line) == ("CFG003", 6)
    assert "patterns[2] must be a piece of text, not 5" in second.message
    assert (third.code, third.line) == ("CFG006", 7)


def test_key_that_is_given_twice_is_an_error_with_both_lines() -> None:
    problem = _problem("hot_loading:\n  enabled: true\n  watch: {}\n  enabled: false\n")
    assert problem.code == "CFG005"
    assert problem.line == 4
    assert problem.message == "hot_loading.enabled is given twice (first in line 2)"


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("hot_loading:\n\tenabled: true\n", 2, 1, r"'\t'"),
        ("hot_loading:\n  enabled: [true\n", 3, 1, "expected"),
        ("hot_loading: {\n", 2, 1, "expected"),
        ("hot_loading:\n  enabled: true\n bad", 3, 2, "expected"),
        ("hot_loading:\n  enabled: \x00\n", 2, 12, "U+0000"),
        ("a: 1\n---\nb: 2\n", 2, 1, "single document"),
        ("a: *b\n", 1, 4, "undefined alias"),
    ],
)
def test_text_that_is_no_yaml_is_told_with_its_place(
    text: str, line: int, column: int, message: str
) -> None:
    problem = _problem(text)
    assert problem.code == "CFG001"
    assert (problem.line, problem.column) == (line, column)
    assert message in problem.message


def test_tab_is_told_what_to_use_instead() -> None:
    assert "spaces" in (_problem("hot_loading:\n\tenabled: true\n").hint or "")


@pytest.mark.parametrize("text", ["[1, 2]", "just words", "5"])
def test_file_without_keys_is_an_error(text: str) -> None:
    problem = _problem(text)
    assert "must hold keys" in problem.message
    assert problem.hint == "the keys are: hot_loading"


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!mine", "!!binary", "!!set"])
def test_tag_that_makes_more_than_plain_values_is_refused(tag: str) -> None:
    problem = _problem(f"hot_loading:\n  enabled: {tag} [x]\n")
    assert problem.code == "CFG003"
    assert f"the tag {tag} is not allowed" in problem.message
    assert problem.line == 2


@pytest.mark.parametrize("value", ["!!int x", "!!bool x", "!!float x"])
def test_value_that_does_not_fit_its_tag_is_told_once(value: str) -> None:
    assert "is not a valid" in _problem(_section("enabled", value)).message


def test_mapping_can_take_over_another_and_change_a_part() -> None:
    settings = _valid(
        """
        hot_loading:
          reload: &slow {timeout: 90, drain_timeout: 90}
          <<: {enabled: false}
        """
    )
    assert settings.enabled is False
    assert settings.reload.timeout == 90


def test_own_key_wins_over_one_that_is_taken_over() -> None:
    settings = _valid("hot_loading:\n  enabled: true\n  <<: {enabled: false}\n")
    assert settings.enabled is True


@pytest.mark.parametrize(
    "text",
    [
        "hot_loading: &a\n  watch: *a\n",
        "a: &a [*a]",
        "[" * 3000,
        "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
        "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
        "e: [*d,*d,*d,*d,*d,*d,*d]\n",
    ],
)
def test_endless_document_is_refused(text: str) -> None:
    assert any("too deeply or too large" in p.message for p in _problems(text))


def test_all_problems_are_told_in_the_order_of_the_file() -> None:
    problems = _problems(
        """\
        hot_loding: {}
        hot_loading:
          enabled: "no"
          watch: {debounce_ms: 0, debounce_ms: 5}
          safety:
            max_reload_attempts: many
            cool: 1
        """
    )
    assert [(p.line, p.code) for p in problems] == [
        (1, "CFG002"), (3, "CFG003"), (4, "CFG005"), (6, "CFG003"), (7, "CFG002"),
    ]  # fmt: skip


@given(st.text(alphabet="hot_loading:watch \n\t-[]{}&*!<>|'\"%@#,?0\x00\ufeff", max_size=60))
def test_no_text_makes_the_parser_raise(text: str) -> None:
    settings, diagnostics = parse_settings(text, SETTINGS_FILE)
    assert (settings is None) == bool(diagnostics)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"reload": {"validation": False}}, False),
        ({"safety": {"validate_before_reload": False}}, False),
    ],
)
def test_pipeline_runs_only_when_both_switches_are_on(
    changes: dict[str, Any], expected: bool
) -> None:
    assert Settings.model_validate(changes).validates is expected


def test_everything_off_means_no_watching_and_no_automatic_reload() -> None:
    off = Settings(enabled=False)
    assert not off.watches
    assert not off.watch_in_force.enabled
    assert not off.reloads_automatically
    assert Settings().watches
    assert Settings().watch_in_force == Settings().watch
    assert Settings().reloads_automatically


def test_development_section_is_off_outside_development_mode() -> None:
    in_force = Settings(development_mode=False).development_in_force
    assert not any(in_force.model_dump().values())
    assert Settings().development_in_force == Settings().development
