"""Names of hosts are resolved in a thread, while other greenlets run."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

PATCHED = """
import json, os, socket, sys, time, warnings
warnings.simplefilter("ignore")
os.environ["EVENTLET_NO_GREENDNS"] = "yes"
wait, slow = time.sleep, []
system = socket.getaddrinfo


def slowly(host, port, *arguments):
    try:
        return system(host, port, *arguments)
    except socket.gaierror:
        if arguments[-1] & socket.AI_NUMERICHOST:
            raise
        slow.append(host)
        wait(0.5)
        return system("127.0.0.1", port, *arguments)


socket.getaddrinfo = slowly
import eventlet
eventlet.monkey_patch()
from eventlet import tpool
from eventlet.green import socket as green_socket
from shared.green_names import resolve_in_threads
resolve_in_threads(tpool.execute, green_socket)


def turn():
    while True:
        turns.append(None)
        eventlet.sleep(0.01)


turns = []
turning = eventlet.spawn(turn)
with socket.create_server(("127.0.0.1", 0)) as listener:
    port = listener.getsockname()[1]
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    numeric = list(slow)
    socket.create_connection(("saldo.invalid", port), timeout=5).close()
turning.kill()
json.dump({"numeric": numeric, "slow": slow, "turns": len(turns)}, sys.stdout)
"""


def test_greenlets_run_while_a_name_is_resolved() -> None:
    found = _run()
    assert found["slow"] == ["saldo.invalid"]
    assert found["turns"] > 5


def test_an_address_is_not_looked_up() -> None:
    assert _run()["numeric"] == []


def _run() -> dict[str, Any]:
    command = [sys.executable, "-c", PATCHED]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    found: dict[str, Any] = json.loads(result.stdout)
    return found
