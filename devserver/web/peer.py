"""Who is at the other end of a connection within this machine, as the kernel knows it (Linux)."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devserver.runtime.clients import client_of
from devserver.web.authority import parse_address
from devserver.web.handler import CONNECTION_MEMO

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_OWN_SOCKETS = Path("/proc/self/fd")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Endpoint = tuple[Address, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSocket:
    """A socket of this machine: the user it belongs to and its number in the kernel."""

    uid: int
    inode: int


def peer_is_same_user(environ: WSGIEnvironment) -> bool:
    """True when the request came over loopback from a process of the user that runs this one."""
    address = parse_address(str(environ.get("REMOTE_ADDR", "")))
    if address is None or not address.is_loopback:
        return False
    peer = find_peer(environ)
    return peer is not None and peer.uid == os.geteuid()


def peer_is_own_process(environ: WSGIEnvironment) -> bool:
    """True when the request came from this very process: a plugin that calls its own server."""
    peer = find_peer(environ)
    if peer is None:
        return False
    memo = environ.get(CONNECTION_MEMO, {})
    if "own" not in memo:
        memo["own"] = peer.inode in _own_inodes()
    return bool(memo["own"])


def find_peer(environ: WSGIEnvironment) -> PeerSocket | None:
    """The client's socket when it is one of this machine, else None.

    It stays the same for as long as the connection lives, so it is looked up once for each.
    """
    memo: dict[str, Any] = environ.get(CONNECTION_MEMO, {})
    if "peer" not in memo:
        memo["peer"] = _look_up(environ) if sys.platform == "linux" else None
    found: PeerSocket | None = memo["peer"]
    return found


def _look_up(environ: WSGIEnvironment) -> PeerSocket | None:
    ends = _endpoints(environ)
    if ends is None:
        return None
    # The kernel's table moves while it is read, so that one look may pass over an entry.
    return _search(*ends) or _search(*ends)


def _endpoints(environ: WSGIEnvironment) -> tuple[Endpoint, Endpoint] | None:
    """The client's end and ours, or None where the server does not tell them."""
    connection = client_of(environ)
    remote = parse_address(str(environ.get("REMOTE_ADDR", "")))
    port = str(environ.get("REMOTE_PORT", ""))
    if connection is None or remote is None or not port.isdigit():
        return None
    try:
        name = connection.getsockname()
    except OSError:
        return None
    local = parse_address(name[0])
    return None if local is None else ((remote, int(port)), (local, int(name[1])))


def _search(client: Endpoint, server: Endpoint) -> PeerSocket | None:
    wanted = f":{client[1]:04X}"
    for line in _table_lines():
        if wanted not in line:
            continue
        fields = line.split()
        # A socket without an inode belongs to nobody any more, and its uid reads as root's.
        if len(fields) < 10 or fields[9] == "0":
            continue
        if _parse_endpoint(fields[1]) == client and _parse_endpoint(fields[2]) == server:
            return PeerSocket(uid=int(fields[7]), inode=int(fields[9]))
    return None


def _table_lines() -> Iterator[str]:
    for table in _TABLES:
        with contextlib.suppress(OSError):
            yield from table.read_text("ascii").splitlines()[1:]


def _parse_endpoint(text: str) -> Endpoint | None:
    """`0100007F:1F90` → 127.0.0.1, 8080: words of four bytes in this machine's byte order."""
    address, _, port = text.partition(":")
    try:
        packed = b"".join(
            int(address[at : at + 8], 16).to_bytes(4, sys.byteorder)
            for at in range(0, len(address), 8)
        )
        found = parse_address(str(ipaddress.ip_address(packed)))
        return None if found is None else (found, int(port, 16))
    except ValueError:
        return None


def _own_inodes() -> set[int]:
    found = set()
    for entry in _OWN_SOCKETS.iterdir():
        # A descriptor may be closed while the folder is read.
        with contextlib.suppress(OSError):
            target = str(entry.readlink())
            if target.startswith("socket:["):
                found.add(int(target[8:-1]))
    return found
