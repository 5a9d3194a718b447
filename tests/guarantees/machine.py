"""A model of what edits may do to a running host, driven by Hypothesis."""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from devserver.core.errors import SwitchRefused
from devserver.core.outcome import Outcome
from tests.integration.lab import Lab, wait_for

NEEDS: dict[str, tuple[str, ...]] = {
    "base": (),
    "left": ("base",),
    "right": ("base",),
    "top": ("left", "right"),
    "alone": (),
}
"""Who imports from whom."""

FAULTS = {
    "none": "",
    "syntax": "def broken(:",
    "missing module": "import no_such_module_anywhere",
    "raises": "raise ValueError('at import')",
    "exits": "raise SystemExit(3)",
    "crashes": "import os; os._exit(7)",
    "hangs at import": "while True: pass",
}
HOOK_FAULTS = {
    "none": "return True",
    "raises": "raise RuntimeError('in initialize')",
    "says no": "return False",
    "interrupts": "raise KeyboardInterrupt",
    "hangs": "\n            while True: pass",
}

SOURCE = """
from devserver.sdk import BasePlugin
{imports}
{fault}
VERSION = {version}

def {exports}():
    return VERSION

class Plugin(BasePlugin):
    name = "{name}"
    version = "1.0.0"

    def __init__(self):
        super().__init__()
        self.hits = 0
        self.heard = 0

    def initialize(self):
        self.create_task(self.rest)
        self.ctx.events.subscribe("machine.tick", self.on_tick)
        self.register_service("{name}", self)
        {hook}

    async def rest(self):
        import asyncio
        await asyncio.Event().wait()

    def on_tick(self, event):
        self.heard += 1

    def register_routes(self, app, router):
        @router.get("/")
        def index():
            self.hits += 1
            return {{"version": VERSION, "hits": self.hits, "sees": {sees}}}
"""


@dataclass(frozen=True)
class Content:
    """What is in a plugin's file. `imports` maps a plugin to the name that is imported of it."""

    version: int
    exports: str = "first"
    imports: tuple[tuple[str, str], ...] = ()
    fault: str = "none"
    hook: str = "none"

    @property
    def sound(self) -> bool:
        return self.fault == "none" and self.hook == "none"

    def text(self, name: str) -> str:
        lines = [f"from plugins.{p}.plugin import {n} as of_{p}" for p, n in self.imports]
        return SOURCE.format(
            imports="\n".join(lines),
            fault=FAULTS[self.fault],
            version=self.version,
            exports=self.exports,
            name=name,
            hook=HOOK_FAULTS[self.hook],
            sees="{" + ", ".join(f"'{p}': of_{p}()" for p, _ in self.imports) + "}",
        )


plugins_ = st.sampled_from(sorted(NEEDS))


class EditMachine(RuleBasedStateMachine):
    """Edits, faults, renames and switches in any order; the last good generation answers."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="machine-"))
        self.lab = Lab(self.folder / "project")
        self.disk: dict[str, Content] = {}
        self.serving: dict[str, Content] = {}
        self.off: set[str] = set()
        self.hits: dict[str, int] = {}
        self.versions = 0

    # -- the model ------------------------------------------------------------------------------

    def next_version(self) -> int:
        self.versions += 1
        return self.versions

    def fits(self, name: str, content: Content) -> bool:
        """Whether this content can go live beside what serves now."""
        if not content.sound:
            return False
        wants = all(
            p in self.serving and self.serving[p].exports == wanted for p, wanted in content.imports
        )
        given = all(
            (name, content.exports) in other.imports
            for key, other in self.serving.items()
            if name in NEEDS[key] and key != name
        )
        return wants and given

    def save(self, **edits: Content) -> None:
        must_work = len(edits) == 1 and all(
            n not in self.off and self.fits(n, c) for n, c in edits.items()
        )
        before = self.picture()
        self.disk.update(edits)
        outcome = self.lab.save(*((name, c.text(name)) for name, c in edits.items()))
        self.follow(outcome, before)
        if must_work:
            (name,) = edits
            assert self.serving.get(name) == self.disk[name], (name, outcome)

    def follow(self, outcome: Outcome | None, before: dict[str, Any]) -> None:
        """What serves afterwards is what the outcome says, and nothing else changed."""
        now = self.picture()
        for name in now:
            if now[name] != before.get(name):
                self.serving[name] = self._running_content(name)
        for name in set(outcome.removed) if outcome is not None else ():
            self.serving.pop(name, None)
            self.hits.pop(name, None)
        if outcome is not None and not outcome.success:
            assert outcome.diagnostics or outcome.error
            assert {k: v for k, v in now.items() if k in before} == before, outcome

    def _running_content(self, name: str) -> Content:
        """What a plugin runs that is live anew: what was saved last, or its own of before."""
        module = self.lab.generation(name).table.modules[f"plugins.{name}.plugin"]
        for content in (self.disk[name], self.serving.get(name)):
            if content is not None and content.version == module.VERSION:
                return content
        raise AssertionError(f"{name} runs version {module.VERSION}, neither new nor old")

    def picture(self) -> dict[str, Any]:
        view = self.lab.running.registry.view
        return {
            k: (r.generation.number, id(r.generation.plugin))
            for k, r in view.plugins.items()
            if r.generation is not None
        }

    # -- what happens ---------------------------------------------------------------------------

    @initialize()
    def start(self) -> None:
        self.lab.settings(
            "reload:\n  timeout: 0.4\n  drain_timeout: 1\n"
            "safety:\n  max_reload_attempts: 1\n  trial_process: true\n"
        )
        for name, needs in NEEDS.items():
            content = Content(self.next_version(), imports=tuple((n, "first") for n in needs))
            self.disk[name] = self.serving[name] = content
            self.lab.write(name, content.text(name))
        self.lab.start()
        self.threads = len(_threads())

    @rule(name=plugins_)
    def edit(self, name: str) -> None:
        if name in self.disk:
            self.save(**{name: replace(self.disk[name], version=self.next_version())})

    @rule(name=plugins_, fault=st.sampled_from(sorted(FAULTS)))
    def break_module(self, name: str, fault: str) -> None:
        if name in self.disk:
            version = self.next_version()
            self.save(**{name: replace(self.disk[name], version=version, fault=fault)})

    @rule(name=plugins_, hook=st.sampled_from(sorted(HOOK_FAULTS)))
    def break_hook(self, name: str, hook: str) -> None:
        if name in self.disk:
            version = self.next_version()
            self.save(**{name: replace(self.disk[name], version=version, hook=hook)})

    @rule(name=plugins_)
    def fix(self, name: str) -> None:
        if name in self.disk:
            content = self.disk[name]
            version = self.next_version()
            self.save(**{name: replace(content, version=version, fault="none", hook="none")})

    @rule(name=plugins_, exports=st.sampled_from(["first", "second"]))
    def rename(self, name: str, exports: str) -> None:
        """In the provider alone: its consumers follow later, or have done so before."""
        if name in self.disk:
            version = self.next_version()
            self.save(**{name: replace(self.disk[name], version=version, exports=exports)})

    @rule(name=plugins_)
    def follow_renames(self, name: str) -> None:
        """The consumer imports what is on disk now."""
        if name in self.disk and all(p in self.disk for p in NEEDS[name]):
            imports = tuple((p, self.disk[p].exports) for p in NEEDS[name])
            version = self.next_version()
            self.save(**{name: replace(self.disk[name], version=version, imports=imports)})

    @rule(names=st.lists(plugins_, min_size=2, max_size=4, unique=True))
    def edit_several(self, names: list[str]) -> None:
        known = [n for n in names if n in self.disk]
        if known:
            self.save(**{n: replace(self.disk[n], version=self.next_version()) for n in known})

    @rule(name=plugins_)
    def save_the_same(self, name: str) -> None:
        if self.disk.get(name) == self.serving.get(name, "nothing"):
            before = self.picture()
            assert self.lab.save((name, self.disk[name].text(name))) is None
            assert self.picture() == before

    @rule(name=plugins_)
    def delete(self, name: str) -> None:
        if name in self.disk and not any(name in NEEDS[other] for other in self.disk):
            before = self.picture()
            del self.disk[name]  # the operator's word stands, should it come back
            outcome = self.lab.save((name, None))
            self.follow(outcome, before)
            assert name not in self.lab.running.registry.view.plugins
            self.serving.pop(name, None)
            self.hits.pop(name, None)

    @rule(name=plugins_)
    def add(self, name: str) -> None:
        if name not in self.disk and all(p in self.disk for p in NEEDS[name]):
            imports = tuple((p, self.disk[p].exports) for p in NEEDS[name])
            self.save(**{name: Content(self.next_version(), imports=imports)})

    @rule(name=plugins_, force=st.booleans())
    def disable(self, name: str, force: bool) -> None:
        if name not in self.disk:
            return
        needed = [n for n in self.serving if name in _below(n) and n != name]
        try:
            outcome = self.lab.running.control.disable(name, force=force)
        except SwitchRefused:
            assert needed
            assert not force
            return
        assert outcome.success
        assert force or not needed
        for gone in {name, *needed}:
            self.serving.pop(gone, None)
            self.hits.pop(gone, None)
            self.off.add(gone)

    @rule(name=plugins_)
    @precondition(lambda self: bool(self.off))
    def enable(self, name: str) -> None:
        if name not in self.off or name not in self.disk:
            return
        must_work = self.fits(name, self.disk[name])
        before = self.picture()
        outcome = self.lab.running.control.enable(name)
        if outcome.success:
            self.off.discard(name)
        self.follow(outcome, before)
        if must_work:
            assert outcome.success, outcome

    @rule()
    def publish(self) -> None:
        for name in self.serving:
            plugin = self.lab.generation(name).plugin
            assert plugin is not None
            plugin.ctx.events.publish("machine.tick", None)
            break

    # -- what always holds ------------------------------------------------------------------------

    @invariant()
    def the_last_good_generation_answers(self) -> None:
        for name, content in self.serving.items():
            answer = self.lab.get(f"/{name}/")
            assert answer.status_code == 200, (name, answer.text)
            self.hits[name] = self.hits.get(name, 0) + 1
            sees = {p: self.serving[p].version for p, _ in content.imports}
            assert answer.json == {
                "version": content.version,
                "hits": self.hits[name],
                "sees": sees,
            }, name

    @invariant()
    def what_does_not_serve_says_why(self) -> None:
        for name in set(self.disk) - set(self.serving):
            answer = self.lab.get(f"/{name}/")
            assert answer.status_code == 503, name
            assert answer.json["error"]
            record = self.lab.running.registry.view.plugins[name]
            assert (str(record.status) == "disabled") == (name in self.off)
            assert record.reason

    @invariant()
    def nothing_waits(self) -> None:
        view = self.lab.running.registry.view
        assert set(self.picture()) == set(self.serving)
        assert all(r.generation is None or r.generation.hold is None for r in view.plugins.values())
        pending = set(self.lab.running.control.pending())
        assert pending == {
            n for n in self.disk if self.disk[n] != self.serving.get(n) and n not in self.off
        }

    def teardown(self) -> None:
        if self.lab.host is not None:
            try:
                self._everything_can_be_mended()
                self._nothing_leaks()
            finally:
                self.lab.stop()
                shutil.rmtree(self.folder, ignore_errors=True)

    def _everything_can_be_mended(self) -> None:
        """Whatever happened: sound content of all, in one save, is what serves then."""
        for name in NEEDS:
            content = Content(self.next_version(), imports=tuple((n, "first") for n in NEEDS[name]))
            self.disk[name] = content
        self.lab.save(*((n, c.text(n)) for n, c in self.disk.items()))
        for name in NEEDS:
            if name in self.off:
                outcome = self.lab.running.control.enable(name)
                assert outcome.success, outcome
        for name in NEEDS:
            answer = self.lab.get(f"/{name}/")
            assert answer.status_code == 200, (name, answer.text)
            assert answer.json["version"] == self.disk[name].version, self._told()

    def _told(self) -> list[Any]:
        """What the product says of it."""
        records = self.lab.running.registry.view.plugins.values()
        last = self.lab.running.journal.outcomes(None, 4)
        return [*((r.name, str(r.status), r.reason) for r in records), *last]

    def _nothing_leaks(self) -> None:
        control = self.lab.running.control

        def lives_once() -> bool:
            _forget_modules()
            return all(self.lab.live(n) == [self.lab.generation(n).number] for n in NEEDS)

        try:
            wait_for(lives_once, "no generation but the serving ones exists")
        except AssertionError as error:
            raise AssertionError(
                f"{error}: {[control.leaks(n, look=True) for n in NEEDS]}"
            ) from None
        wait_for(
            lambda: len(_threads()) <= self.threads + 1,  # the hooks' worker, once one was needed
            f"threads are as many as at the start: {_threads()}",
        )


def _forget_modules() -> None:
    """Hypothesis remembers every module that it took constants from."""
    seen = getattr(
        sys.modules.get("hypothesis.internal.constants_ast"), "constants_from_module", None
    )
    if seen is not None:
        seen.cache_clear()


def _threads() -> list[threading.Thread]:
    """All but those of the event bus, which has a fixed number of them."""
    return [t for t in threading.enumerate() if not t.name.startswith("events")]


def _below(name: str) -> set[str]:
    return {name}.union(*(_below(n) for n in NEEDS[name]))
