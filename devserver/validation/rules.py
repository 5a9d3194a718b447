"""Every code as a rule: how bad it is, what it stands for, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from devserver.core.diagnostics import Severity
from devserver.validation.codes import CODES
from devserver.validation.ignores import can_be_changed

FIXABLE = frozenset({"IMP020", "IMP021", "STR004", "STR011", "DEP004", "STR901"})
"""Codes for which `--fix` has an edit."""

_KINDS = {
    "SYN": "syntax",
    "IMP": "imports",
    "STR": "structure",
    "DEP": "dependencies",
    "CMP": "compatibility",
    "CFG": "configuration",
    "MIG": "migrations",
    "PKG": "packages",
}
_WARNINGS = frozenset(
    {
        *("SYN009",),
        *(
            "IMP008",
            "IMP010",
        ),
        *(
            "STR011",
            "STR014",
            "STR016",
            "STR018",
            "STR019",
            "STR021",
            "STR022",
            "STR023",
            "STR024",
            "STR025",
            "STR027",
            "STR900",
            "STR901",
        ),
        *(
            "DEP004",
            "DEP006",
        ),
        *(
            "CMP004",
            "CMP007",
            "CMP008",
            "CMP009",
            "CMP010",
            "CMP011",
            "CMP012",
            "CMP013",
            "CMP014",
        ),
        *(
            "CFG009",
            "CFG010",
            "CFG021",
            "CFG022",
        ),
        *("MIG014", "MIG015"),
    }
)
_INFOS = frozenset({"IMP020", "IMP021"})

FIXES: Mapping[str, str] = MappingProxyType(
    {
        "SYN001": "make the file readable for the user who runs the server",
        "SYN002": "`def x(:` → `def x():`",
        "SYN003": "indent every line of a block alike",
        "SYN004": "write four spaces where there are tabs",
        "SYN005": 'delete the byte `\\x00`, or write `"\\0"`',
        "SYN006": "save the file as UTF-8, or say `# -*- coding: latin-1 -*-` in its first line",
        "SYN007": "split the expression into several statements",
        "SYN008": "move the `return` into a function",
        "SYN009": "`x is 5` → `x == 5`",
        "SYN010": "write the rest: a bracket or a string is still open",
        "IMP001": "name it in requirements.txt and `pip install -r requirements.txt`",
        "IMP002": "`from json import dump`, as the hint spells it",
        "IMP003": "add the plugin, or put the import into `try: ... except ImportError:`",
        "IMP004": "`from plugins.users.api import get`, as the hint spells it",
        "IMP005": "`from plugins.users.models import User`, as the hint spells it",
        "IMP006": "`from ...users import x` → `from plugins.users import x`",
        "IMP007": "`sysctl plugins enable users`",
        "IMP008": "`import json` → `from plugins.mine import json`, or rename the file",
        "IMP009": "`users.fetch` → the name that the module has",
        "IMP010": '`__all__ = ["gone"]` → `__all__ = []`',
        "IMP020": "delete the import; keep it with `import x as x` where it is for others",
        "IMP021": "delete the second import",
        "STR001": "`class Users(BasePlugin): ...`, or `def get_plugin(): return Users()`",
        "STR002": "`def get_plugin(): return Users()`",
        "STR003": '`name = "users"` in the class',
        "STR004": '`version = "1.0.0"` in the class, or in manifest.json',
        "STR005": '`version = "1.2.0"`',
        "STR006": '`name = "users"` in plugins/users/',
        "STR007": "rename the folder: letters, digits, `_` and `-`, none of `api`, `admin`, ...",
        "STR008": "`def on_load(self, ctx):`",
        "STR009": "`async def get_api_routes(self):` → `def get_api_routes(self):`",
        "STR010": "`def initialize(self): ...` instead of `initialize = True`",
        "STR011": "`def initialise(self):` → `def initialize(self):`",
        "STR012": "give one of the two routes another path or method",
        "STR013": "declare the route in one of the two",
        "STR014": "`items = []` in the class → `self.items = []` in `__init__`",
        "STR015": "`def get_plugin(debug):` → `def get_plugin(debug=False):`",
        "STR016": "leave the version out of the class or of manifest.json",
        "STR017": "`yield x` → `return [x]`",
        "STR018": "delete or rename one of the two",
        "STR019": "delete plugins/users.py beside plugins/users/",
        "STR020": '`@router.get("/items/<int:number>")`',
        "STR021": "`self.publish_event(...)` → `await self.publish_event(...)`",
        "STR022": "`await self.register_service(...)` → `self.register_service(...)`",
        "STR023": "use it, or take it out of manifest.json",
        "STR024": "add it to manifest.json",
        "STR025": "spell it as the plugin that offers it, or add that plugin",
        "STR026": "`def show(user_id):` for the path `/<user_id>`",
        "STR027": '`register_service("orders.api", self)`: begin the name with the plugin\'s own',
        "STR900": "correct the check; a check gives Diagnostics and ends within 5 s",
        "STR901": "delete the comment, or the code from its list",
        "DEP001": "add the plugin, or take it out of `dependencies`",
        "DEP002": '`"users>=1.2"` → a specifier that the plugin\'s version fits',
        "DEP003": "`sysctl plugins enable users`",
        "DEP004": '`"dependencies": ["users"]` in manifest.json',
        "DEP005": "move what both need into a third plugin, or import inside of the function",
        "DEP006": "look at why the dependency failed: `sysctl plugins info users`",
        "DEP007": "`pip install -r plugins/users/requirements.txt`",
        "DEP008": '`"users>=1.2,<2"`',
        "DEP009": "disable one of the two",
        "CMP001": "run with a Python that `python_version` names, or widen it",
        "CMP002": "update the host, or widen `host_version`",
        "CMP003": "keep the old name as an alias until nobody uses it: `old = new`",
        "CMP004": "give the new parameter a default, or change the call",
        "CMP005": '`"python_version": ">=3.11"`',
        "CMP006": "widen the specifier of the plugin that depends on it",
        "CMP007": "change the calls too: `await users.fetch()`",
        "CMP008": "keep the old path as a second route",
        "CMP009": "change the subscription too",
        "CMP010": "change `get_service(...)` too",
        "CMP011": "`def migrate_state(self, state, from_version):` carries the value over",
        "CMP012": "take the key out of config/plugins.yaml",
        "CMP013": "use what the message names instead",
        "CMP014": '`"python_version": ">=3.12"`',
        "CFG001": "correct the YAML or JSON at the place that is marked",
        "CFG002": "spell the key as the hint does",
        "CFG003": '`port: "80"` → `port: 80`',
        "CFG004": "a value from the range that the message names",
        "CFG005": "delete one of the two",
        "CFG006": "`plugins/**/*.py`",
        "CFG007": "make the file readable, as UTF-8",
        "CFG008": "`users: {api_url: https://...}` in config/plugins.yaml",
        "CFG009": "declare the key in the manifest's `configuration`",
        "CFG010": "`config_dependencies: [schemas/users.json]`, from the project's folder",
        "CFG021": "leave the default out and set it in the environment's own file",
        "CFG022": "keep the value out of committed files",
        "MIG001": "put the file back and write the change into a new migration",
        "MIG002": "put the file back: `git checkout plugins/users/migrations`",
        "MIG003": "rename the newer one: `0002_more.sql` → `0003_more.sql`",
        "MIG004": "`1-init.sql` → `0001_init.sql`, or `0001_init.sqlite.sql` for one database",
        "MIG005": "save the file as UTF-8",
        "MIG006": "write the statements, or a comment where nothing is to be done",
        "MIG007": "write `0002_more.sqlite.sql` beside `0002_more.sql`",
        "MIG008": "correct the statement at the place that is marked",
        "MIG009": "leave out `BEGIN` and `COMMIT`: everything is one transaction already",
        "MIG010": "`CREATE TABLE packages` → `CREATE TABLE users_packages`",
        "MIG011": "close the quote, the comment or the `$$`",
        "MIG012": "rename the file so that its number is the highest",
        "MIG013": "write `0002_more.sqlite.sql`; a comment is enough where nothing is to be done",
        "MIG014": "look whether a file was forgotten",
        "MIG015": "update the plugin to the version that made them",
        "MIG016": "`CREATE INDEX CONCURRENTLY` → `CREATE INDEX`; run `VACUUM` by hand",
        "MIG017": '`{"collections": {"items": {"indexes": [{"field": "name"}]}}}`',
        "MIG018": "see `sysctl database status`",
        "PKG001": "send the whole file; `unzip -t users.zip` says whether it is sound",
        "PKG002": "`../users/plugin.py` → `users/plugin.py`",
        "PKG003": "`aux.py` → `auxiliary.py`; letters, digits, `_`, `-` and `.` work everywhere",
        "PKG004": "`zip -r users.zip users` without `--symlinks` packs what links lead to",
        "PKG005": "`Models.py` beside `models.py` → one of them",
        "PKG006": "pack the folder again: `zip -r users.zip users`",
        "PKG007": "pack the folder again: `zip -r users.zip users`",
        "PKG008": "pack with deflate and without a password",
        "PKG009": "leave out what is not needed, or raise `packages.max_files` in config/main.yaml",
        "PKG010": "leave files out, or raise `packages.max_bytes` in config/main.yaml",
        "PKG011": "leave the file out, or raise `packages.max_ratio` in config/main.yaml",
        "PKG012": "pack the archive's files themselves",
        "PKG013": "`users/plugin.py` and `users/manifest.json`, or both without the folder",
        "PKG014": '`"version": "1.2.0"` in manifest.json',
        "PKG015": "give the new content a version of its own, or use `--force`",
        "PKG016": "move your edits into a package, or use `--force`: they are kept aside",
        "PKG017": "`httpx>=0.27`; options, paths and URLs are installed by hand",
        "PKG018": "`sysctl plugins install users.zip --install-requirements`",
        "PKG019": "install the package again from its file",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One code. `severity` is what it has at its worst, `fix` an example of what to write."""

    code: str
    kind: str
    severity: Severity
    meaning: str
    fix: str
    fixable: bool
    can_be_changed: bool

    @property
    def name(self) -> str:
        """The meaning as one word, `AnImportIsNotUsed`."""
        words = "".join(c if c.isalnum() else " " for c in self.meaning).split()
        return "".join(w[:1].upper() + w[1:] for w in words)


def rule_of(code: str, meaning: str = "") -> Rule:
    """The rule of a code; `meaning` is that of a code which is not the product's own."""
    severity = Severity.ERROR if code in CODES else Severity.WARNING
    if code in _WARNINGS:
        severity = Severity.WARNING
    elif code in _INFOS:
        severity = Severity.INFO
    return Rule(
        code=code,
        kind=_KINDS.get(code[:3], "project") if code in CODES else "project",
        severity=severity,
        meaning=CODES.get(code) or meaning or "a check of the project's own",
        fix=FIXES.get(code, ""),
        fixable=code in FIXABLE,
        can_be_changed=can_be_changed(code),
    )


def rules() -> Iterator[Rule]:
    """All rules of the product, in the order of their table."""
    return (rule_of(code) for code in CODES)


def markdown_table() -> str:
    """The rules as a table in Markdown; validators/CODES.md is this text."""
    lines = [
        "# Codes of validation",
        "",
        "Written by `sysctl dev plugin codes --format markdown`. The severity is the worst that a",
        "code is given with; `validation: {severity: {CODE: error|warning|info|off}}` in",
        "config/main.yaml changes it, `# devserver: ignore[CODE]` silences it on a line, but for",
        "codes that are *always told*. Those marked `--fix` are corrected by it.",
        "",
        "| code | severity | what it means | for example | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for rule in rules():
        notes = [
            n
            for n, on in (("`--fix`", rule.fixable), ("*always told*", not rule.can_be_changed))
            if on
        ]
        cells = (rule.code, str(rule.severity), rule.meaning, rule.fix, " ".join(notes))
        lines.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
    return "\n".join(lines) + "\n"
