"""Whatever is sent: it is refused with reasons, or it is one plugin inside of its folder."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from devserver.packages.archive import read_archive
from devserver.packages.contents import read_contents
from devserver.packages.refusal import PackageRefused
from devserver.packages.shelf import Shelf
from devserver.runtime.host_settings import PackageSettings
from devserver.runtime.project import Project
from tests.integration.packages.zips import Entry, pack, package

LIMITS = PackageSettings(max_bytes=100_000, max_files=20)
SAMPLE = package(Entry("users/data/a.json", b"{}"), Entry("users/b.txt", b"b", method=0))
NAMES = st.text(st.sampled_from("ab./\\:~ \0\u200b\u202eäÄ\u0301Nul"), max_size=8)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A sound archive with some bytes changed, cut out, doubled or put in."""
    content = bytearray(SAMPLE)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        length = draw(st.integers(0, 12))
        match draw(st.sampled_from(["change", "cut", "double", "put"])):
            case "change":
                content[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case "cut":
                del content[at : at + length]
            case "double":
                content[at:at] = content[at : at + length]
            case _:
                content[at:at] = draw(st.binary(max_size=12))
    return bytes(content)


def judged(content: bytes) -> dict[str, bytes] | None:
    """The files, None when it is refused. Whatever is accepted, the standard library reads the
    same from it."""
    try:
        files = dict(read_archive(content, LIMITS).files)
    except PackageRefused:
        return None
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert {i.filename: file.read(i) for i in file.infolist() if not i.is_dir()} == files
    return files


@settings(max_examples=400, deadline=None)
@given(damaged())
def test_damage_is_refused_or_harmless(content: bytes) -> None:
    judged(content)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused(content: bytes) -> None:
    assert not judged(content)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(NAMES, st.sampled_from([0o100644, 0o120777, 0o40755, 0])), max_size=4))
def test_no_name_leads_out_of_the_folder_that_it_is_staged_in(
    tmp_path_factory: object, names: list[tuple[str, int]]
) -> None:
    content = pack(
        Entry("a/plugin.py", b""),
        Entry("a/manifest.json", b'{"version": "1"}'),
        *(Entry(f"a/{name}".encode(errors="replace"), b"evil", mode=mode) for name, mode in names),
    )
    root: Path = tmp_path_factory.mktemp("project")  # type: ignore[attr-defined]
    project = Project(root)
    try:
        contents = read_contents(content, LIMITS, project)
    except PackageRefused:
        assert [*root.iterdir()] == []
        return
    shelf = Shelf(project)
    with shelf.locked(), shelf.staged(contents.files, content) as staged:
        there = {p for p in root.rglob("*") if p.is_file()}
        inside = {p for p in staged.parent.rglob("*") if p.is_file()}
        assert there - inside == {shelf.root / ".lock"}
        assert all(not p.is_symlink() for p in inside)
    assert {p.name for p in root.rglob("*") if p.is_file()} == {".lock"}
