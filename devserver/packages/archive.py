"""Reads and judges a ZIP archive without unpacking it anywhere."""

from __future__ import annotations

import stat
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from devserver.core.diagnostics import Diagnostic
from devserver.packages.entry_names import collisions, problem_with_name, shown
from devserver.packages.refusal import PackageRefused, problem
from devserver.packages.zip_records import CONTRADICTS, ENCRYPTED, Record, read_records
from devserver.runtime.host_settings import PackageSettings

SPECIAL = "PKG004"
NOT_SUPPORTED = "PKG008"
TOO_LARGE = "PKG010"
BOMB = "PKG011"
NESTED = "PKG012"

_STORED, _DEFLATED = 0, 8
_LINK_EXTRA = "pack the files that links lead to instead"
_SMALL = 100_000
"""Bytes below which nobody minds how well something was compressed."""
_PIECE = 1 << 16
_MOST_TOLD = 20
_DOCUMENTS = (".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp")
"""Documents that are archives inside, and nothing but data to a plugin."""
_ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06")


@dataclass(frozen=True, slots=True)
class Archive:
    """What an archive holds: the files by path, and the folders."""

    files: Mapping[str, bytes]
    folders: frozenset[str]


def read_archive(content: bytes, limits: PackageSettings) -> Archive:
    """The files of an archive, which is sound in every respect.

    Raises PackageRefused with all that is found wrong with its entries, or the one thing that
    keeps it from being read.
    """
    if len(content) > limits.max_bytes:
        raise PackageRefused([_too_large(len(content), limits)])
    records = read_records(content, max_files=limits.max_files)
    found = [*_problems(records)]
    if found:
        raise PackageRefused(found[:_MOST_TOLD])
    files: dict[str, bytes] = {}
    total = 0
    for record in records:
        if record.is_folder:
            continue
        data = _unpacked(content, record, limits, limits.max_bytes - total)
        total += len(data)
        files[record.name] = data
    _check_ratio("the archive", len(content), total, limits)
    nested = [*_nested(files)]
    if nested:
        raise PackageRefused(nested[:_MOST_TOLD])
    folders = frozenset(r.name.removesuffix("/") for r in records if r.is_folder)
    return Archive(MappingProxyType(files), folders)


def _problems(records: tuple[Record, ...]) -> Iterator[Diagnostic]:
    """What is wrong with entries by what their headers say."""
    sound = []
    for record in records:
        found = problem_with_name(record.name) or _oddity(record)
        if found is None:
            sound.append(record.name)
        else:
            yield found
    yield from collisions(sound)


def _oddity(record: Record) -> Diagnostic | None:
    name = shown(record.name)
    kind = stat.S_IFMT(record.mode)
    expected = (0, stat.S_IFDIR) if record.is_folder else (0, stat.S_IFREG)
    if kind not in expected:
        what = "a link" if kind == stat.S_IFLNK else "a special file"
        return problem(SPECIAL, f"{name!r} is {what}, no file or folder", _LINK_EXTRA, file=name)
    if record.flags & ENCRYPTED:
        return problem(NOT_SUPPORTED, f"{name!r} is encrypted", "pack without a password")
    if record.method not in (_STORED, _DEFLATED):
        told = f"{name!r} is compressed with method {record.method}"
        return problem(NOT_SUPPORTED, told, "pack with deflate, which every program knows")
    if record.is_folder and (record.size or record.packed > 2):
        return problem(CONTRADICTS, f"the folder {name!r} has content", "pack the folder again")
    return None


def _unpacked(content: bytes, record: Record, limits: PackageSettings, left: int) -> bytes:
    """The real bytes of an entry, `left` at most."""
    name = shown(record.name)
    packed = memoryview(content)[record.start : record.end]
    if record.method == _STORED:
        data = bytes(packed)
        if len(data) > left:
            raise PackageRefused([_too_large(len(data), limits)])
    else:
        data = _inflated(packed, record, limits, left)
    if len(data) != record.size or zlib.crc32(data) != record.crc:
        told = f"the content of {name!r} is not what its headers say"
        raise PackageRefused([problem(CONTRADICTS, told, "pack the folder again", file=name)])
    return data


def _inflated(packed: memoryview, record: Record, limits: PackageSettings, left: int) -> bytes:
    name = shown(record.name)
    pieces: list[bytes] = []
    size = 0
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    waiting: bytes | memoryview = packed
    try:
        while not inflater.eof:
            piece = inflater.decompress(waiting, _PIECE)
            waiting = inflater.unconsumed_tail
            size += len(piece)
            _check_ratio(repr(name), len(packed), size, limits)
            if size > left:
                raise PackageRefused([_too_large(size, limits)])
            if not piece and not waiting:
                break
            pieces.append(piece)
    except zlib.error as error:
        told = f"the content of {name!r} is damaged: {error}"
        raise PackageRefused([problem(CONTRADICTS, told, "send the file again")]) from None
    if not inflater.eof or inflater.unused_data:
        told = f"the content of {name!r} does not end where its headers say"
        raise PackageRefused([problem(CONTRADICTS, told, "pack the folder again", file=name)])
    return b"".join(pieces)


def _check_ratio(what: str, packed: int, size: int, limits: PackageSettings) -> None:
    if size > _SMALL and size > packed * limits.max_ratio:
        told = f"{what} unpacks to more than {limits.max_ratio} times its size"
        hint = "leave the file out, or raise packages.max_ratio in config/main.yaml"
        raise PackageRefused([problem(BOMB, told, hint)])


def _too_large(size: int, limits: PackageSettings) -> Diagnostic:
    most = limits.max_bytes / 1e6
    told = f"it has {size / 1e6:.1f} MB or more, at most {most:g} MB are allowed"
    hint = "leave files out, or raise packages.max_bytes in config/main.yaml"
    return problem(TOO_LARGE, told, hint)


def _nested(files: Mapping[str, bytes]) -> Iterator[Diagnostic]:
    for name, data in files.items():
        if data.startswith(_ARCHIVES) and not name.lower().endswith(_DOCUMENTS):
            told = f"{shown(name)!r} is an archive inside of the archive"
            yield problem(NESTED, told, "pack its files, or fetch it when it is needed", file=name)
