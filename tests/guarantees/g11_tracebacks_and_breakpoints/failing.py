"""A plugin whose route fails."""

from __future__ import annotations

from tests.integration.lab import Lab, plugin

FAILING = """
@router.get("/fail")
def fail():
    {before}
    {statement}
"""


def failing(statement: str, *, before: str = "pass", top: str = "", lead: str = "") -> str:
    """A plugin whose route /fail runs `statement`; `lead` stands above everything."""
    routes = FAILING.format(before=before, statement=statement)
    return lead + plugin("users", top=top, routes=routes)


def traceback_of(lab: Lab) -> str:
    answer = lab.get("/users/fail")
    assert answer.status_code == 500
    return str(answer.json["traceback"])
