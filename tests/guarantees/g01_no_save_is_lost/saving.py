"""Ways to save a file: what editors do to the disk, step by step, and real programs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.integration.lab import Lab, plugin, wait_for

Save = Callable[[Path, str], None]

EDITORS = {
    # F is the file; a step is a verb and names beside F. `write` and `half`/`rest` put the new
    # text there, `junk` something that is no Python, `empty` truncates.
    "in place": "write F",
    "truncate, then write": "empty F, write F",
    "in two writes": "half F, rest F",
    "vim backupcopy=no": "junk .F.swp, touch 4913, rm 4913, mv F F~, write F, rm F~, rm .F.swp",
    "vim backupcopy=yes": "junk .F.swp, cp F F~, empty F, write F, rm F~, rm .F.swp",
    "vim with backup kept": "mv F F~, write F",
    "neovim": "junk .F.swp, touch 4913, rm 4913, mv F F~, empty F, write F, rm F~, rm .F.swp",
    "emacs": "link .#F, junk #F#, mv F F~, write F, rm #F#, rm .#F",
    "emacs backup-by-copying": "link .#F, junk #F#, cp F F~, empty F, write F, rm #F#, rm .#F",
    "emacs file-precious-flag": "link .#F, write F.tmpx1Y2z, cp F F~, mv F.tmpx1Y2z F, rm .#F",
    "nano": "touch .F.swp, empty F, write F, rm .F.swp",
    "nano --backup": "touch .F.swp, cp F F~, empty F, write F, rm .F.swp",
    "JetBrains safe write": (
        "write F___jb_tmp___, mv F F___jb_old___, "
        "mv F___jb_tmp___ F, rm F___jb_old___"
    ),
    "VS Code": "empty F, write F",
    "VS Code atomic": "write F.vsctmp, mv F.vsctmp F",
    "Sublime Text atomic_save": "write .subl1a2.tmp, mv .subl1a2.tmp F",
    "gedit": "write .goutputstream-AB12CD, cp F F~, mv .goutputstream-AB12CD F",
    "Kate (QSaveFile)": "touch F.XyZabc, write F.XyZabc, mv F.XyZabc F",
    "micro": "cp F F.micro-backup, empty F, write F, rm F.micro-backup",
    "Helix": "mv F F.bckAbc, write F, rm F.bckAbc",
    "rsync": "write .F.a1B2c3, mv .F.a1B2c3 F",
    "sed -i": "write sedAb12Cd, mv sedAb12Cd F",
    "ruff format, black": "write F",
    "delete and create": "rm F, write F",
}  # fmt: skip


def as_editor(steps: str) -> Save:
    """The save that goes through `steps`, in the words of the table above."""

    def save(path: Path, text: str) -> None:
        for step in steps.split(", "):
            verb, *names = step.replace("F", path.name).split(" ")
            _step(verb, [path.with_name(name) for name in names], text)

    return save


def _step(verb: str, paths: list[Path], text: str) -> None:
    first, half = paths[0], len(text) // 2
    match verb:
        case "write":
            first.write_text(text)
        case "half":
            first.write_text(text[:half])
        case "rest":
            with first.open("a") as file:
                file.write(text[half:])
        case "empty":
            os.truncate(first, 0) if first.exists() else first.touch()
        case "junk":
            first.write_text("b0VIM 9.0 \x01 )(")
        case "touch":
            first.touch()
        case "rm":
            first.unlink()
        case "cp":
            shutil.copy2(first, paths[1])
        case "mv":
            first.replace(paths[1])
        case "link":
            first.symlink_to("user@host.1234:1")
        case _:
            raise ValueError(f"no step {verb}")


def run(*words: str | Path, stdin: str | None = None, cwd: Path | None = None) -> str:
    """Runs a program to its end; gives what it printed."""
    ended = subprocess.run(
        words, input=stdin, cwd=cwd, text=True, capture_output=True, timeout=30, check=False
    )
    assert ended.returncode == 0, f"{words}: {ended.stdout}{ended.stderr}"
    return ended.stdout


def _beside(path: Path, text: str) -> Path:
    """The new text outside of the watched folders."""
    new = path.parents[2] / "beside" / path.name
    new.parent.mkdir(exist_ok=True)
    new.write_text(text)
    return new


def _vim(program: str, options: str) -> Save:
    def save(path: Path, text: str) -> None:
        new = _beside(path, text)
        words = [program, "-u", "NONE", "-i", "NONE", "-es", "-c", f"set {options}"]
        run(*words, "-c", "%d", "-c", f"r {new}", "-c", "1d", "-c", "wq", path)

    return save


def _ed(path: Path, text: str) -> None:
    run("ed", "-s", path, stdin=f",d\n0r {_beside(path, text)}\nw\nq\n")


def _sed(path: Path, text: str) -> None:
    run("sed", "-i", "-e", f"1r {_beside(path, text)}", "-e", "d", path)


def _patch(path: Path, text: str) -> None:
    difference = subprocess.run(
        ["diff", "-u", path, _beside(path, text)], text=True, capture_output=True, check=False
    )
    run("patch", "-s", path, stdin=difference.stdout)


def _perl(path: Path, text: str) -> None:
    (version,) = (line for line in text.splitlines() if line.startswith("VERSION"))
    run("perl", "-i.bak", "-pe", f"s/^VERSION.*/{version}/", path)


PROGRAMS: dict[str, Save] = {
    "vim": _vim("vim", "nobackup writebackup backupcopy=auto swapfile"),
    "vim backupcopy=no": _vim("vim", "writebackup backupcopy=no swapfile"),
    "vim backupcopy=yes": _vim("vim", "writebackup backupcopy=yes swapfile"),
    "vim.tiny": _vim("vim.tiny", "writebackup backupcopy=no swapfile"),
    "ed": _ed,
    "sed": _sed,
    "perl": _perl,
    "patch": _patch,
    "cp": lambda path, text: void(run("cp", _beside(path, text), path)),
    "mv": lambda path, text: void(run("mv", "-f", _beside(path, text), path)),
    "install": lambda path, text: void(run("install", "-m", "644", _beside(path, text), path)),
    "rsync": lambda path, text: void(run("rsync", "-I", _beside(path, text), path)),
    "rsync --inplace": lambda p, text: void(run("rsync", "-I", "--inplace", _beside(p, text), p)),
    "tee": lambda path, text: void(run("tee", path, stdin=text)),
    "dd": lambda p, text: void(run("dd", f"if={_beside(p, text)}", f"of={p}", "bs=64")),
}


def void(_: object) -> None:
    """Nothing, whatever a program printed."""


def results_of(lab: Lab, name: str) -> list[str]:
    """How the reloads of a plugin ended, the first one first."""
    outcomes = lab.running.journal.outcomes()
    return [str(o.result) for o in reversed(outcomes) if name in o.plugins]


def version_of(lab: Lab, name: str) -> object:
    """What a plugin answers, or the status when it does not."""
    answer = lab.get(f"/{name}/version")
    return answer.json["version"] if answer.status_code == 200 and answer.json else answer.status


def wait_until_live(lab: Lab, name: str, version: object) -> None:
    """Waits until a plugin serves a version."""
    wait_for(lambda: version_of(lab, name) == version, f"{name} {version}")


def settle(lab: Lab) -> None:
    """Waits until everything that was saved before has been judged: a plugin of the test's own,
    new each time, has gone live after a comparison of all files."""
    number = len(list((lab.root / "plugins").glob("settled_*")))
    for round_ in range(2):
        name = f"settled_{number + round_}"
        staged = lab.root / "beside" / name
        staged.mkdir(parents=True)
        (staged / "plugin.py").write_text(plugin(name))
        staged.rename(lab.root / "plugins" / name)
        wait_until_live(lab, name, 1)
