"""Reads manifest.json: the values, what is wrong with them and where."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from devserver.core.config_check import DUPLICATE_KEY, OUT_OF_RANGE, SYNTAX, UNKNOWN_KEY, WRONG_TYPE
from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.manifest import (
    ConfigOption,
    Endpoint,
    EventsDeclaration,
    Manifest,
)
from devserver.core.secrets import MASK, is_secret_option, refusal_of
from devserver.core.yaml_text import KeyPath, YamlDocument
from devserver.validation.analysis import Span
from devserver.validation.findings import nearest
from devserver.validation.manifest_places import decoded, places_in
from devserver.validation.secrets import is_named_like_a_secret, masked

SECRET_DEFAULT = "CFG021"
_EXPECTED = {
    "string_type": "a string",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
}
_WRITTEN = {
    "a string": '"text"',
    "true or false": "true",
    "a list": "[...]",
    "an object": "{...}",
    "a number": "1.5",
    "a whole number": "1",
}
_SECTIONS: dict[str, type[BaseModel]] = {
    "configuration": ConfigOption,
    "events": EventsDeclaration,
    "api_endpoints": Endpoint,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestReading:
    """`manifest` holds the fields that are right, also where others are wrong."""

    manifest: Manifest
    diagnostics: tuple[Diagnostic, ...] = ()


def read_manifest(content: bytes, *, file: str, plugin: str) -> ManifestReading:
    """Judges the bytes of a manifest; `file` is relative to the project."""
    reader = _Reader(content, file, plugin)
    value = reader.parse()
    if value is None:
        return ManifestReading(manifest=Manifest(), diagnostics=tuple(reader.found))
    manifest = reader.validate(value)
    reader.judge_options(manifest)
    found = sorted(reader.found, key=lambda d: (d.line or 0, d.column or 0))
    return ManifestReading(manifest=manifest, diagnostics=tuple(found))


class _Reader:
    def __init__(self, content: bytes, file: str, plugin: str) -> None:
        self._text = decoded(content)
        self._file = file
        self._plugin = plugin
        self._known_places: YamlDocument | None = None
        self.found: list[Diagnostic] = []

    def parse(self) -> dict[str, Any] | None:
        """The object that the text holds, None when it is none."""
        twice: list[str] = []

        def as_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            names = [k for k, _ in pairs]
            twice.extend(k for k in set(names) if names.count(k) > 1)
            return dict(pairs)

        try:
            value = json.loads(self._text, object_pairs_hook=as_dict)
        except json.JSONDecodeError as error:
            self._refuse_syntax(error)
            return None
        except ValueError:
            self._refuse_long_number()
            return None
        except RecursionError:
            hint = "no field of a manifest is nested more than a few levels"
            self._add(SYNTAX, "the manifest is nested too deeply", Span(1, 1, 1, 2), hint)
            return None
        if not isinstance(value, dict):
            message = f"the manifest must be an object, not {_show(value)}"
            self._add(WRONG_TYPE, message, Span(1, 1, 1, 2), 'write {"name": ..., "version": ...}')
            return None
        for key in twice:
            self._warn_of_double(key)
        return value

    def _refuse_syntax(self, error: json.JSONDecodeError) -> None:
        hint = "JSON wants double quotes, no comments and no comma behind the last entry"
        span = Span(error.lineno, error.colno, error.lineno, error.colno + 1)
        message = (
            error.msg.removesuffix("s").removesuffix(" at").lower()
            if error.msg
            else "no valid JSON"
        )
        self._add(SYNTAX, f"manifest.json is no JSON: {message}", span, hint)

    def _refuse_long_number(self) -> None:
        """Python converts no whole number of more digits than that."""
        limit = sys.get_int_max_str_digits()
        found = re.search(rf"\d{{{limit + 1},}}", self._text)
        span = Span(1, 1, 1, 2)
        if found is not None:
            line = self._text.count("\n", 0, found.start()) + 1
            column = found.start() - self._text.rfind("\n", 0, found.start())
            span = Span(line, column, line, column + found.end() - found.start())
        message = f"manifest.json has a number of more than {limit} digits"
        self._add(SYNTAX, message, span, "quote it if it is meant as text")

    def _warn_of_double(self, key: str) -> None:
        place = next((p for path, p in self._places.keys.items() if path[-1] == key), None)
        span = None
        if place is not None:
            span = Span(place.line, place.column, place.end_line, place.end_column)
        message = f"the key {key!r} is given twice; the last one counts"
        self._add(DUPLICATE_KEY, message, span, "remove one of them", Severity.WARNING)

    def validate(self, value: dict[str, Any]) -> Manifest:
        """The manifest of what is right in `value`."""
        try:
            return Manifest.model_validate(value)
        except ValidationError as error:
            details = error.errors(include_url=False)
        wrong = set()
        for detail in details:
            wrong.add(str(detail["loc"][0]) if detail["loc"] else "")
            self._add_detail(detail)
        try:
            return Manifest.model_validate({k: v for k, v in value.items() if k not in wrong})
        except ValidationError:
            return Manifest()

    def _add_detail(self, detail: ErrorDetails) -> None:
        path: KeyPath = tuple(detail["loc"])
        where = _dotted(path)
        if detail["type"] == "extra_forbidden":
            span = self._span(path, keys=True)
            self._add(UNKNOWN_KEY, f"unknown field {where}", span, _hint_for_unknown(path))
            return
        expected = _EXPECTED.get(detail["type"])
        if expected is not None:
            message = f"{where} must be {expected}, not {_show(detail['input'])}"
        elif detail["type"] == "literal_error":
            message = f"{where} must be one of {detail['ctx']['expected']}"
        elif detail["type"] == "missing":
            message = f"{where} is missing"
        else:
            message = f"{where}: {detail['msg'].removeprefix('Value error, ')}"
        self._add(WRONG_TYPE, message, self._span(path), _example(path, expected))

    def judge_options(self, manifest: Manifest) -> None:
        """The defaults of the declared configuration."""
        for name, option in manifest.configuration.items():
            path = ("configuration", name, "default")
            misfit = None if option.default is None else refusal_of(name, option, option.default)
            if misfit is not None:
                told = f"does not fit its own declaration: {misfit.message}"
                message = f"the default of {name!r} {told}"
                self._add(OUT_OF_RANGE, message, self._span(path), severity=Severity.WARNING)
                if is_secret_option(name, option):
                    self._hide(path)
            named = is_named_like_a_secret(name) and isinstance(option.default, str)
            if option.default and (option.secret or named):
                hint = 'leave the default out, and mark the key with "secret": true'
                message = f"the secret {name!r} has its value written into the manifest"
                self._add(SECRET_DEFAULT, message, self._span(path), hint, Severity.WARNING)
                self._hide(path)

    def _hide(self, path: KeyPath) -> None:
        """Has the frame of the last finding not show the value that it is about."""
        place, told = self._places.values.get(path), self.found[-1]
        if place is not None:
            line = masked(self._text.split("\n")[place.line - 1], place.column)
            end = place.column + len(MASK)
            self.found[-1] = replace(
                told, source_lines=(line,), end_line=place.line, end_column=end
            )

    @property
    def _places(self) -> YamlDocument:
        if self._known_places is None:
            self._known_places = places_in(self._text)
        return self._known_places

    def _span(self, path: KeyPath, *, keys: bool = False) -> Span | None:
        """The place of a key or value, or of the nearest thing around it."""
        places = self._places
        place = places.keys.get(path) if keys else None
        while place is None:
            place = places.values.get(path)
            if not path:
                break
            path = path[:-1]
        if place is None:
            return None
        return Span(place.line, place.column, place.end_line, place.end_column)

    def _add(
        self,
        code: str,
        message: str,
        span: Span | None,
        hint: str | None = None,
        severity: Severity = Severity.ERROR,
    ) -> None:
        self.found.append(
            Diagnostic(
                code=code,
                severity=severity,
                message=message,
                plugin=self._plugin,
                file=self._file,
                line=None if span is None else span.line,
                column=None if span is None else span.column,
                end_line=None if span is None else span.end_line,
                end_column=None if span is None else span.end_column,
                hint=hint,
            )
        )


def _hint_for_unknown(path: Sequence[str | int]) -> str:
    model: type[BaseModel] = Manifest
    if len(path) > 1:
        model = _SECTIONS.get(str(path[0]), Manifest)
    known = [*model.model_fields, *(["nexus_version"] if model is Manifest else [])]
    near = nearest(str(path[-1]), known, cutoff=0.6)
    return f"did you mean {near}?" if near else f"the fields are: {', '.join(known)}"


def _example(path: Sequence[str | int], expected: str | None) -> str | None:
    if path and path[0] == "dependencies":
        return 'write ["users>=1.2"] or {"users": ">=1.2"}'
    if expected is None or not path:
        return None
    names = [part for part in path if isinstance(part, str)]
    if isinstance(path[-1], int):
        return f"write {_WRITTEN[expected]} as entry {path[-1] + 1} of {names[-1]!r}"
    return f'write "{names[-1]}": {_WRITTEN[expected]}'


def _dotted(path: Sequence[str | int]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
