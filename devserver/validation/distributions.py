"""Installed distributions, and what requirements.txt asks for."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata

from packaging.markers import UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from devserver.core.versions import find_version, requirement_of
from devserver.validation.analysis import Span

HOST = "sysctl-devserver"
REQUIREMENTS = "requirements.txt"

_OF_IMPORT = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "Crypto": "pycryptodome",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "fitz": "PyMuPDF",
    "git": "GitPython",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "ldap": "python-ldap",
    "magic": "python-magic",
    "multipart": "python-multipart",
    "MySQLdb": "mysqlclient",
    "nacl": "PyNaCl",
    "OpenSSL": "pyOpenSSL",
    "PIL": "Pillow",
    "pkg_resources": "setuptools",
    "pptx": "python-pptx",
    "psycopg2": "psycopg2-binary",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "slugify": "python-slugify",
    "socks": "PySocks",
    "usb": "pyusb",
    "websocket": "websocket-client",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
}
"""Import names whose distribution has another name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementLine:
    """One requirement of a file; `requirement` is None where `problem` says why."""

    text: str
    span: Span
    requirement: Requirement | None = None
    problem: str | None = None


def requirements_in(text: str) -> Iterator[RequirementLine]:
    """The requirements of a requirements.txt. Options (`-r`, `--index-url`), paths and URLs
    without a name are left to pip."""
    pending, first = "", 0
    for number, raw in enumerate(text.splitlines(), start=1):
        first = first or number
        line = re.sub(r"(^|\s)#.*$", "", raw).rstrip()
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        entry, start = (pending + line).strip(), first
        pending, first = "", 0
        if entry and not entry.startswith("-") and not _is_location(entry):
            column = len(raw) - len(raw.lstrip()) + 1
            end = max(len(line), column) + 1 if start == number else column + 1
            yield _parsed(entry, Span(start, column, start, end))


def _is_location(entry: str) -> bool:
    """True for a path or URL that stands without the name of what it holds."""
    if " @ " in entry or "@" in entry.split("://")[0]:
        return False
    archive = entry.endswith((".whl", ".zip", ".tar.gz"))
    return archive or "://" in entry or entry.startswith((".", "/"))


def _parsed(entry: str, span: Span) -> RequirementLine:
    text = re.split(r"\s--(?:hash|config-settings|global-option)\b", entry)[0].strip()
    try:
        return RequirementLine(text=text, span=span, requirement=requirement_of(text))
    except InvalidRequirement as error:
        problem = str(error).splitlines()[0]
        return RequirementLine(text=text, span=span, problem=problem)


def applies(requirement: Requirement, extra: str = "") -> bool:
    """Whether the requirement's markers hold in this environment."""
    if requirement.marker is None:
        return True
    try:
        return requirement.marker.evaluate({"extra": extra})
    except (UndefinedEnvironmentName, InvalidVersion):
        return True


class Distributions:
    """What is installed; keeps what it found until `forget()`."""

    def __init__(self) -> None:
        self._versions: dict[str, str | None] = {}

    def forget(self) -> None:
        """Looks everything up anew from now on."""
        self._versions.clear()

    def version(self, name: str) -> str | None:
        """The installed version of a distribution, None when it is not installed."""
        key = canonicalize_name(name)
        if key not in self._versions:
            try:
                self._versions[key] = metadata.version(key)
            except metadata.PackageNotFoundError:
                self._versions[key] = None
        return self._versions[key]

    def problem_with(self, requirement: Requirement) -> str | None:
        """Why a requirement is not satisfied, or None when it is, or does not apply."""
        if not applies(requirement):
            return None
        problem = self._unsatisfied(requirement)
        if problem is not None:
            return problem
        for extra in sorted(requirement.extras):
            for needed in _requires(requirement.name):
                if applies(needed, extra) and not applies(needed):
                    problem = self._unsatisfied(needed)
                    if problem is not None:
                        return f"{problem}, which {requirement.name}[{extra}] needs"
        return None

    def _unsatisfied(self, requirement: Requirement) -> str | None:
        version = self.version(requirement.name)
        if version is None:
            return f"{requirement.name!r} is not installed"
        known = find_version(version)
        if known is None:
            return None
        fits = requirement.specifier.contains(known, prereleases=True)
        wanted = f"{requirement.name} {version} is installed, not {requirement.specifier}"
        return None if fits else wanted


def _requires(name: str) -> Iterator[Requirement]:
    for text in metadata.requires(name) or ():
        try:
            yield requirement_of(text)
        except InvalidRequirement:
            continue


def distribution_of(module: str) -> str | None:
    """The distribution that provides a module, where its name differs from the module's."""
    return _OF_IMPORT.get(module)


@cache
def host_version() -> Version | None:
    """The version of this product, None when it runs from a source tree that does not say."""
    try:
        return find_version(metadata.version(HOST))
    except metadata.PackageNotFoundError:
        return find_version(str(getattr(sys.modules.get("devserver"), "__version__", None)))
