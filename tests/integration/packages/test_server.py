"""Packages over HTTP and by the command line, on a server that is a process of its own."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.e2e.running import COMMAND, PATIENCE, Running, environment, fetch, sysctl
from tests.integration.lab import wait_for
from tests.integration.packages.zips import Entry, package, plugin_source

FAILS = "\n    def initialize(self):\n        return False\n"
WAITS = """
    def initialize(self):
        import pathlib, time
        pathlib.Path({mark!r}).touch()
        while not pathlib.Path({gate!r}).exists():
            time.sleep(0.01)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "plugins").mkdir(parents=True)
    (root / "config").mkdir()
    (root / "config" / "hot-loading.yaml").write_text(
        "hot_loading: {safety: {trial_process: false}}\n"
    )
    (root / "config" / "main.yaml").write_text("packages: {max_bytes: 200000}\n")
    return root


@pytest.fixture
def server(project: Path) -> Iterator[Running]:
    running = Running(project)
    yield running
    running.close()


def url_of(server: Running) -> str:
    return str(server.wait_for("ready")["url"])


def send(url: str, content: bytes, query: str = "") -> tuple[int, dict[str, Any]]:
    """`curl -F file=@users.zip`."""
    head = b'--mark\r\nContent-Disposition: form-data; name="file"; filename="users.zip"\r\n\r\n'
    request = Request(
        f"{url}admin/plugins/install{query}",
        data=head + content + b"\r\n--mark--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=mark"},
    )
    return answered(request)


def answered(request: Request) -> tuple[int, dict[str, Any]]:
    try:
        with urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def version(url: str) -> str:
    return str(fetch(url, "/users/version")["version"])


def test_packages_over_http(server: Running) -> None:
    url = url_of(server)
    status, told = send(url, package())
    assert (status, told["status"], told["name"], told["version"]) == (
        200, "installed", "users", "1.0.0",
    )  # fmt: skip
    status, told = send(url, package(version="2.0.0"), "?preview=true")
    assert (status, told["files"]["changed"], version(url)) == (
        200, ["manifest.json", "plugin.py"], "1.0.0",
    )  # fmt: skip
    status, told = send(url, package(Entry("../evil", b"x")))
    assert (status, told["diagnostics"][0]["code"]) == (422, "PKG002")
    assert told["error"]
    assert told["hint"]
    status, told = send(url, package(version="2.0.0", tail="\nimport there_is_none\n"))
    assert (status, told["diagnostics"][0]["code"]) == (422, "IMP001")
    status, told = send(url, package(version="2.0.0", tail=FAILS))
    assert (status, told["status"], told["outcome"]["rolled_back"]) == (409, "failed", True)
    assert "initialize" in told["error"]
    assert version(url) == "1.0.0"
    assert send(url, package(version="2.0.0"))[0] == 200
    asked = Request(f"{url}admin/plugins/users/load", data=b'{"version": "1.0"}')
    asked.add_header("Content-Type", "application/json")
    assert (answered(asked)[0], version(url)) == (200, "1.0.0")
    assert fetch(url, "/admin/plugins/users/versions")["versions"] == ["1.0.0", "2.0.0"]
    assert answered(Request(f"{url}admin/plugins/users/uninstall", method="POST"))[0] == 200
    assert answered(Request(f"{url}users/version"))[0] == 404
    assert answered(Request(f"{url}admin/plugins/users/versions"))[0] == 404
    assert answered(Request(f"{url}admin/plugins/users/uninstall", method="POST"))[0] == 404


def test_what_is_no_upload_is_told(server: Running) -> None:
    url = url_of(server)
    status, told = answered(Request(f"{url}admin/plugins/install", data=b"PK", method="POST"))
    assert status == 400
    assert "curl -F file=@" in told["hint"]


def test_a_form_that_is_refused_for_its_parts_is_not_called_too_large(server: Running) -> None:
    url = url_of(server)
    part = b'--mark\r\nContent-Disposition: form-data; name="x"\r\n\r\n%s\r\n'
    for parts in (part % b"" * 3000, part % bytes(150_000)):
        request = Request(
            f"{url}admin/plugins/install",
            data=parts + b"--mark--\r\n",
            headers={"Content-Type": "multipart/form-data; boundary=mark"},
        )
        status, told = answered(request)
        assert (status, "curl -F file=@" in told["hint"]) == (400, True)


@pytest.mark.parametrize("path", ["/tmp/\ud800x", "/tmp/\0x"])
def test_a_path_that_is_none_is_told(server: Running, path: str) -> None:
    url = url_of(server)
    for name, body in (("users", {"path": path}), ("a" * 300, {"version": "1.0"})):
        asked = Request(f"{url}admin/plugins/{name}/load", data=json.dumps(body).encode())
        asked.add_header("Content-Type", "application/json")
        assert answered(asked)[0] == (400 if name == "users" else 404)


def test_receiving_ends_where_it_gets_too_large(server: Running) -> None:
    url = url_of(server)
    status, told = send(url, bytes(300_000))
    assert status == 413
    assert "packages.max_bytes" in told["hint"]
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    head = (
        f"POST /admin/plugins/install HTTP/1.1\r\nHost: {host}:{port}\r\n"
        "Content-Type: multipart/form-data; boundary=mark\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    part = b'--mark\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    sent = 0
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(head.encode() + b"%x\r\n%s\r\n" % (len(part), part))
        answer = b""
        connection.settimeout(0.05)
        while not answer and sent < 50_000_000:
            connection.settimeout(PATIENCE)
            try:
                connection.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
                sent += 65536
                connection.settimeout(0.001)
                answer = connection.recv(100)
            except TimeoutError:
                continue
            except OSError:
                break
        assert sent < 10_000_000
    assert version_is_served(url)


def version_is_served(url: str) -> bool:
    return bool(fetch(url, "/api/hot-reload/status")["status"])


def test_the_command_line_with_a_server(server: Running, project: Path) -> None:
    url = url_of(server)
    (project / "a.zip").write_bytes(package())
    (project / "b.zip").write_bytes(package(version="2.0.0", tail=FAILS))
    (project / "c.zip").write_bytes(package(Entry("/etc/x", b"")))
    shared = "\n    seen = []\n    def see(self):\n        self.seen.append(1)\n"
    (project / "d.zip").write_bytes(package(version="3.0.0", tail=shared))
    asked = sysctl(project, "plugins", "install", "a.zip")
    assert (asked.returncode, "--yes" in asked.stderr) == (2, True)
    assert "+ 2 files added: manifest.json, plugin.py" in asked.stderr
    done = sysctl(project, "plugins", "install", "a.zip", "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("users 1.0.0 installed: ")
    assert version(url) == "1.0.0"
    failed = sysctl(project, "plugins", "install", "b.zip", "-y")
    assert (failed.returncode, "initialize" in failed.stdout) == (6, True)
    refused = sysctl(project, "plugins", "install", "c.zip", "--yes", "--json")
    assert (refused.returncode, "PKG002" in refused.stderr) == (5, True)
    assert [d["code"] for d in json.loads(refused.stdout)["diagnostics"]] == ["PKG002"]
    warned = sysctl(project, "plugins", "install", "d.zip", "--yes")
    assert (warned.returncode, "warning: STR014 " in warned.stdout) == (0, True)
    back = sysctl(project, "plugins", "load", "users", "--version", "1.0", "--json")
    assert (back.returncode, json.loads(back.stdout)["previous"]) == (0, "3.0.0")
    assert version(url) == "1.0.0"
    (project / "plugins" / "users" / "mine.txt").write_text("mine")
    edited = sysctl(project, "plugins", "uninstall", "users")
    assert (edited.returncode, "PKG016" in edited.stderr) == (5, True)
    gone = sysctl(project, "plugins", "uninstall", "users", "--force")
    assert gone.returncode == 0
    assert "note: what stood there is kept in " in gone.stdout
    assert sysctl(project, "plugins", "uninstall", "users").returncode == 3
    assert server.process.poll() is None


def test_a_large_package_is_received_where_it_is_allowed(project: Path) -> None:
    (project / "config" / "main.yaml").write_text("packages: {max_bytes: 40000000}\n")
    running = Running(project)
    try:
        content = package(Entry("users/data.bin", os.urandom(20_000_000), method=0))
        status, told = send(url_of(running), content)
        assert (status, told["status"]) == (200, "installed")
    finally:
        running.close()


def test_a_plugin_elsewhere_by_the_command_line(
    server: Running, project: Path, tmp_path: Path
) -> None:
    url = url_of(server)
    place = tmp_path / "elsewhere"
    place.mkdir()
    (place / "plugin.py").write_bytes(plugin_source())
    done = sysctl(project, "plugins", "load", "users", "--path", "../elsewhere")
    assert (done.returncode, done.stdout.startswith("users loaded: ")) == (0, True)
    assert version(url) == "1.0.0"
    (place / "plugin.py").write_bytes(plugin_source(version="1.0.1"))
    wait_for(lambda: version(url) == "1.0.1", "the edit")
    (place / "plugin.py").write_bytes(b"def broken(:")
    again = sysctl(project, "plugins", "load", "users", "--path", str(place))
    assert (again.returncode, "SYN002" in again.stdout) == (5, True)
    missing = sysctl(project, "plugins", "load", "other", "--from-package")
    assert missing.returncode == 1
    assert "no installed distribution offers a plugin 'other'" in missing.stderr
    empty = sysctl(project, "plugins", "load", "other", "--path", "config")
    assert (empty.returncode, "there is no plugin in" in empty.stderr) == (1, True)
    both = sysctl(project, "plugins", "load", "x", "--from-package", "--version", "1")
    assert both.returncode == 2


def test_a_plugin_elsewhere_needs_a_server(project: Path) -> None:
    assert sysctl(project, "plugins", "load", "users", "--path", "config").returncode == 4


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 1), (b"y\n", 0)])
def test_the_command_line_asks_before_it_installs(project: Path, answer: bytes, code: int) -> None:
    (project / "a.zip").write_bytes(package())
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer)
        done = subprocess.run(
            [*COMMAND, "plugins", "install", "a.zip"],
            cwd=project,
            env=environment(),
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=PATIENCE * 2,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert (done.returncode, "Install users 1.0.0?" in done.stderr) == (code, True)
    assert (project / "plugins" / "users").exists() is (code == 0)


def test_what_is_refused_anyway_is_not_asked_for(project: Path) -> None:
    (project / "a.zip").write_bytes(package(version="2.0.0"))
    (project / "plugins" / "users").mkdir()
    (project / "plugins" / "users" / "plugin.py").write_bytes(plugin_source())
    edited = sysctl(project, "plugins", "install", "a.zip")
    assert (edited.returncode, "PKG016" in edited.stderr) == (5, True)
    assert "users 2.0.0, instead of 1.0.0 with content of its own" in edited.stderr
    needs = package(Entry("users/requirements.txt", b"there-is-none"), version="2.0.0")
    (project / "b.zip").write_bytes(needs)
    missing = sysctl(project, "plugins", "install", "b.zip", "--force")
    assert (missing.returncode, "PKG018" in missing.stderr) == (5, True)


def test_the_command_line_without_a_server(project: Path) -> None:
    (project / "a.zip").write_bytes(package())
    (project / "b.zip").write_bytes(package(version="2.0.0"))
    (project / "c.zip").write_bytes(b"PK\x03\x04")
    for name in ("a.zip", "b.zip"):
        done = sysctl(project, "plugins", "install", name, "--yes")
        assert (done.returncode, done.stderr) == (0, "")
        assert "next start" in done.stdout
    assert sysctl(project, "plugins", "install", "c.zip", "--yes").returncode == 5
    assert sysctl(project, "plugins", "load", "users", "--version", "1.0.0").returncode == 0
    assert b"1.0.0" in (project / "plugins" / "users" / "plugin.py").read_bytes()
    unknown = sysctl(project, "plugins", "load", "users", "--version", "7")
    assert (unknown.returncode, "installed are 1.0.0, 2.0.0" in unknown.stderr) == (1, True)
    orders = project / "plugins" / "orders.py"
    orders.write_bytes(plugin_source("orders", more="\nimport plugins.users\n"))
    needed = sysctl(project, "plugins", "uninstall", "users")
    assert (needed.returncode, "IMP003" in needed.stdout) == (5, True)
    orders.unlink()
    assert sysctl(project, "plugins", "uninstall", "users").returncode == 0
    assert [*(project / "plugins").iterdir()] == []


def test_a_server_that_is_killed_in_the_middle_starts_with_the_old_version(
    project: Path, tmp_path: Path
) -> None:
    mark, gate = tmp_path / "mark", tmp_path / "gate"
    first = Running(project)
    try:
        url = url_of(first)
        assert send(url, package())[0] == 200
        waits = WAITS.format(mark=str(mark), gate=str(gate))
        (project / "b.zip").write_bytes(package(version="2.0.0", tail=waits))
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(sysctl, project, "plugins", "install", "b.zip", "--yes")
            wait_for(mark.exists, "the new version's initialize()")
            assert b"2.0.0" in (project / "plugins" / "users" / "plugin.py").read_bytes()
            first.process.send_signal(signal.SIGKILL)
            done = sending.result()
        assert (done.returncode, "what became of it is unknown" in done.stderr) == (1, True)
    finally:
        first.close()
    second = Running(project)
    try:
        url = url_of(second)
        assert version(url) == "1.0.0"
        names = {p.name for p in (project / "plugins").iterdir()}
        assert names <= {"users", "__pycache__"}
        gate.touch()
        assert send(url, package(version="2.0.0", tail=waits))[0] == 200
        assert version(url) == "2.0.0"
    finally:
        second.close()


def test_what_was_saved_while_an_installation_failed_is_told(
    server: Running, project: Path, tmp_path: Path
) -> None:
    mark, gate = tmp_path / "mark", tmp_path / "gate"
    url = url_of(server)
    assert send(url, package())[0] == 200
    waits = WAITS.format(mark=str(mark), gate=str(gate)) + "        raise RuntimeError('boom')\n"
    (project / "b.zip").write_bytes(package(version="2.0.0", tail=waits))
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(sysctl, project, "plugins", "install", "b.zip", "--yes")
        wait_for(mark.exists, "the new version's initialize()")
        (project / "plugins" / "users" / "plugin.py").write_bytes(plugin_source(version="1.0.1"))
        gate.touch()
        done = pending.result()
    told = "note: what was saved meanwhile stands in plugins/users"
    assert (done.returncode, told in done.stdout) == (6, True)
    wait_for(lambda: version(url) == "1.0.1", "the save")


def test_wrong_limits_are_told_when_the_file_is_read(project: Path) -> None:
    for text in ("{max_bytes: 0}", "{max_files: many}", "{max_ratio: 1.5}", "{most: 3}"):
        (project / "config" / "main.yaml").write_text(f"packages: {text}\n")
        (project / "a.zip").write_bytes(package())
        done = sysctl(project, "plugins", "install", "a.zip", "--yes")
        assert done.returncode == 1
        assert "config/main.yaml:1:" in done.stderr
