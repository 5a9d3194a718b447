"""Judges what is to override a plugin's configuration at run time."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.secrets import refusal_of
from devserver.core.values import check_keys
from devserver.validation.candidate import MANIFEST, Candidate
from devserver.validation.findings import did_you_mean, finding, nearest
from devserver.validation.manifest_places import value_span


def override_findings(
    candidate: Candidate,
    changes: Mapping[str, Any],
    *,
    now: Mapping[str, Any],
    known: Collection[str],
) -> Iterator[Diagnostic]:
    """What is wrong with `changes` (None takes an override out). `now` is the configuration that
    comes of them, `known` are keys that have had a value without being declared."""
    declared = candidate.manifest.configuration
    for key, value in changes.items():
        option = declared.get(key)
        if (problem := _no_json(key, value)) is not None:
            yield override_finding(candidate, key, "CFG003", problem)
        elif value is None:
            if option is not None and option.required and now.get(key) is None:
                message = f"the configuration key {key!r} is required and would have no value"
                yield override_finding(candidate, key, "CFG008", message, hint="set another value")
        elif option is not None:
            misfit = refusal_of(key, option, value)
            if misfit is not None:
                code = "CFG004" if misfit.is_of_type else "CFG003"
                message = f"the configuration of {key!r}: {misfit.message}"
                yield override_finding(candidate, key, code, message)
        elif declared and key not in known:
            yield _undeclared(candidate, key)


def _no_json(key: str, value: Any) -> str | None:
    try:
        check_keys([key])
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        return f"the configuration of {key!r:.80} cannot be kept: {error}"
    return None


def _undeclared(candidate: Candidate, key: str) -> Diagnostic:
    """One that is nearly a declared one is surely meant as that."""
    declared = candidate.manifest.configuration
    is_meant = nearest(key, declared, 0.75) is not None
    return override_finding(
        candidate,
        key,
        "CFG002",
        f"the plugin {candidate.name!r} declares no configuration key {key!r}",
        hint=did_you_mean(key, declared) or f"the keys are: {', '.join(declared)}",
        severity=Severity.ERROR if is_meant else Severity.WARNING,
    )


def override_finding(
    candidate: Candidate,
    key: str,
    code: str,
    message: str,
    *,
    hint: str | None = None,
    severity: Severity = Severity.ERROR,
) -> Diagnostic:
    """A finding on an override, at the declaration of its key where there is one."""
    source = candidate.source.files.get(MANIFEST)
    span = None if source is None else value_span(source.content, "configuration", key)
    file = candidate.manifest_file
    place = "" if span is None else f"{key!r} is declared in {file}"
    return finding(
        candidate, code, severity, message, file=file, span=span, hint=hint or place or None
    )
