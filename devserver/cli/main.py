"""The entry of `sysctl`, `sysctl-dev` and `python -m devserver`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from devserver.cli.passthrough import is_kernel_call, run_kernel_tool


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and gives its exit code. A call in the form of the kernel's sysctl
    becomes that program, and does not return."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if is_kernel_call(arguments):
            return run_kernel_tool(arguments)
        if arguments[:1] == ["--version"]:
            return _print_version()
        from devserver.cli.application import end_process, run

        code = run(arguments)
        return end_process(code) if argv is None else code
    except KeyboardInterrupt:
        return 130


def _print_version() -> int:
    from devserver.cli.program import version

    print(f"sysctl dev server {version()}")
    return 0
