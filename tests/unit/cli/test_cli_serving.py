from __future__ import annotations

import os
import signal
import threading

import pytest
from cli_fakes import FakeServer
from test_cli_terminal import RecordingView

from devserver.cli.failures import ExitCode
from devserver.cli.serving import Serving
from devserver.cli.terminal import Terminal
from devserver.core.errors import DevServerError


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def serve(server: FakeServer, *signals: int) -> tuple[int, list[str]]:
    """Runs a server and sends signals once it is ready; the exit code and what was said."""
    view = RecordingView()
    terminal = Terminal(view)
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    def on_ready() -> None:
        for number in signals:
            send(number)

    code = Serving(server, terminal).run(on_ready)
    terminal.close()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    return code, view.told


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, 0), (signal.SIGHUP, 0)],
)
def test_the_first_signal_stops_with_grace(number: int, code: int) -> None:
    server = FakeServer()
    found, said = serve(server, number)
    assert found == code
    assert server.calls == ["start", ("stop", 5.0)]
    assert said == ["stopping; Ctrl-C again ends at once", "stopped"]


def test_a_second_ctrl_c_ends_at_once_although_the_first_stop_hangs() -> None:
    stopping, ended = threading.Event(), threading.Event()
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    def hang() -> None:
        stopping.set()
        ended.wait(30)

    server = FakeServer(during_stop=hang)
    terminal = Terminal(RecordingView())

    def on_ready() -> None:
        send(signal.SIGINT)
        stopping.wait(30)
        send(signal.SIGINT)

    Serving(server, terminal, end=end).run(on_ready)
    assert ended.wait(30)  # `run` may come back first: the server has ended by then
    terminal.close()
    assert codes == [130]
    assert server.calls == ["start", ("stop", 5.0), "stop_now"]


def test_a_second_term_tells_that_it_was_cut_short() -> None:
    ended = threading.Event()
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    server = FakeServer(during_stop=lambda: ended.wait(30))

    def on_ready() -> None:
        send(signal.SIGTERM)
        send(signal.SIGTERM)

    terminal = Terminal(RecordingView())
    Serving(server, terminal, end=end).run(on_ready)
    assert ended.wait(30)
    terminal.close()
    assert codes == [143]


def test_ctrl_c_while_starting_breaks_the_start_off() -> None:
    server = FakeServer(during_start=lambda: send(signal.SIGINT))
    code, said = serve(server)
    assert code == ExitCode.INTERRUPTED
    assert (server.calls, said) == (["start"], [])


def test_a_server_that_ends_by_itself_ends_the_command() -> None:
    server = FakeServer()
    terminal = Terminal(RecordingView())
    code = Serving(server, terminal).run(lambda: server.stop(0))
    terminal.close()
    assert code == ExitCode.OK


def test_what_start_raises_reaches_the_caller() -> None:
    def taken() -> None:
        raise DevServerError("port 8080 is taken", hint="--port 0 takes a free one")

    terminal = Terminal(RecordingView())
    with pytest.raises(DevServerError, match="taken"):
        Serving(FakeServer(during_start=taken), terminal).run(lambda: None)
    terminal.close()
