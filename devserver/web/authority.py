"""Who a request is addressed to and where it came from: Host and Origin, parsed strictly."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

_AUTHORITY = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9_.-]{1,253}))(?::(?P<port>[0-9]{0,5}))?\Z"
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_WILDCARDS = frozenset({"", "0.0.0.0", "::"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A host with an optional port: lower case, no brackets, no trailing dot."""

    host: str
    port: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a page came from; the port is always known."""

    scheme: str
    host: str
    port: int


def parse_authority(text: str) -> Authority | None:
    """`localhost:8080`, `[::1]`, `example.test` → its parts; None when it is malformed."""
    found = _AUTHORITY.match(text)
    if found is None:
        return None
    host = found["name"]
    if found["v6"] is not None:
        try:
            host = str(ipaddress.IPv6Address(found["v6"]))
        except ValueError:
            return None
    port = int(found["port"]) if found["port"] else None
    if port is not None and port > 65535:
        return None
    host = host.lower().removesuffix(".")
    return Authority(host=host, port=port) if host else None


def parse_origin(text: str) -> Origin | None:
    """`http://localhost:3000` → its parts; None for `null` and for all that is no origin."""
    scheme, separator, rest = text.strip().partition("://")
    scheme = scheme.lower()
    authority = parse_authority(rest) if separator else None
    if authority is None or scheme not in _DEFAULT_PORTS:
        return None
    return Origin(scheme=scheme, host=authority.host, port=authority.port or _DEFAULT_PORTS[scheme])


def is_loopback(host: str) -> bool:
    """True for localhost, names below it, and loopback addresses of both families."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = parse_address(host)
    return address is not None and address.is_loopback


def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, one of IPv4 that is written as IPv6 as IPv4; None when it is none."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if isinstance(mapped, ipaddress.IPv4Address) else address


class HostPolicy:
    """Which names this server answers to.

    `bound` is the address that it listens on, `allowed` further names; one that starts with a
    dot or `*.` stands for every name below it.
    """

    def __init__(self, *, bound: str, allowed: Iterable[str]) -> None:
        self._bound = bound.lower().strip("[]")
        names = [name.strip().lower().rstrip(".") for name in allowed]
        self._suffixes = tuple(n.removeprefix("*") for n in names if n.startswith((".", "*.")))
        parsed = (parse_authority(n) for n in names if not n.startswith((".", "*")))
        self._names = frozenset(a.host for a in parsed if a is not None) | {self._bound}

    @property
    def is_loopback_only(self) -> bool:
        """True when nobody but this machine can reach the server."""
        return is_loopback(self._bound)

    def accepts(self, host: str, local_address: str) -> bool:
        """`local_address` is the address of this machine that the request came in at."""
        if is_loopback(host) or host in self._names:
            return True
        if self._suffixes and host.endswith(self._suffixes):
            return True
        address = parse_address(host)
        return (
            self._bound in _WILDCARDS
            and address is not None
            and address == parse_address(local_address)
        )
