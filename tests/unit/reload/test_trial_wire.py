"""Frames over a socket pair."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from devserver.reload.trial_wire import Channel


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    left, right = socket.socketpair()
    with left, right:
        yield Channel(left), Channel(right)


def test_messages_arrive_whole_and_in_order(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    large = {"content": bytes(range(256)) * 20_000}
    sender = threading.Thread(target=lambda: (ours.send({"n": 1}), ours.send(large)))
    sender.start()
    assert theirs.receive() == {"n": 1}
    assert theirs.receive() == large
    sender.join()


def test_the_end_of_the_other_side_is_none(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    ours.send({"last": True})
    ours.cut()
    assert theirs.receive() == {"last": True}
    assert theirs.is_cut()
    assert theirs.receive() is None


def test_a_message_that_breaks_off_is_none(ends: tuple[Channel, Channel]) -> None:
    left, right = socket.socketpair()
    with left, right:
        left.sendall(b"\x10\0\0\0\0\0\0\0half")
        left.shutdown(socket.SHUT_WR)
        assert Channel(right).receive() is None


def test_a_deadline_ends_the_wait_for_a_message(ends: tuple[Channel, Channel]) -> None:
    _, theirs = ends
    with pytest.raises(TimeoutError):
        theirs.receive(time.monotonic() + 0.01)
    assert not theirs.is_cut()


def test_a_deadline_ends_the_wait_for_one_who_does_not_read(
    ends: tuple[Channel, Channel],
) -> None:
    ours, _ = ends
    with pytest.raises(TimeoutError):
        ours.send({"content": bytes(50_000_000)}, time.monotonic() + 0.05)


def test_one_who_waits_is_woken_by_a_cut(ends: tuple[Channel, Channel]) -> None:
    ours, _ = ends
    answers: list[object] = []
    waiter = threading.Thread(target=lambda: answers.append(ours.receive()))
    waiter.start()
    ours.cut()
    waiter.join(10)
    assert answers == [None]
