"""Stop signals for processes with green threads: a signal must wake the hub."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable

import eventlet


def on_stop_signal(end: Callable[[], None]) -> None:
    """Call ``end`` in a greenlet at the first SIGTERM or SIGINT.

    A greenlet that a signal handler spawns runs only when the hub wakes up for something else. So
    the signal writes to a socket, which wakes the greenlet that reads from it.
    """
    reading, writing = socket.socketpair()
    writing.setblocking(False)

    def wait_for_signal() -> None:
        reading.recv(1)
        signal.set_wakeup_fd(-1)
        for open_end in (reading, writing):
            open_end.close()
        end()

    signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    eventlet.spawn_n(wait_for_signal)
