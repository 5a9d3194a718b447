"""A plugin's configuration beside what its manifest declares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.manifest import Manifest
from devserver.core.names import normalise
from devserver.core.secrets import MASK, is_secret, refusal_of
from devserver.core.yaml_text import Place
from devserver.validation import host_use
from devserver.validation.candidate import MANIFEST, Candidate, World, project_path
from devserver.validation.findings import did_you_mean, finding, nearest, warning
from devserver.validation.manifest_places import value_span
from devserver.validation.override_check import override_finding
from devserver.validation.project_config import ConfigText, Layer
from devserver.validation.secrets import is_named_like_a_secret, masked

_WHERE = "write its path from the project's folder, without `..`"


def configuration_findings(candidate: Candidate, world: World) -> Iterator[Diagnostic]:
    """Values against their declaration, keys that nobody declares, secrets in the open, and keys
    that this edit takes away while they are set."""
    if any(d.file == candidate.manifest_file for d in candidate.early if d.is_error):
        return
    layers = list(world.configs.layers(candidate.source))
    declared = candidate.manifest.configuration
    before = world.running.get(candidate.key)
    removed = set(() if before is None else before.manifest.configuration) - set(declared)
    for layer in layers:
        for key in layer.values:
            if key in removed:
                yield _removed(candidate, layer, key)
            elif key not in declared:
                yield from _unknown(candidate, layer, key)
            yield from _value(candidate, layer, key)
    yield from _doubled(candidate, layers)
    yield from _overridden(candidate, world)
    yield from _required(candidate, layers, world)
    yield from _asked(candidate, layers, world)
    yield from _misspelt_plugin(candidate, world)
    yield from _elsewhere(candidate)


def _removed(candidate: Candidate, layer: Layer, key: str) -> Diagnostic:
    return _told(
        candidate,
        layer.text,
        layer.place(key),
        "CMP012",
        f"the configuration key {key!r} is declared no more, but it is set here",
        did_you_mean(key, candidate.manifest.configuration) or "remove it here, or keep the key",
    )


def _unknown(candidate: Candidate, layer: Layer, key: str) -> Iterator[Diagnostic]:
    declared = candidate.manifest.configuration
    if declared:
        yield _told(
            candidate,
            layer.text,
            layer.place(key),
            "CFG002",
            f"the plugin {candidate.name!r} declares no configuration key {key!r}",
            did_you_mean(key, declared) or f"the keys are: {', '.join(declared)}",
        )


def _value(candidate: Candidate, layer: Layer, key: str) -> Iterator[Diagnostic]:
    value = layer.values[key]
    if value is None:
        return  # as good as left out
    place = layer.place(key, of_value=True)
    option = candidate.manifest.configuration.get(key)
    misfit = None if option is None else refusal_of(key, option, value)
    if misfit is not None:
        yield _told(
            candidate,
            layer.text,
            place,
            "CFG004" if misfit.is_of_type else "CFG003",
            f"the configuration of {key!r}: {misfit.message}",
            f"{key!r} is declared in {candidate.manifest_file}",
            Severity.ERROR if layer.is_active else Severity.WARNING,
        )
    # What is only shown to nobody to be on the safe side (`cookie_name`) may stand in a file.
    is_one = option.secret if option is not None else is_named_like_a_secret(key)
    if is_one and isinstance(value, str) and value:
        yield _told(
            candidate,
            layer.text,
            place,
            "CFG022",
            f"the secret {key!r} has its value written into a file that is committed",
            f"`sysctl plugins config {candidate.name} set {key}` asks for it and keeps it out of "
            "the files",
        )


def _doubled(candidate: Candidate, layers: list[Layer]) -> Iterator[Diagnostic]:
    """Keys that stand twice in the part of a file that is about this plugin."""
    for layer in layers:
        document = layer.text.document
        for problem in document.problems:
            about = [k for k in layer.values if document.keys.get((*layer.path, k))]
            written = {".".join(map(str, (*layer.path, k))) for k in about}
            if problem.kind == "duplicate" and problem.message.split(" ")[0] in written:
                hint = "keep one of them: the last one counts"
                yield _told(candidate, layer.text, problem.place, "CFG005", problem.message, hint)


def _overridden(candidate: Candidate, world: World) -> Iterator[Diagnostic]:
    """Values that were set at run time and no longer fit their declaration."""
    for key, value in world.overrides.get(candidate.key, {}).items():
        option = candidate.manifest.configuration.get(key)
        misfit = None if option is None or value is None else refusal_of(key, option, value)
        if misfit is not None:
            command = f"sysctl plugins config {candidate.name}"
            yield override_finding(
                candidate,
                key,
                "CFG004",
                f"what was set at run time for {key!r} does not fit: {misfit.message}",
                hint=f"`{command} set {key} VALUE`, or `{command} unset {key}`",
            )


def _required(candidate: Candidate, layers: list[Layer], world: World) -> Iterator[Diagnostic]:
    """A value that the running plugin has may not be taken away from it; one that never had it
    says so itself when it cannot do without."""
    overrides = world.overrides.get(candidate.key, {})
    for key, option in candidate.manifest.configuration.items():
        given = (
            option.default is not None
            or overrides.get(key) is not None
            or any(layer.is_active and layer.values.get(key) is not None for layer in layers)
        )
        if option.required and not given:
            had_one = key in world.configured.get(candidate.key, ())
            yield override_finding(
                candidate,
                key,
                "CFG008",
                f"the configuration key {key!r} is required and has no value",
                hint=f"set it below `{candidate.name}:` in config/plugins.yaml, or with "
                f"`sysctl plugins config {candidate.name} set {key} VALUE`",
                severity=Severity.ERROR if had_one else Severity.WARNING,
            )


def _elsewhere(candidate: Candidate) -> Iterator[Diagnostic]:
    """Files that the configuration is said to depend on, and that cannot be the project's."""
    field = "config_dependencies"
    for index, path in enumerate(candidate.manifest.config_dependencies):
        if project_path(path) is None:
            content = candidate.source.files[MANIFEST].content
            yield warning(
                candidate,
                "CFG010",
                f"{path!r} in {field} is no file of the project",
                file=candidate.manifest_file,
                span=value_span(content, field, index),
                hint=_WHERE,
            )
    for analysis in candidate.modules.values():
        for cls in analysis.classes:
            stated = cls.attribute(field)
            if stated is None:
                continue
            paths = stated.value if isinstance(stated.value, list) else [None]
            if any(not isinstance(p, str) or project_path(p) is None for p in paths):
                message = f"{field} of {cls.name} is no list of files of the project, written out"
                yield warning(
                    candidate,
                    "CFG010",
                    message,
                    file=analysis.file,
                    span=stated.span,
                    hint=f'such as ["schemas/{candidate.name}.json"]: {_WHERE}',
                )


def _asked(candidate: Candidate, layers: list[Layer], world: World) -> Iterator[Diagnostic]:
    """Keys that the code asks for and nobody gives."""
    declared = candidate.manifest.configuration
    if not declared:
        return
    given = {key for layer in layers for key in layer.values} | set(declared)
    given |= candidate.use.names(host_use.SET) | set(world.overrides.get(candidate.key, ()))
    for key in sorted(candidate.use.names(host_use.CONFIGURED) - given):
        file, span = candidate.use.place(host_use.CONFIGURED, key)
        hint = did_you_mean(key, given) or f"declare it under configuration in {MANIFEST}"
        message = f"the configuration key {key!r} is declared nowhere"
        yield warning(candidate, "CFG009", message, file=file, span=span, hint=hint)


def _misspelt_plugin(candidate: Candidate, world: World) -> Iterator[Diagnostic]:
    """A name in config/plugins.yaml that no plugin has, and that is nearest to this one's."""
    for text, name, place in world.configs.strangers(candidate.source):
        if normalise(name) in world.plugins:
            continue
        if nearest(normalise(name), world.plugins, 0.75) == candidate.key:
            message = f"there is no plugin {name!r}"
            hint = f"did you mean {candidate.name!r}?"
            yield _told(candidate, text, place, "CFG002", message, hint)


def _told(
    candidate: Candidate,
    text: ConfigText,
    place: Place | None,
    code: str,
    message: str,
    hint: str,
    severity: Severity = Severity.WARNING,
) -> Diagnostic:
    told = finding(candidate, code, severity, message, file=text.file, hint=hint)
    return told if place is None else _framed(told, place, text, candidate.manifest)


def _framed(told: Diagnostic, place: Place, text: ConfigText, manifest: Manifest) -> Diagnostic:
    """The finding at its place, with that line up to the first secret in it."""
    columns = [p.column for p in _secret_places(text, manifest) if p.line == place.line]
    line, end = text.lines[place.line - 1], place.end_column
    if columns:
        line = masked(line, min(columns))
    if place.column in columns:
        end = place.column + len(MASK)
    return replace(
        told,
        line=place.line,
        column=place.column,
        end_line=place.line,
        end_column=end,
        source_lines=(line,),
    )


def _secret_places(text: ConfigText, manifest: Manifest) -> Iterator[Place]:
    """Where values stand that are not to be shown: also another plugin's, and those that are
    called so within other values."""
    for path, place in text.document.values.items():
        key = path[-1] if path else 0
        if isinstance(key, str) and is_secret(key, manifest):
            yield place
