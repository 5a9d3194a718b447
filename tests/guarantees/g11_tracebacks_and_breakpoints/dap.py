"""A client of the Debug Adapter Protocol, as far as breakpoints need it."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Callable
from typing import Any

PATIENCE = 20.0


class DapClient:
    """Attaches to a debugger that listens on a port of this machine."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._socket.settimeout(None)
        self._stream = self._socket.makefile("rb")
        self._numbers = itertools.count(1)
        self._arrived = threading.Condition()
        self._messages: list[dict[str, Any]] = []
        self.events: list[str] = []
        """The names of all events, as they came."""
        self._reader = threading.Thread(target=self._read, name="dap-reader")
        self._reader.start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._stream.close()
        self._socket.close()

    # -- messages ------------------------------------------------------------------------------

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """The body of the answer."""
        number = self.send(command, **arguments)
        answer = self._take(lambda m: m.get("request_seq") == number)
        assert answer["success"], answer
        return dict(answer.get("body") or {})

    def send(self, command: str, **arguments: Any) -> int:
        number = next(self._numbers)
        message = {"seq": number, "type": "request", "command": command, "arguments": arguments}
        content = json.dumps(message).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(content), content))
        return number

    def wait_event(self, name: str) -> dict[str, Any]:
        """The body of the next event of that name."""
        return dict(self._take(lambda m: m.get("event") == name).get("body") or {})

    def _take(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        with self._arrived:
            came = self._arrived.wait_for(lambda: any(map(fits, self._messages)), PATIENCE)
            assert came, self._messages[-5:]
            found = next(m for m in self._messages if fits(m))
            self._messages.remove(found)
            return found

    def _read(self) -> None:
        while header := self._stream.readline():
            length = int(header.split(b":")[1])
            while self._stream.readline().strip():
                continue
            message = json.loads(self._stream.read(length))
            with self._arrived:
                self._messages.append(message)
                if message["type"] == "event":
                    self.events.append(message["event"])
                self._arrived.notify_all()

    # -- what an editor does -------------------------------------------------------------------

    def attach(self, breakpoints: dict[str, list[int]]) -> None:
        """As an editor does with its defaults."""
        self.ask("initialize", adapterID="debugpy", linesStartAt1=True, pathFormat="path")
        number = self.send("attach", justMyCode=True)
        self.wait_event("initialized")
        for file, lines in breakpoints.items():
            self.set_breakpoints(file, lines)
        self.ask("configurationDone")
        self._take(lambda m: m.get("request_seq") == number)

    def set_breakpoints(self, file: str, lines: list[int]) -> None:
        answer = self.ask(
            "setBreakpoints",
            source={"path": file},
            breakpoints=[{"line": line} for line in lines],
            sourceModified=True,
        )
        assert all(each["verified"] for each in answer["breakpoints"])

    def wait_stopped(self) -> Stop:
        event = self.wait_event("stopped")
        [frame] = self.ask("stackTrace", threadId=event["threadId"], levels=1)["stackFrames"]
        return Stop(self, event, frame)


class Stop:
    """A thread that has stopped; `reason`, `line` and `name` (of the function) say where."""

    def __init__(self, client: DapClient, event: dict[str, Any], frame: dict[str, Any]) -> None:
        self._client = client
        self._frame = frame["id"]
        self.thread = event["threadId"]
        self.reason = event["reason"]
        self.line = frame["line"]
        self.name = frame["name"]

    def variables(self) -> dict[str, str]:
        """Local names and how their values are shown."""
        scope = self._client.ask("scopes", frameId=self._frame)["scopes"][0]
        found = self._client.ask("variables", variablesReference=scope["variablesReference"])
        return {each["name"]: each["value"] for each in found["variables"]}

    def evaluate(self, text: str) -> str:
        return str(self._client.ask("evaluate", expression=text, frameId=self._frame)["result"])

    def step(self) -> Stop:
        """To the next line."""
        self._client.ask("next", threadId=self.thread)
        return self._client.wait_stopped()

    def go_on(self) -> None:
        self._client.ask("continue", threadId=self.thread)
