"""`python -m devserver`: the same as the command `sysctl`."""

from __future__ import annotations

import sys

from devserver.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
