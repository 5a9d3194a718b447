"""manifest.json: what is read from it, and what editors are told of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from validation_worlds import codes, findings, sample

from devserver.core.manifest import ConfigOption, Manifest, misfit_of, published_schema
from devserver.validation.manifest_file import read_manifest
from devserver.validation.manifest_places import value_span


def test_a_manifest_keeps_what_is_right_in_it() -> None:
    text = b'{"version": "1.0", "name": 5, "tags": "a", "dependencies": {"one": ""}}'
    reading = read_manifest(text, file="m.json", plugin="x")
    assert [d.code for d in reading.diagnostics] == ["CFG003", "CFG003"]
    assert (reading.manifest.version, reading.manifest.name) == ("1.0", None)
    assert reading.manifest.dependencies == {"one": ""}


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('{"autor": ""}', "did you mean author?"),
        ('{"events": {"publish": []}}', "did you mean publishes?"),
        ('{"nexus_versoin": ""}', "did you mean nexus_version?"),
        ('{"dependencies": [{}]}', 'write ["users>=1.2"] or {"users": ">=1.2"}'),
    ],
)
def test_a_wrong_field_comes_with_the_next_step(text: str, hint: str) -> None:
    (found,) = findings({"x": {"plugin.py": sample("x"), "manifest.json": text}})
    assert found.hint == hint


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"name": "x"} 1', "\x00", "NaN", '"'])
def test_no_text_makes_reading_fail(text: str) -> None:
    found = findings({"x": {"plugin.py": sample("x"), "manifest.json": text}})
    assert len(found) == 1
    assert codes(found)[0] in ("CFG001", "CFG003")


def test_a_place_in_a_manifest_is_found_behind_tabs() -> None:
    span = value_span(b'\t{\n\t\t"a":\t"b"}', "a")
    assert span is not None
    assert (span.line, span.column) == (2, 8)
    assert value_span(b"{}", "a") is None


@pytest.mark.parametrize(
    ("option", "value", "fits"),
    [
        ({"type": "integer"}, 3, True),
        ({"type": "integer"}, True, False),
        ({"type": "integer"}, "3", False),
        ({"type": "boolean"}, False, True),
        ({"type": "number", "min": 1}, 0.5, False),
        ({"type": "number", "max": 1}, 1, True),
        ({"type": "number", "max": 1}, float("nan"), False),
        ({"type": "string", "max": 3}, "abcd", False),
        ({"type": "array", "min": 1}, [], False),
        ({"type": "string", "choices": ["a"]}, "b", False),
    ],
)
def test_a_value_is_judged_by_its_option(option: dict[str, Any], value: Any, fits: bool) -> None:
    assert (misfit_of(ConfigOption(**option), value) is None) is fits


def test_the_published_schema_knows_every_way_to_write_a_field() -> None:
    schema = published_schema()
    fields = schema["properties"]
    assert {*Manifest.model_fields, "nexus_version"} == set(fields)
    kinds = [kind["type"] for kind in fields["dependencies"]["anyOf"]]
    assert kinds == ["array", "object"]
    assert json.loads(json.dumps(schema)) == schema
