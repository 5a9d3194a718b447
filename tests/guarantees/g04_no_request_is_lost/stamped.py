"""Three plugins whose answers say of which generation each part of them was made."""

from __future__ import annotations

import json
from typing import Any

# Executed once in each generation, so that two of them never have the same.
MARK = "import uuid\nMARK = uuid.uuid4().hex\n"

RATES = """
from devserver.sdk import BasePlugin
from .mark import MARK

EDIT = {edit}

class Rates(BasePlugin):
    name = "rates"
    version = "1.0.0"

    def on_load(self, ctx):
        ctx.services.register("rates.mark", lambda: MARK)
"""

SHOP = """
from devserver.sdk import BasePlugin
from plugins.rates.plugin import MARK as RATES
from .mark import MARK

EDIT = {edit}

class Shop(BasePlugin):
    name = "shop"
    version = "1.0.0"

    def on_load(self, ctx):
        ctx.services.register("shop.marks", self.marks)

    def marks(self):
        return {{"shop": MARK, "imported": RATES, "service": self.get_service("rates.mark")()}}
"""

REPORT = """
import asyncio
import json
import time

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from flask import Response, request

from devserver.sdk import BasePlugin
from plugins.rates.plugin import MARK as RATES
from plugins.shop.plugin import MARK as SHOP
from .mark import MARK

EDIT = {edit}
MEGABYTE = "x" * 1024 * 1024


class Report(BasePlugin):
    name = "report"
    version = "1.0.0"

    def own(self):
        from plugins.rates.mark import MARK as rates
        from .mark import MARK as mine
        return {{"report": [MARK, mine], "rates": [RATES, rates], "shop": [SHOP]}}

    def stamp(self):
        made, shop = self.own(), self.get_service("shop.marks")()
        made["rates"] += [self.get_service("rates.mark")(), shop["imported"], shop["service"]]
        made["shop"].append(shop["shop"])
        return made

    def register_routes(self, app, router):
        @router.get("/stamp")
        def stamp():
            return json.dumps(self.stamp()), 200, {{"X-Stamp": json.dumps(self.stamp())}}

        @router.get("/edits")
        def edits():
            from plugins.rates.plugin import EDIT as rates
            from plugins.shop.plugin import EDIT as shop
            return {{"rates": rates, "shop": shop, "report": EDIT}}

        @router.get("/sleep")
        def sleep():
            first = self.stamp()
            time.sleep(0.02)
            return [first, self.stamp()]

        @router.get("/async")
        async def later():
            first = self.stamp()
            await asyncio.sleep(0.005)
            return [first, self.stamp()]

        @router.post("/upload")
        def upload():
            first = self.stamp()
            return {{"size": len(request.get_data()), "stamps": [first, self.stamp()]}}

        @router.get("/large")
        def large():
            return {{"stamps": [self.stamp()], "filling": MEGABYTE}}

        @router.get("/stream")
        def stream():
            def parts():
                for _ in range(5):
                    yield json.dumps(self.own()) + "\\n"
                    time.sleep(0.002)
            return Response(parts(), mimetype="application/x-ndjson")

    def get_api_routes(self):
        api = APIRouter(prefix="/api")

        async def first():
            made = self.stamp()
            yield made
            await asyncio.sleep(0.001)
            assert made == self.stamp()

        @api.get("/later")
        async def later(first=Depends(first)):
            await asyncio.sleep(0.005)
            return [first, self.stamp()]

        @api.get("/plain")
        def plain(first=Depends(first)):
            return [first, self.stamp()]

        @api.post("/upload")
        async def upload(request: Request):
            first = self.stamp()
            return {{"size": len(await request.body()), "stamps": [first, self.stamp()]}}

        @api.get("/stream")
        async def stream():
            async def parts():
                for _ in range(5):
                    yield json.dumps(self.own()) + "\\n"
                    await asyncio.sleep(0.002)
            return StreamingResponse(parts())

        return [api]
"""

FILE = "0123456789" * 1000


def sources(edit: int) -> dict[str, str]:
    """The files that are edited; each is another text for another number."""
    return {
        "rates": RATES.format(edit=edit),
        "shop": SHOP.format(edit=edit),
        "report": REPORT.format(edit=edit),
    }


def files() -> dict[str, str]:
    """All files of the three plugins."""
    marks = {f"{name}/mark.py": MARK for name in ("rates", "shop", "report")}
    return {**sources(0), **marks, "report/static/digits.txt": FILE}


def mixtures(stamps: Any) -> list[str]:
    """Plugins of which one answer has shown two generations; `stamps` is one or a list."""
    seen: dict[str, set[str]] = {}
    for stamp in stamps if isinstance(stamps, list) else [stamps]:
        for plugin, marks in stamp.items():
            seen.setdefault(plugin, set()).update(marks)
    return [f"{plugin}: {sorted(marks)}" for plugin, marks in seen.items() if len(marks) != 1]


def lines(body: bytes) -> list[Any]:
    return [json.loads(line) for line in body.splitlines()]
