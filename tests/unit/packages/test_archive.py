"""Archives are judged whole: what can be read in two ways, or leads anywhere, is refused."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest

from devserver.packages.archive import read_archive
from devserver.packages.refusal import PackageRefused
from devserver.runtime.host_settings import PackageSettings
from tests.integration.packages.zips import Entry, pack, package

LIMITS = PackageSettings(max_bytes=400_000, max_files=50, max_ratio=100)
LINK = 0o120777
ZEROS = bytes(300_000)
SECOND_NAME = struct.pack("<HHBL", 0x7075, 11, 1, 0) + b"../e.py"


def codes(content: bytes, limits: PackageSettings = LIMITS) -> list[str]:
    """The codes of all reasons; empty for a sound archive."""
    try:
        read_archive(content, limits)
    except PackageRefused as refused:
        found = refused.diagnostics
    else:
        return []
    assert all(d.message.isprintable() and d.hint for d in found)
    return [d.code for d in found]


def deflated(data: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflater.compress(data) + deflater.flush()


def overlapping() -> bytes:
    """Two entries over the same bytes, as the smallest bombs are made."""
    first = Entry("a.txt", b"x" * 100, method=0)
    return pack(first, Entry("a.txt2", b"x" * 100, method=0, offset=0))


def quoted() -> bytes:
    """One entry's data begins with the whole of the next one."""
    inner = Entry("b.txt", b"inner", method=0)
    outer = Entry("a.txt", inner.local(), method=0)
    inner.offset = 30 + len("a.txt")
    return pack(outer, inner)


SAMPLE = package()
HOSTILE: dict[str, tuple[bytes, str]] = {
    # names that lead out
    "parent": (package(Entry("../evil.py", b"x")), "PKG002"),
    "parent inside": (package(Entry("users/../../evil.py", b"x")), "PKG002"),
    "absolute": (package(Entry("/etc/evil", b"x")), "PKG002"),
    "two slashes": (package(Entry("//server/share/evil", b"x")), "PKG002"),
    "UNC": (package(Entry("\\\\server\\share\\evil", b"x")), "PKG002"),
    "backslash": (package(Entry("users\\..\\..\\evil.py", b"x")), "PKG002"),
    "drive": (package(Entry("C:/evil.py", b"x")), "PKG002"),
    "drive relative": (package(Entry("C:evil.py", b"x")), "PKG002"),
    "stream": (package(Entry("users/plugin.py:evil", b"x")), "PKG002"),
    "wide dots": (package(Entry("users/\uff0e\uff0e/evil.py", b"x")), "PKG002"),
    "wide slash": (package(Entry("users/..\uff0fevil.py", b"x")), "PKG002"),
    "folder that leads out": (package(Entry("../evil/", b"", mode=0o40755)), "PKG002"),
    # names that are not the same everywhere
    "nothing": (package(Entry("", b"x")), "PKG003"),
    "NUL": (package(Entry("users/a.py\0.txt", b"x")), "PKG003"),
    "newline": (package(Entry("users/a\nb", b"x")), "PKG003"),
    "escape": (package(Entry("users/\x1b[2Ja", b"x")), "PKG003"),
    "zero width": (package(Entry("users/pl\u200bugin.py", b"x")), "PKG003"),
    "right to left": (package(Entry("users/\u202eyp.nigulp", b"x")), "PKG003"),
    "isolate": (package(Entry("users/\u2066a", b"x")), "PKG003"),
    "byte order mark": (package(Entry("users/\ufeffa", b"x")), "PKG003"),
    "decomposed": (package(Entry("users/e\u0301.py", b"x")), "PKG003"),
    "ligature": (package(Entry("users/\ufb01le.py", b"x")), "PKG003"),
    "private use": (package(Entry("users/\ue000", b"x")), "PKG003"),
    "neither ASCII nor said to be UTF-8": (
        package(Entry("users/\u00e4.py", b"x", flags=0, made_by=0)), "PKG003",
    ),
    "not UTF-8 on Unix": (package(Entry(b"users/\xff.py", b"x", flags=0)), "PKG003"),
    "not UTF-8": (package(Entry(b"users/\xff.py", b"x", flags=0x0800)), "PKG003"),
    "overlong": (package(Entry(b"users/\xc0\xaf", b"x", flags=0x0800)), "PKG003"),
    "code page": (package(Entry(b"users/\x81.py", b"x", flags=0)), "PKG003"),
    "trailing dot": (package(Entry("users/plugin.py.", b"x")), "PKG003"),
    "trailing space": (package(Entry("users/plugin.py ", b"x")), "PKG003"),
    "folder with a dot": (package(Entry("users./plugin.py", b"x")), "PKG003"),
    "empty part": (package(Entry("users//plugin.py", b"x")), "PKG003"),
    "dot part": (package(Entry("users/./plugin.py", b"x")), "PKG003"),
    "device name": (package(Entry("users/NUL", b"x")), "PKG003"),
    "device with ending": (package(Entry("users/com1.py", b"x")), "PKG003"),
    "device folder": (package(Entry("users/aux/x.py", b"x")), "PKG003"),
    "console": (package(Entry("users/CONIN$", b"x")), "PKG003"),
    "wildcard": (package(Entry("users/a*.py", b"x")), "PKG003"),
    "pipe sign": (package(Entry("users/a|b", b"x")), "PKG003"),
    "long part": (package(Entry("users/" + "a" * 250, b"x")), "PKG003"),
    "deep": (package(Entry("a/" * 60 + "x", b"x")), "PKG003"),
    # what is no file
    "symlink": (package(Entry("users/link", b"/etc/passwd", mode=LINK)), "PKG004"),
    "folder that is a link": (package(Entry("users/link/", b"", mode=LINK)), "PKG004"),
    "character device": (package(Entry("users/null", b"", mode=0o020666)), "PKG004"),
    "block device": (package(Entry("users/sda", b"", mode=0o060666)), "PKG004"),
    "named pipe": (package(Entry("users/pipe", b"", mode=0o010666)), "PKG004"),
    "socket": (package(Entry("users/socket", b"", mode=0o140666)), "PKG004"),
    "file that says folder": (package(Entry("users/x", b"", mode=0o040755)), "PKG004"),
    # two names for one file
    "twice": (package(Entry("users/plugin.py", b"x")), "PKG005"),
    "other case": (package(Entry("users/Plugin.py", b"x")), "PKG005"),
    "folder of other case": (package(Entry("Users/a.py", b"x")), "PKG005"),
    "sharp s": (package(Entry("users/ß", b"x"), Entry("users/SS", b"y")), "PKG005"),
    "file and folder": (package(Entry("users/plugin.py/a.py", b"x")), "PKG005"),
    # headers that contradict
    "other local name": (package(Entry("users/a.py", b"x", local_name="users/b.py")), "PKG006"),
    "hidden local path": (package(Entry("users/a.py", b"x", local_name="../e.py")), "PKG006"),
    "other local size": (package(Entry("users/a.py", b"x", local_size=9)), "PKG006"),
    "other local CRC": (package(Entry("users/a.py", b"x", local_crc=9)), "PKG006"),
    "other local method": (package(Entry("users/a.py", b"x", local_method=0)), "PKG006"),
    "other local flags": (package(Entry("users/a.py", b"x", local_flags=0x0800)), "PKG006"),
    "wrong CRC": (package(Entry("users/a.py", b"x", crc=1)), "PKG006"),
    "smaller than it is": (package(Entry("users/a.py", b"xxxx", size=1)), "PKG006"),
    "larger than it is": (package(Entry("users/a.py", b"x", size=100)), "PKG006"),
    "stored sizes": (package(Entry("users/a", b"xx", method=0, size=1)), "PKG006"),
    "bytes behind the stream": (
        package(Entry("users/a.py", b"x", raw=deflated(b"x") + b"evil")), "PKG006",
    ),
    "cut stream": (package(Entry("users/a.py", b"xy" * 9, raw=deflated(b"xy" * 9)[:-3])), "PKG006"),
    "damaged stream": (package(Entry("users/a.py", b"x", raw=b"\xff\xff\xff")), "PKG006"),
    "wrong descriptor": (package(Entry("users/a.py", b"x", descriptor=b"\0" * 12)), "PKG006"),
    "second name": (
        package(Entry("users/a.py", b"x", extra=SECOND_NAME)),
        "PKG006",
    ),
    "cut extra": (package(Entry("users/a.py", b"x", extra=b"\x01\x00\xff\x00x")), "PKG006"),
    "ZIP64 extra": (
        package(Entry("users/a.py", b"x", extra=struct.pack("<HHQQ", 1, 16, 1, 9))), "PKG006",
    ),
    "ZIP64 local extra": (
        package(Entry("users/a.py", b"x", local_extra=struct.pack("<HHQQ", 1, 16, 1, 9))), "PKG006",
    ),
    "ZIP64 sizes": (package(Entry("users/a.py", b"x", size=0xFFFFFFFF)), "PKG006"),
    "ZIP64 end": (
        pack(Entry("a", b"x"), before_end=b"PK\x06\x06" + bytes(52) + b"PK\x06\x07" + bytes(16)),
        "PKG006",
    ),
    "ZIP64 count": (pack(Entry("a", b"x"), count=0xFFFF), "PKG006"),
    "fewer entries": (pack(Entry("a", b"x"), Entry("b", b"y"), count=1), "PKG006"),
    "more entries": (pack(Entry("a", b"x"), count=2), "PKG006"),
    "on another disk": (package(Entry("users/a.py", b"x", disk=3)), "PKG006"),
    "folder with content": (package(Entry("users/a/", b"content", mode=0o40755)), "PKG006"),
    # bytes that belong to nobody, or to two
    "data before": (b"#!/bin/sh\nevil\n" + SAMPLE, "PKG007"),
    "program before": (b"MZ" + bytes(64) + SAMPLE, "PKG007"),
    "data behind": (SAMPLE + b"evil", "PKG007"),
    "two archives": (package(name="other") + SAMPLE, "PKG007"),
    "data between": (pack(Entry("a", b"x"), Entry("b", b"y"), between=b"evil"), "PKG007"),
    "data before the end": (pack(Entry("a", b"x"), before_end=b"evil"), "PKG007"),
    "end in the comment": (
        pack(Entry("a", b"x"), comment=b"PK\x05\x06" + bytes(16) + b"\0\0"), "PKG007",
    ),
    "overlapping": (overlapping(), "PKG007"),
    "quoted": (quoted(), "PKG007"),
    # what is not supported
    "encrypted": (package(Entry("users/a.py", b"x", flags=0x0001)), "PKG008"),
    "strongly encrypted": (package(Entry("users/a.py", b"x", flags=0x0041)), "PKG008"),
    "masked": (package(Entry("users/a.py", b"x", flags=0x2000)), "PKG008"),
    "deflate64": (package(Entry("users/a.py", b"x", method=9)), "PKG008"),
    "LZMA": (package(Entry("users/a.py", b"x", method=14)), "PKG008"),
    # too much
    "many files": (pack(*(Entry(f"users/{n}.py") for n in range(60))), "PKG009"),
    "large": (package(Entry("users/a", b"ab" * 250_000, method=0)), "PKG010"),
    "bomb": (package(Entry("users/zeros", ZEROS)), "PKG011"),
    "bomb that lies": (package(Entry("users/zeros", ZEROS, size=10)), "PKG011"),
    "many small bombs": (
        package(*(Entry(f"users/{n}", bytes(95_000)) for n in range(4))), "PKG011",
    ),
    # archives inside
    "nested": (package(Entry("users/inner.zip", SAMPLE)), "PKG012"),
    "nested by content": (package(Entry("users/data.bin", SAMPLE)), "PKG012"),
    "nested empty": (package(Entry("users/inner.zip", pack())), "PKG012"),
    # what is no archive
    "empty": (b"", "PKG001"),
    "text": (b"hello", "PKG001"),
    "tar": (b"users/plugin.py" + bytes(600), "PKG001"),
    "cut": (SAMPLE[:-30], "PKG001"),
    "half": (SAMPLE[: len(SAMPLE) // 2], "PKG001"),
    "one byte short": (SAMPLE[:-1], "PKG001"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_whole(name: str) -> None:
    content, code = HOSTILE[name]
    assert codes(content)[:1] == [code]


def test_a_sound_archive_is_read() -> None:
    found = read_archive(package(Entry("users/data/ä.json", b"{}")), LIMITS)
    assert sorted(found.files) == ["users/data/ä.json", "users/manifest.json", "users/plugin.py"]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("streamed", [False, True])
def test_what_ordinary_programs_pack_is_read(method: int, streamed: bool) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return not streamed

        def seek(self, *words: int) -> int:
            if streamed:
                raise OSError
            return super().seek(*words)

        def tell(self) -> int:
            if streamed:
                raise OSError
            return super().tell()

    made = Pipe()
    with zipfile.ZipFile(made, "w", method) as file:
        file.mkdir("users")
        file.writestr("users/plugin.py", "x = 1\n" * 50)
        file.writestr("users/prüfung.txt", "y")
        file.comment = b"5f3c2e7"  # git archive writes the commit there
    found = read_archive(made.getvalue(), LIMITS)
    assert found.files["users/plugin.py"] == b"x = 1\n" * 50
    assert found.folders == {"users"}


def test_documents_are_no_nested_archives() -> None:
    assert codes(package(Entry("users/report.xlsx", SAMPLE))) == []


def test_all_that_is_wrong_with_entries_is_told() -> None:
    content = package(Entry("../a", b"x"), Entry("users/NUL", b"x"), Entry("l", b"/", mode=LINK))
    assert codes(content) == ["PKG002", "PKG003", "PKG004"]


def test_the_archive_itself_is_not_larger_than_allowed() -> None:
    assert codes(SAMPLE, PackageSettings(max_bytes=100)) == ["PKG010"]


def test_the_sum_of_all_files_is_not_larger_than_allowed() -> None:
    entries = [Entry(f"users/{n}", bytes(range(256)) * 200) for n in range(9)]
    assert codes(package(*entries)) == ["PKG010"]


def test_real_bytes_are_counted_and_unpacking_stops_at_the_limit() -> None:
    """A quarter of a gigabyte that says it is ten bytes."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = b"".join(deflater.compress(bytes(1 << 20)) for _ in range(256)) + deflater.flush()
    content = package(Entry("users/zeros", b"", raw=raw, size=10, crc=0))
    assert codes(content, PackageSettings(max_ratio=5_000)) == ["PKG010"]


def test_names_of_the_disk_are_read_as_zip_on_unix_writes_them() -> None:
    found = read_archive(package(Entry("users/\u00e4\u00f6.txt", b"x", flags=0)), LIMITS)
    assert found.files["users/\u00e4\u00f6.txt"] == b"x"
