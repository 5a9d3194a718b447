"""How this program is called and which version it is."""

from __future__ import annotations

import sys


def program_name() -> str:
    """`sysctl`, `sysctl-dev` or `python -m devserver`: what the user typed, for usage and hints."""
    parts = sys.argv[0].replace("\\", "/").split("/") if sys.argv else [""]
    if parts[-2:] == ["devserver", "__main__.py"]:
        return "python -m devserver"
    name = parts[-1]
    return "sysctl-dev" if name == "sysctl-dev" else "sysctl"


def version() -> str:
    """The product's version."""
    from devserver import __version__

    return __version__
