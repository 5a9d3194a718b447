"""A YAML text judged by a pydantic model: the values, or everything that is wrong and where.

The fields' descriptions say what is expected of a value ("true or false").
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.yaml_text import KeyPath, Place, YamlDocument, read_yaml

SYNTAX = "CFG001"
UNKNOWN_KEY = "CFG002"
WRONG_TYPE = "CFG003"
OUT_OF_RANGE = "CFG004"
DUPLICATE_KEY = "CFG005"
BAD_PATTERN = "CFG006"
UNREADABLE = "CFG007"

_CODES = {"syntax": SYNTAX, "duplicate": DUPLICATE_KEY, "value": WRONG_TYPE}
_RANGE_ERRORS = {
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
    "finite_number",
    "out_of_range",
}
_LIKELY = 0.6

Model = TypeVar("Model", bound=BaseModel)


def check_document(
    text: str, model: type[Model], file: str
) -> tuple[Model | None, tuple[Diagnostic, ...]]:
    """The model's instance for a YAML text, or None, and all problems in order of their place.

    An empty text, and a section with nothing in it, have the defaults.
    """
    document = read_yaml(text)
    report = _Report(text, document, model, file)
    for problem in document.problems:
        report.add(_CODES[problem.kind], problem.message, problem.place, problem.hint)
    checked: Model | None = None
    if document.readable:
        try:
            checked = model.model_validate(without_empty_sections(document.value, model))
        except ValidationError as error:
            for details in error.errors(include_url=False):
                report.add_validation_error(details)
    found = report.sorted()
    return (None if found else checked), found


class _Report:
    """Collects diagnostics of one text."""

    def __init__(
        self, text: str, document: YamlDocument, model: type[BaseModel], file: str
    ) -> None:
        self._lines = text.splitlines()
        self._document = document
        self._model = model
        self._file = file
        self._found: list[Diagnostic] = []

    def add(self, code: str, message: str, place: Place, hint: str | None) -> None:
        shown = self._lines[place.line - 1 : place.end_line]
        self._found.append(
            Diagnostic(
                code=code,
                severity=Severity.ERROR,
                message=message,
                file=self._file,
                line=place.line,
                column=place.column,
                end_line=place.end_line,
                end_column=place.end_column,
                hint=hint,
                source_lines=tuple(shown),
            )
        )

    def add_validation_error(self, details: ErrorDetails) -> None:
        path: KeyPath = tuple(details["loc"])
        if details["type"] == "extra_forbidden":
            place = self._place(path, self._document.keys)
            hint = hint_for_unknown(path, self._model)
            self.add(UNKNOWN_KEY, f"unknown key {_dotted(path)}", place, hint)
            return
        if self._has_problem_at(path):
            return
        field = _find_field(path, self._model)
        code, message = _describe_value(details, path, field)
        hint = _hint_for_value(path, field, self._model)
        self.add(code, message, self._place(path, self._document.values), hint)

    def sorted(self) -> tuple[Diagnostic, ...]:
        return tuple(sorted(self._found, key=lambda d: (d.line or 0, d.column or 0)))

    def _has_problem_at(self, path: KeyPath) -> bool:
        """True when the text itself was already told to be wrong there."""
        place = self._document.values.get(path)
        return any(problem.place == place for problem in self._document.problems)

    def _place(self, path: KeyPath, places: Mapping[KeyPath, Place]) -> Place:
        """That of the path, or of the nearest thing around it (what `<<` brought has none)."""
        if path in places:
            return places[path]
        while path not in self._document.values:
            path = path[:-1]
        return self._document.values[path]


def without_empty_sections(value: Any, model: type[BaseModel]) -> Any:
    """The value without the sections that have no content, at any depth."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        return value
    kept: dict[str, Any] = {}
    for key, content in value.items():
        section = _section_of(model.model_fields.get(key))
        if section is None:
            kept[key] = content
        elif content is not None:
            kept[key] = without_empty_sections(content, section)
    return kept


def _section_of(field: FieldInfo | None) -> type[BaseModel] | None:
    kind = field.annotation if field is not None else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _find_field(path: KeyPath, model: type[BaseModel]) -> FieldInfo | None:
    """The field that a path leads to; an item of a list belongs to the list's field."""
    field: FieldInfo | None = None
    section: type[BaseModel] | None = model
    for part in path:
        if section is None or isinstance(part, int):
            break
        field = section.model_fields.get(part)
        section = _section_of(field)
    return field


def _describe_value(
    details: ErrorDetails, path: KeyPath, field: FieldInfo | None
) -> tuple[str, str]:
    shown, kind = _show(details["input"]), details["type"]
    where = _dotted(path)
    if kind == "pattern":
        return BAD_PATTERN, f"{where} is no valid glob: {shown}: {details['ctx']['problem']}"
    if not path:
        return WRONG_TYPE, f"the file must hold keys with values, not {shown}"
    if _section_of(field) is not None or field is None:
        return WRONG_TYPE, f"{where} must be a section with keys of its own, not {shown}"
    expected = field.description or "something else"
    if isinstance(path[-1], int):
        expected = "a piece of text"
    code = OUT_OF_RANGE if kind in _RANGE_ERRORS else WRONG_TYPE
    return code, f"{where} must be {expected}, not {shown}"


def _hint_for_value(path: KeyPath, field: FieldInfo | None, model: type[BaseModel]) -> str:
    if not path:
        return f"the keys are: {', '.join(model.model_fields)}"
    if field is None or _section_of(field) is not None:
        return "put its keys below it, indented"
    if isinstance(path[-1], int):
        return f"write {field.description}; put quotes around an entry that starts with * or !"
    default = field.get_default()
    return f"the default is {_show(list(default) if isinstance(default, tuple) else default)}"


def _show(value: Any) -> str:
    """The value as one would write it, cut to a readable length."""
    if value is None:
        return "an empty value"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _dotted(path: Sequence[str | int]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def hint_for_unknown(path: KeyPath, model: type[BaseModel]) -> str:
    """Names the nearest key that exists, and the others of the section when none is near."""
    wanted, parent = str(path[-1]), path[:-1]
    keys = list(_keys(model))

    def nearness(key: tuple[str, ...]) -> tuple[float, float]:
        ratio = SequenceMatcher(None, wanted.lower(), key[-1].lower()).ratio()
        in_place = SequenceMatcher(None, parent, key[:-1]).ratio()
        return ratio + 0.15 * in_place, ratio

    best = max(keys, key=nearness)
    if nearness(best)[1] >= _LIKELY:
        return f"did you mean {_dotted(best)}?"
    here = [key for key in keys if key[:-1] == parent]
    best = max(here, key=nearness)
    names = ", ".join(key[-1] for key in here)
    return f"the nearest valid key is {_dotted(best)}; valid here: {names}"


def _keys(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        yield (*path, name)
        section = _section_of(field)
        if section is not None:
            yield from _keys(section, (*path, name))
