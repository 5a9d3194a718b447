"""`sysctl dev token`: a token for somebody else, and what config/main.yaml has to hold of it."""

from __future__ import annotations

import hashlib
import json
import secrets
import sys

import click

from devserver.cli.commands import Command, Invocation, examples, pass_invocation
from devserver.cli.output import print_document

_LEAST = 16
"""Characters that a token of one's own needs: its hash stands in a file that is shared."""


@click.command(
    cls=Command,
    epilog=examples(
        "dev token ci --permission 'admin.plugins.*'",
        "dev token reader -p users.view -p orders.view",
        "dev token ci --stdin < token.txt",
    ),
)
@click.argument("name", metavar="NAME")
@click.option(
    "-p",
    "--permission",
    "permissions",
    multiple=True,
    metavar="KEY",
    help="What it grants; may end in `.*`. Give it several times for several.",
)
@click.option("--stdin", is_flag=True, help="Read the token instead of making one.")
@pass_invocation
def token(invocation: Invocation, *, name: str, permissions: tuple[str, ...], stdin: bool) -> None:
    """Make a token and show what to write into config/main.yaml.

    The file holds its SHA-256 alone; the token itself is shown this once. The server takes it
    from the moment that the file is saved, and no longer once it is taken out.
    """
    made = sys.stdin.readline().strip() if stdin else secrets.token_urlsafe(32)
    if len(made) < _LEAST:
        raise click.UsageError(
            f"a token needs at least {_LEAST} characters; standard input had {len(made)}"
        )
    digest = hashlib.sha256(made.encode()).hexdigest()
    entry = {"name": name, "sha256": digest, "permissions": list(permissions)}
    if invocation.as_json:
        print_document({**({} if stdin else {"token": made}), "entry": entry})
        return
    if not stdin:
        print(f"token (shown once): {made}\n")
    print("in config/main.yaml, below `auth:` and `tokens:`\n")
    print(f"    - name: {json.dumps(name)}\n      sha256: {digest}")
    print(f"      permissions: {json.dumps(list(permissions))}")
