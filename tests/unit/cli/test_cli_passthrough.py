from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from devserver.cli.main import main
from devserver.cli.passthrough import is_kernel_call, run_kernel_tool

KERNEL = [
    "-a", "-A", "-X", "-b", "-e", "-N", "-n", "-p", "-f", "-r", "-q", "-w", "-x", "-d", "-o", "-V",
    "-p/etc/sysctl.conf", "-nw", "-ne kernel.ostype",
    "--all", "--deprecated", "--dry-run", "--binary", "--ignore", "--names", "--values", "--load",
    "--load=/etc/x", "--system", "--sys", "--pattern", "--pattern=^net", "--quiet", "--write",
    "kernel.ostype", "kernel/ostype", "vm.swappiness=10", "net.ipv4.ip_forward", "dev.cdrom.info",
    "a=b", "kernel", "-- kernel.ostype",
]  # fmt: skip
OURS = [
    "", "dev", "plugins", "plugin", "database", "instances", "doctor", "start",
    "--help", "-h", "--version", "--dev-mode", "--dev-mode start", "--json", "--json plugins list",
    "--project", "--project=/a.b/c", "--project /a.b plugins list", "--nonsense", "-z", "--", "-",
    "plugins run users add a.b=c", "wat", "--", "--p", "--de",
]  # fmt: skip


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    for name in ("kernel", "dev", "vm"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.mark.parametrize("call", KERNEL)
def test_a_call_in_the_kernel_tools_form_is_passed_on(call: str, proc: Path) -> None:
    assert is_kernel_call(call.split(), proc=proc)


@pytest.mark.parametrize("call", OURS)
def test_our_own_words_and_unknown_ones_stay_ours(call: str, proc: Path) -> None:
    assert not is_kernel_call(call.split(), proc=proc)


def script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_the_first_tool_that_exists_replaces_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = script(tmp_path / "sysctl", "#!/bin/sh\nexit 7\n")
    executed: list[object] = []
    monkeypatch.setattr("os.execv", lambda *call: executed.append(call))
    run_kernel_tool(["-n", "a.b"], tools=[str(tmp_path / "none"), str(tool)])
    assert executed[0] == (str(tool), [str(tool), "-n", "a.b"])


def test_our_own_script_in_the_tools_place_is_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = script(
        tmp_path / "sysctl",
        "#!/usr/bin/python\nfrom devserver.cli.main import main\nraise SystemExit(main())\n",
    )
    link = tmp_path / "link"
    link.symlink_to(ours)
    called = script(tmp_path / "called", "#!/bin/sh\n")
    monkeypatch.setattr(sys, "argv", [str(called)])
    monkeypatch.setattr("os.execv", lambda *call: pytest.fail(f"ran {call}"))
    assert run_kernel_tool(["a.b"], tools=[str(ours), str(link), str(called)]) == 1
    assert "not on this machine" in capsys.readouterr().err


def test_without_a_kernel_tool_the_message_says_where_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("devserver.cli.passthrough.run_kernel_tool.__kwdefaults__", {"tools": ()})
    assert main(["-a"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert "hint: install it (Debian: the package procps)" in printed.err
