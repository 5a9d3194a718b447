"""Clients of an application that runs within the test: no socket, no server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from werkzeug.datastructures import Headers
    from werkzeug.test import TestResponse

    from devserver.assembly.embedded import EmbeddedApp


class Answer:
    """An answer that has arrived whole."""

    def __init__(self, response: TestResponse) -> None:
        self.status_code: int = response.status_code
        self.headers: Headers = response.headers
        self.content: bytes = response.get_data()

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """Raises ValueError where the body is no JSON."""
        return json.loads(self.content)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status_code} {self.text[:200]!r}>"


class PluginTestClient:
    """Asks the application in the name of the developer: control calls have its token. Keeps
    cookies from request to request."""

    def __init__(self, app: EmbeddedApp) -> None:
        from werkzeug.test import Client

        self._token = app.token
        self._client = Client(app)

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Answer:
        """The answer to one request. `params` is the query, `headers` are added; `json`, `data`
        and the other `options` are those of werkzeug.test.EnvironBuilder."""
        sent = {"Authorization": f"Bearer {self._token}", **(headers or {})}
        if params is not None:
            options["query_string"] = dict(params)
        response = self._client.open(path, method=method, headers=sent, buffered=True, **options)
        return Answer(response)

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        """Like `ask`, while the event loop goes on."""
        return await asyncio.to_thread(self.ask, method, path, **options)

    async def get(self, path: str, **options: Any) -> Answer:
        """`request` with GET."""
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Answer:
        """`request` with POST."""
        return await self.request("POST", path, **options)

    async def put(self, path: str, **options: Any) -> Answer:
        """`request` with PUT."""
        return await self.request("PUT", path, **options)

    async def patch(self, path: str, **options: Any) -> Answer:
        """`request` with PATCH."""
        return await self.request("PATCH", path, **options)

    async def delete(self, path: str, **options: Any) -> Answer:
        """`request` with DELETE."""
        return await self.request("DELETE", path, **options)
