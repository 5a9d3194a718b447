"""Where something stands in a manifest."""

from __future__ import annotations

from devserver.core.manifest import split_requirement
from devserver.core.names import normalise
from devserver.core.yaml_text import YamlDocument, read_yaml
from devserver.validation.analysis import Span


def decoded(content: bytes) -> str:
    """The text; what is no UTF-8 becomes a replacement character, which no key has."""
    text = content.decode("utf-8-sig", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def places_in(text: str) -> YamlDocument:
    """Where everything is. JSON is YAML, but for tabs, which JSON has only between tokens."""
    return read_yaml(text.replace("\t", " "))


def value_span(content: bytes, *path: str | int) -> Span | None:
    """The place of a value in a manifest, None when it is not there."""
    places = places_in(decoded(content))
    place = places.values.get(path)
    if place is None:
        return None
    return Span(place.line, place.column, place.end_line, place.end_column)


def entry_span(content: bytes, field: str, name: str) -> Span | None:
    """The place of the entry of a list or mapping of plugins that names `name` (normalised)."""
    places = places_in(decoded(content))
    section = places.value.get(field) if isinstance(places.value, dict) else None
    entries = enumerate(section) if isinstance(section, list) else ((k, k) for k in section or ())
    for key, entry in entries:
        if isinstance(entry, str) and normalise(split_requirement(entry)[0]) == name:
            place = (places.values if isinstance(section, list) else places.keys)[field, key]
            return Span(place.line, place.column, place.end_line, place.end_column)
    return None
