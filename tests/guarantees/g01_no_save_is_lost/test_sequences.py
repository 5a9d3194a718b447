"""Whatever is done to the files: when things settle, what serves is what is on disk, or that was
refused. And nothing that hides a change from a look at times and sizes hides it from us."""

from __future__ import annotations

import os
import random
import shutil

import pytest

from tests.guarantees.g01_no_save_is_lost.saving import (
    EDITORS,
    as_editor,
    version_of,
    wait_until_live,
)
from tests.integration.lab import Lab, plugin, wait_for

NAMES = ("alpha", "beta", "gamma")
BROKEN = "def half(:\n"
FAILING = "def initialize(self):\n    raise RuntimeError('refused')\n"


@pytest.fixture(params=[False, True], ids=["events", "polling"])
def started(request: pytest.FixtureRequest, lab: Lab) -> Lab:
    """Three plugins of version 100 that serve."""
    lab.settings(f"watch:\n  force_polling: {str(request.param).lower()}\n")
    for name in NAMES:
        lab.write(name, plugin(name, 100))
    lab.start(hot_reload=True)
    return lab


def test_the_old_time_of_modification_hides_no_edit_of_the_same_size(started: Lab) -> None:
    path = started.path("alpha")
    before = path.stat()
    for version in range(101, 106):
        path.write_text(plugin("alpha", version))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert path.stat().st_mtime_ns == before.st_mtime_ns
        assert path.stat().st_size == before.st_size
        wait_until_live(started, "alpha", version)


def test_a_file_with_an_older_time_is_renamed_over(started: Lab) -> None:
    path, new = started.path("alpha"), started.root / "new.py"
    for version in range(101, 106):
        new.write_text(plugin("alpha", version))
        os.utime(new, (version, version))  # 1970, in whole seconds
        new.replace(path)
        wait_until_live(started, "alpha", version)


def test_whole_second_times_hide_nothing(started: Lab) -> None:
    """As on file systems and after tools that know no fractions."""
    path = started.path("alpha")
    for version in range(101, 106):
        path.write_text(plugin("alpha", version))
        os.utime(path, (1_700_000_000, 1_700_000_000))
        wait_until_live(started, "alpha", version)


def test_two_files_that_change_places_are_both_seen(started: Lab) -> None:
    top = "from . import one, two\nVERSION = [one.N, two.N]"
    one = started.write("alpha/one.py", "N = 1\n")
    two = started.write("alpha/two.py", "N = 2\n")
    started.write("alpha", plugin("alpha", 101, top=top))
    wait_until_live(started, "alpha", [1, 2])
    aside = started.root / "aside.py"
    one.rename(aside)
    two.rename(one)
    aside.rename(two)
    wait_until_live(started, "alpha", [2, 1])


class Model:
    """Random operations on three plugins, and what ought to come of them."""

    def __init__(self, lab: Lab, seed: int) -> None:
        self.lab = lab
        self.random = random.Random(seed)
        self.version = 100
        self.on_disk: dict[str, int | str | None] = dict.fromkeys(NAMES, 100)
        self.log: list[str] = []

    def step(self) -> None:
        name = self.random.choice(NAMES)
        does = self.random.choices(
            [self.save, self.spoil, self.fail, self.delete, self.wait], [8, 2, 2, 1, 2]
        )[0]
        self.log.append(f"{does.__name__} {name} {self.version + 1}")
        does(name)

    def _put(self, name: str, text: str) -> None:
        path = self.lab.path(name)
        path.parent.mkdir(exist_ok=True)
        editor = self.random.choice(sorted(EDITORS)) if path.exists() else "in place"
        as_editor(EDITORS[editor])(path, text)
        if self.random.random() < 0.3:
            os.utime(path, (1_000_000_000, 1_000_000_000))

    def save(self, name: str) -> None:
        self.version += 1
        self._put(name, plugin(name, self.version))
        self.on_disk[name] = self.version

    def spoil(self, name: str) -> None:
        self._put(name, BROKEN)
        self.on_disk[name] = "refused"

    def fail(self, name: str) -> None:
        self.version += 1
        self._put(name, plugin(name, self.version, body=FAILING))
        self.on_disk[name] = "refused"

    def delete(self, name: str) -> None:
        shutil.rmtree(self.lab.path(name).parent, ignore_errors=True)
        self.on_disk[name] = None

    def wait(self, name: str) -> None:
        """Until what is on disk runs or was refused."""
        wait_for(lambda: self._fits(name), self._story(name))

    def check(self) -> None:
        """All fit; and once what is broken is mended, nothing else is still held back by it."""
        for name in NAMES:
            wait_for(lambda n=name: self._fits(n), self._story(name))
        for name in [n for n in NAMES if self.on_disk[n] == "refused"]:
            self.save(name)
        for name in NAMES:
            wait_for(lambda n=name: self._is_live(n), self._story(name))

    def _fits(self, name: str) -> bool:
        return self._is_live(name) or self._was_refused(name)

    def _is_live(self, name: str) -> bool:
        expected = self.on_disk[name]
        if expected is None:
            record = self.lab.running.registry.view.find(name)
            return record is None or record.generation is None
        return version_of(self.lab, name) == expected

    def _was_refused(self, name: str) -> bool:
        """It waits, and the last batch that it was in was refused."""
        record = self.lab.running.registry.view.find(name)
        outcomes = self.lab.running.journal.outcomes()
        last = next((o for o in outcomes if name in o.plugins), None)
        return record is not None and record.pending and last is not None and not last.success

    def _story(self, name: str) -> str:
        now = version_of(self.lab, name)
        return f"{self.on_disk[name]} of {name} (now {now}) after: {'; '.join(self.log)}"


@pytest.mark.parametrize("seed", range(4))
def test_what_is_on_disk_runs_or_was_refused(started: Lab, seed: int) -> None:
    model = Model(started, seed)
    for _ in range(30):
        model.step()
    model.check()


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1000, 1040))
def test_what_is_on_disk_runs_or_was_refused_at_length(started: Lab, seed: int) -> None:
    model = Model(started, seed)
    for _ in range(4):
        for _ in range(40):
            model.step()
        model.check()
