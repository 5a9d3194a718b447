"""The records of a ZIP archive, read strictly: there must be one way to read them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NoReturn

from devserver.core.diagnostics import Diagnostic
from devserver.packages.entry_names import NOT_PORTABLE, shown
from devserver.packages.refusal import PackageRefused, problem

UNREADABLE = "PKG001"
CONTRADICTS = "PKG006"
EXTRA_BYTES = "PKG007"
TOO_MANY = "PKG009"

ENCRYPTED = 0x0001 | 0x0040 | 0x2000
DESCRIPTOR = 0x0008
_UTF8 = 0x0800
_UTF8_SYSTEMS = (3, 19)
"""Unix and macOS, whose `zip` writes the names of the disk and does not always say that they are
UTF-8."""
_END = struct.Struct("<4s4H2LH")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_END_SIGN, _CENTRAL_SIGN, _LOCAL_SIGN = b"PK\x05\x06", b"PK\x01\x02", b"PK\x03\x04"
_DESCRIPTOR_SIGN = b"PK\x07\x08"
_ZIP64_SIGNS = (b"PK\x06\x06", b"PK\x06\x07")
_MOST_16, _MOST_32 = 0xFFFF, 0xFFFFFFFF
_ZIP64_EXTRA, _UNICODE_PATH = 0x0001, 0x7075
_LIMIT_FILES = "leave out what is not needed, or raise packages.max_files in config/main.yaml"
_PACK_AGAIN = "pack the folder again, for example with `zip -r NAME.zip NAME`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An entry as both of its headers tell it. Its compressed bytes are `start` to `end`."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    mode: int
    """Unix type and permissions, 0 where the archive does not say."""
    is_folder: bool
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Central:
    record: Record
    raw_name: bytes
    offset: int


def read_records(content: bytes, *, max_files: int) -> tuple[Record, ...]:
    """All entries of an archive, in the order of its directory.

    Raises PackageRefused when there is more than one way to read it, or none.
    """
    begin, count = _directory(content)
    if count > max_files:
        _refuse(TOO_MANY, f"{count} entries, at most {max_files} are allowed", _LIMIT_FILES)
    known = [*_central(content, begin, count)]
    return _placed(content, known, begin)


def _directory(content: bytes) -> tuple[int, int]:
    """Where the central directory begins, and how many entries it has."""
    if not content.startswith((_LOCAL_SIGN, _END_SIGN)):
        inside = _LOCAL_SIGN in content and _END_SIGN in content
        if inside:
            _refuse(EXTRA_BYTES, "something stands before the archive", _PACK_AGAIN)
        _refuse(UNREADABLE, "this is no ZIP archive", "give a file that `unzip -t` accepts")
    at = content.rfind(_END_SIGN)
    if at < 0 or at + _END.size > len(content):
        _refuse(UNREADABLE, "the archive is cut: its end is missing", "send the whole file")
    found = _END.unpack_from(content, at)
    _, disk, first_disk, here, count, size, begin, comment = found
    behind = len(content) - at - _END.size
    if comment != behind:
        _refuse(EXTRA_BYTES, "something stands behind the archive", _PACK_AGAIN)
    if disk or first_disk or here != count:
        _refuse(UNREADABLE, "the archive is one part of several", "join the parts")
    zip64 = content[max(0, at - 20) : at].startswith(_ZIP64_SIGNS[1])
    if zip64 or count == _MOST_16 or _MOST_32 in (size, begin):
        _refuse(CONTRADICTS, "it is a ZIP64 archive, which is for more than 4 GB", _PACK_AGAIN)
    if content.count(_END_SIGN, min(begin, at)) != 1:
        _refuse(EXTRA_BYTES, "the archive has two ends", _PACK_AGAIN)
    if begin + size != at:
        code = CONTRADICTS if begin + size > at else EXTRA_BYTES
        _refuse(code, "its directory is not where the end says", _PACK_AGAIN)
    return begin, count


def _central(content: bytes, begin: int, count: int) -> Iterator[_Central]:
    at, end = begin, content.rfind(_END_SIGN)
    for _ in range(count):
        if at + _CENTRAL.size > end or not content.startswith(_CENTRAL_SIGN, at):
            _refuse(CONTRADICTS, "its directory has fewer entries than it says", _PACK_AGAIN)
        fields = _CENTRAL.unpack_from(content, at)
        flags, method, crc, packed, size = fields[3], fields[4], fields[7], fields[8], fields[9]
        lengths, disk, attributes, offset = fields[10:13], fields[13], fields[15], fields[16]
        at += _CENTRAL.size
        stop = at + sum(lengths)
        name_end = at + lengths[0]
        raw_name, extra = content[at:name_end], content[name_end : stop - lengths[2]]
        if stop > end:
            _refuse(CONTRADICTS, "its directory is longer than it says", _PACK_AGAIN)
        at = stop
        name = _decoded(raw_name, is_utf8=bool(flags & _UTF8) or fields[1] >> 8 in _UTF8_SYSTEMS)
        _check_extra(extra, raw_name, name)
        if disk or _MOST_32 in (packed, size, offset):
            _refuse(CONTRADICTS, f"{shown(name)!r} has sizes of ZIP64", _PACK_AGAIN)
        is_folder = name.endswith("/")
        record = Record(
            name=name, flags=flags, method=method, crc=crc, packed=packed, size=size,
            mode=attributes >> 16, is_folder=is_folder,
        )  # fmt: skip
        yield _Central(record=record, raw_name=raw_name, offset=offset)
    if at != end:
        _refuse(CONTRADICTS, "its directory has more entries than it says", _PACK_AGAIN)


def _decoded(raw: bytes, *, is_utf8: bool) -> str:
    try:
        return raw.decode("utf-8" if is_utf8 else "ascii")
    except UnicodeDecodeError:
        name = shown(raw.decode("latin-1"))
        found = problem(
            NOT_PORTABLE, f"the name {name!r} is not UTF-8", "pack with UTF-8 names", file=name
        )
        raise PackageRefused([found]) from None


def _check_extra(extra: bytes, raw_name: bytes, name: str) -> None:
    """Refuses fields that give an entry a second name or second sizes, and torn ones."""
    at = 0
    while at < len(extra):
        if at + 4 > len(extra):
            _refuse(CONTRADICTS, f"the extra fields of {shown(name)!r} are cut", _PACK_AGAIN)
        kind, length = struct.unpack_from("<HH", extra, at)
        value = extra[at + 4 : at + 4 + length]
        at += 4 + length
        if at > len(extra):
            _refuse(CONTRADICTS, f"the extra fields of {shown(name)!r} are cut", _PACK_AGAIN)
        if kind == _ZIP64_EXTRA:
            _refuse(CONTRADICTS, f"{shown(name)!r} has sizes of ZIP64", _PACK_AGAIN)
        if kind == _UNICODE_PATH and value[5:] != raw_name:
            _refuse(CONTRADICTS, f"{shown(name)!r} has a second name", _PACK_AGAIN)


def _placed(content: bytes, known: list[_Central], end: int) -> tuple[Record, ...]:
    """The records with the place of their data; together they fill the archive up to `end`."""
    placed: dict[int, Record] = {}
    at = 0
    for number, one in sorted(enumerate(known), key=lambda pair: pair[1].offset):
        name = shown(one.record.name)
        if one.offset != at:
            told = "overlaps another entry" if one.offset < at else "stands behind unused bytes"
            _refuse(EXTRA_BYTES, f"{name!r} {told}", _PACK_AGAIN)
        start = _local(content, one, end)
        stop = start + one.record.packed
        if stop > end:
            _refuse(EXTRA_BYTES, f"{name!r} overlaps the directory", _PACK_AGAIN)
        at = stop + _descriptor(content, one.record, stop, end)
        placed[number] = replace(one.record, start=start, end=stop)
    if at != end:
        _refuse(EXTRA_BYTES, "there are bytes that belong to no entry", _PACK_AGAIN)
    return tuple(placed[number] for number in range(len(known)))


def _local(content: bytes, central: _Central, end: int) -> int:
    """Where the data of an entry begins; its local header must say what the directory says."""
    record, at = central.record, central.offset
    name = shown(record.name)
    if at + _LOCAL.size > end or not content.startswith(_LOCAL_SIGN, at):
        _refuse(CONTRADICTS, f"{name!r} is not where the directory says", _PACK_AGAIN)
    fields = _LOCAL.unpack_from(content, at)
    flags, method, crc, packed, size = fields[2], fields[3], fields[6], fields[7], fields[8]
    name_end = at + _LOCAL.size + fields[9]
    start: int = name_end + fields[10]
    raw_name = content[at + _LOCAL.size : name_end]
    sizes = (record.crc, record.packed, record.size)
    told = (crc, packed, size)
    later = bool(flags & DESCRIPTOR) and told == (0, 0, 0)
    same = raw_name == central.raw_name and (flags, method) == (record.flags, record.method)
    if not same or (told != sizes and not later) or start > end:
        _refuse(CONTRADICTS, f"{name!r} is told in two ways by its headers", _PACK_AGAIN)
    _check_extra(content[name_end:start], raw_name, record.name)
    return start


def _descriptor(content: bytes, record: Record, at: int, end: int) -> int:
    """The length of the descriptor behind an entry's data, 0 where there is none."""
    if not record.flags & DESCRIPTOR:
        return 0
    wanted = struct.pack("<3L", record.crc, record.packed, record.size)
    fitting = (len(f) for f in (_DESCRIPTOR_SIGN + wanted, wanted) if content.startswith(f, at))
    length = next((n for n in fitting if at + n <= end), None)
    if length is None:
        told = f"{shown(record.name)!r} is told in two ways by its headers"
        _refuse(CONTRADICTS, told, _PACK_AGAIN)
    return length


def _refuse(code: str, message: str, hint: str) -> NoReturn:
    found: Diagnostic = problem(code, message, hint)
    raise PackageRefused([found])
