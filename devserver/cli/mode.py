"""`sysctl dev mode`: development mode, which is a setting of the project."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from devserver.cli.commands import Command, Invocation, examples, pass_invocation
from devserver.cli.failures import ExitCode
from devserver.cli.output import print_document

if TYPE_CHECKING:
    from devserver.cli.client import ServerClient
    from devserver.cli.tables import Cell
    from devserver.runtime.project import Project

_KEY = "development_mode"
_PATH = "/api/hot-reload/settings"


@click.command(
    cls=Command,
    epilog=examples("dev mode --status", "dev mode --disable", "dev mode --enable --json"),
)
@click.option("--enable", is_flag=True, help="Turn it on, for good.")
@click.option("--disable", is_flag=True, help="Turn it off, for good.")
@click.option("--status", is_flag=True, help="Show what is in effect.  [default]")
@pass_invocation
def mode(invocation: Invocation, *, enable: bool, disable: bool, status: bool) -> int:
    """Turn development mode on or off, or show what is in effect and where it comes from.

    Its line in config/hot-loading.yaml is changed, or added; the rest of the file stays as it is
    written, and a running server applies it at once. Outside development mode everything in the
    section `development` is off. Works without a server.
    """
    if enable + disable + status > 1:
        raise click.UsageError("--enable, --disable and --status exclude each other")
    from devserver.cli.client import ServerClient

    project = invocation.project()
    client = ServerClient.find(project)
    if not (enable or disable):
        answer = None if client is None else client.read(_PATH)
        return _tell(_Facts.of(project, client, answer), invocation)
    changed = _write(project, enable)
    answer = None if client is None else client.call("POST", _PATH, body={}).document
    return _tell(_Facts.of(project, client, answer), invocation, changed=changed)


def _write(project: Project, on: bool) -> bool:
    """Has the file say so; False where it does already, or it is the default."""
    from devserver.core.errors import SettingsError
    from devserver.runtime.settings_change import write_development_mode
    from devserver.runtime.settings_file import read_settings

    settings, found = read_settings(project.root)
    if settings is None:
        raise SettingsError(found)
    if settings.development_mode == on:
        return False
    write_development_mode(project.root, on)
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What is in effect. `lines` has the lines of the keys that the file has, by key; `refused`
    is True for a file of which nothing is in effect."""

    settings: Mapping[str, Any]
    for_this_run: bool
    refused: bool
    lines: Mapping[str, int]
    server: str | None

    @classmethod
    def of(
        cls, project: Project, client: ServerClient | None, answer: Mapping[str, Any] | None
    ) -> _Facts:
        """As the server answers, else as the file says. Raises SettingsError for a file that is
        not valid, where no server runs."""
        from devserver.core.errors import SettingsError
        from devserver.core.settings import Settings
        from devserver.runtime.settings_file import read_settings

        found, diagnostics = read_settings(project.root)
        if answer is None and found is None:
            raise SettingsError(diagnostics)
        own: Mapping[str, Any] = {
            "ok": True,
            "for_this_run": False,
            "settings": (found or Settings()).model_dump(),
        }
        known = answer or own
        return cls(
            settings=known["settings"],
            for_this_run=known["for_this_run"],
            refused=not known["ok"],
            lines=_lines(project) if known["ok"] else {},
            server=None if client is None else client.url,
        )

    @property
    def is_on(self) -> bool:
        return bool(self.settings[_KEY])

    @property
    def source(self) -> str:
        """Where development mode comes from."""
        if self.for_this_run:
            return "said for this run, until the server stops or `dev mode` is used"
        return self.place(_KEY)

    def place(self, key: str) -> str:
        """Where a key is set."""
        from devserver.core.settings import SETTINGS_FILE

        if self.refused:
            return f"from before {SETTINGS_FILE} was refused"
        return f"{SETTINGS_FILE}:{self.lines[key]}" if key in self.lines else "default"

    def features(self) -> list[tuple[str, bool, str]]:
        """What development mode turns on: name, whether it is in effect, and why."""
        section = self.settings["development"]
        if not self.is_on:
            return [(name, False, f"{_KEY} is off") for name in section]
        return [(n, bool(v), self.place(f"development.{n}")) for n, v in section.items()]


def _lines(project: Project) -> dict[str, int]:
    from devserver.core.settings import SECTION
    from devserver.core.yaml_text import read_yaml

    try:
        text = project.config_file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    keys = read_yaml(text).keys
    return {".".join(map(str, p[1:])): at.line for p, at in keys.items() if p[0] == SECTION}


def _tell(facts: _Facts, invocation: Invocation, *, changed: bool | None = None) -> ExitCode:
    if invocation.as_json:
        print_document(_document(facts, changed=changed))
        return ExitCode.OK
    from devserver.cli.tables import draw_heading, draw_table

    word: Cell = ("on", "bold green") if facts.is_on else ("off", "bold yellow")
    already = " already" if changed is False else ""
    server = "" if facts.server is None else f" at {facts.server}"
    draw_heading("development mode is ", word, f"{already}{server} ", (f"({facts.source})", "dim"))
    if changed is None:
        draw_table(
            ("setting", "in effect", "from"),
            [(n, "yes" if on else "no", source) for n, on, source in facts.features()],
        )
        if facts.server is None:
            print("no dev server is running: this is what the next start uses", file=sys.stderr)
    return ExitCode.OK


def _document(facts: _Facts, *, changed: bool | None) -> dict[str, Any]:
    document = {
        _KEY: facts.is_on,
        "from": facts.source,
        "server": facts.server,
        "development": {
            name: {"in_effect": on, "from": source} for name, on, source in facts.features()
        },
    }
    return document if changed is None else {"changed": changed, **document}


def develop_for_this_run(invocation: Invocation, name: str | None) -> None:
    """Turns development mode on until the server stops, where it is off; not for the sake of a
    plugin `name` that the server does not know. Raises ServerNotRunning, PluginNotFound."""
    from devserver.cli.client import ServerClient

    client = ServerClient.get(invocation.project())
    if name is not None:
        client.of_plugin(name, "status")
    if not client.read(_PATH)["settings"][_KEY]:
        client.call("POST", _PATH, body={_KEY: True})
        print("development mode is on until the server stops", file=sys.stderr)
