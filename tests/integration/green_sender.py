"""A process with greenlets that sends while its broker is stalled.

``python -m tests.integration.green_sender URL`` prints "connected", waits for a line, and prints
how many seconds it took until a message was given up, and the longest pause of another greenlet.
"""

from __future__ import annotations

# ruff: noqa: E402, T201 - patched first; printed for the test
import os

os.environ["PSYCOPG_WAIT_FUNC"] = "wait_select"
import eventlet

eventlet.monkey_patch()

import sys
import time

from shared.errors import Unavailable
from shared.rpc.sender import Sender

DEADLINE_S = 0.5


def main() -> None:
    sender = Sender(sys.argv[1], name="tests", user="ledger")
    sender.send(b"1", "reply.gateway.none", ends=time.monotonic() + 10)
    print("connected", flush=True)
    sys.stdin.readline()
    pauses = [0.0]
    ends = False

    def tick() -> None:
        while not ends:
            began = time.monotonic()
            eventlet.sleep(0.01)
            pauses.append(time.monotonic() - began)

    eventlet.spawn(tick)
    began = time.monotonic()
    try:
        for _ in range(100):
            sender.send(b"x" * 300_000, "reply.gateway.none", ends=began + DEADLINE_S)
    except Unavailable:
        ends = True
    print(time.monotonic() - began, max(pauses), flush=True)


if __name__ == "__main__":
    main()
