"""ZIP archives byte by byte, so that each can lie in a way of its own."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

UTF8 = 0x0800
DESCRIPTOR = 0x0008
PLUGIN = """
from devserver.sdk import BasePlugin

class Users(BasePlugin):
    name = {name!r}
    version = {version!r}

    def __init__(self):
        super().__init__()
        self.hits = 0
{init}

    def register_routes(self, app, router):
        @router.get("/version")
        def version():
            return {{"version": {version!r}}}
"""


@dataclass
class Entry:
    """One entry. What is None is what `data` makes it; `local_*` is what only the local header
    says; `raw` are the compressed bytes."""

    name: str | bytes
    data: bytes = b""
    method: int = 8
    flags: int | None = None
    mode: int = 0o100644
    crc: int | None = None
    size: int | None = None
    packed: int | None = None
    raw: bytes | None = None
    extra: bytes = b""
    local_extra: bytes = b""
    local_name: str | bytes | None = None
    local_size: int | None = None
    local_crc: int | None = None
    local_method: int | None = None
    local_flags: int | None = None
    descriptor: bytes | None = None
    offset: int | None = None
    disk: int = 0
    made_by: int = 3

    @property
    def body(self) -> bytes:
        if self.raw is not None:
            return self.raw
        if self.method != 8:
            return self.data
        deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
        return deflater.compress(self.data) + deflater.flush()

    @property
    def raw_name(self) -> bytes:
        return self.name.encode() if isinstance(self.name, str) else self.name

    def numbers(self) -> tuple[int, int, int]:
        """CRC, compressed size and size."""
        return (
            zlib.crc32(self.data) if self.crc is None else self.crc,
            len(self.body) if self.packed is None else self.packed,
            len(self.data) if self.size is None else self.size,
        )

    def flag_bits(self) -> int:
        if self.flags is not None:
            return self.flags
        bits = 0 if self.raw_name.isascii() else UTF8
        return bits | (DESCRIPTOR if self.descriptor is not None else 0)

    def local(self) -> bytes:
        name = self.raw_name if self.local_name is None else self.local_name
        name = name.encode() if isinstance(name, str) else name
        crc, packed, size = self.numbers()
        if self.descriptor is not None:
            crc = packed = size = 0
        crc = crc if self.local_crc is None else self.local_crc
        size = size if self.local_size is None else self.local_size
        flags = self.flag_bits() if self.local_flags is None else self.local_flags
        method = self.method if self.local_method is None else self.local_method
        head = struct.pack(
            "<4s5H3L2H", b"PK\x03\x04", 20, flags, method, 0, 33, crc, packed, size,
            len(name), len(self.local_extra),
        )  # fmt: skip
        return head + name + self.local_extra + self.body + (self.descriptor or b"")

    def central(self, offset: int) -> bytes:
        crc, packed, size = self.numbers()
        offset = offset if self.offset is None else self.offset
        head = struct.pack(
            "<4s6H3L5H2L", b"PK\x01\x02", self.made_by << 8 | 0x1E, 20, self.flag_bits(),
            self.method, 0, 33,
            crc, packed, size, len(self.raw_name), len(self.extra), 0, self.disk, 0,
            self.mode << 16, offset,
        )  # fmt: skip
        return head + self.raw_name + self.extra


def pack(
    *entries: Entry,
    between: bytes = b"",
    before_end: bytes = b"",
    comment: bytes = b"",
    count: int | None = None,
    size_off: int = 0,
    offset_off: int = 0,
) -> bytes:
    """An archive of the entries; `between` stands behind each of them."""
    body, directory = b"", b""
    for entry in entries:
        directory += entry.central(len(body))
        body += entry.local() + between
    number = len(entries) if count is None else count
    end = struct.pack(
        "<4s4H2LH", b"PK\x05\x06", 0, 0, number & 0xFFFF, number & 0xFFFF,
        len(directory) + size_off, len(body) + offset_off, len(comment),
    )  # fmt: skip
    return body + directory + before_end + end + comment


def plugin_source(
    name: str = "users", version: str = "1.0.0", *, init: str = "", more: str = ""
) -> bytes:
    """The plugin of the packages in these tests; `more` stands at its end."""
    indented = "\n".join(f"        {line}" for line in init.splitlines())
    return (PLUGIN.format(name=name, version=version, init=indented) + more).encode()


def package(
    *more: Entry, name: str = "users", version: str = "1.0.0", init: str = "", tail: str = ""
) -> bytes:
    """A sound package with `more` entries."""
    source = plugin_source(name, version, init=init, more=tail)
    manifest = f'{{"name": "{name}", "version": "{version}"}}'.encode()
    return pack(Entry(f"{name}/plugin.py", source), Entry(f"{name}/manifest.json", manifest), *more)
