"""psycopg waits by eventlet's hub: others run meanwhile, and nobody waits for what is there."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

PATCHED = """
import json, os, socket, sys, time, warnings
warnings.simplefilter("ignore")
os.environ["EVENTLET_NO_GREENDNS"] = "yes"
os.environ["PSYCOPG_WAIT_FUNC"] = "wait_select"
import eventlet
eventlet.monkey_patch()
from eventlet import hubs, patcher
from shared.green_waits import wait_by_hub
wait_by_hub(hubs.get_hub, eventlet.getcurrent, patcher.original("select").poll)
import psycopg
from psycopg import waiting

READ, WRITE, BOTH = waiting.WAIT_R, waiting.WAIT_W, waiting.WAIT_RW
ours, theirs = socket.socketpair()
turns = []


def turn():
    while True:
        turns.append(None)
        eventlet.sleep(0.01)


def asks(*wanted):
    # As psycopg's generators: each yields what it waits for, and is sent what is ready.
    found = []
    for one in wanted:
        ready = 0
        while not ready:
            ready = yield one
            found.append(int(ready))
    return found


def wait(*wanted, **limits):
    before = len(turns)
    found = waiting.wait(asks(*wanted), ours.fileno(), **limits)
    return {"ready": [one for one in found if one], "looks": len(found),
            "turns": len(turns) - before}


def told():
    try:
        return wait(READ, interval=0.05, timeout=0.2)
    except psycopg.errors._WaitTimeout:
        return "timeout"


found = {"READ": int(READ), "WRITE": int(WRITE)}
eventlet.spawn(turn)
eventlet.sleep(0)
eventlet.spawn_after(0.15, theirs.send, b"1")
found["reply"] = wait(READ, interval=0.05)
ours.recv(1)
found["writable"] = wait(BOTH, BOTH, BOTH, BOTH)
theirs.send(b"1")
found["both"] = wait(BOTH, READ)
found["stream"] = wait(*[READ] * 100_000)["turns"]
ours.recv(1)
found["silence"] = told()


def full():
    ours.setblocking(False)
    try:
        while True:
            ours.send(bytes(65_536))
    except BlockingIOError:
        pass


def room():
    while theirs.recv(2**20):
        pass


full()
draining = eventlet.spawn_after(0.05, room)
began = time.monotonic()
found["room"] = wait(WRITE, interval=5.0) | {"seconds": time.monotonic() - began}
eventlet.kill(draining)


def given_up():
    with eventlet.Timeout(0.05, False):
        wait(READ, interval=5.0)
        return "a reply"
    return "given up"


began = time.monotonic()
found["limit"] = [given_up(), given_up(), time.monotonic() - began]
eventlet.spawn_after(0.05, theirs.send, b"1")
found["afterwards"] = wait(READ, interval=5.0)["ready"]
ours.recv(1)


class Bumped(Exception):
    pass


def bumped(mine, other, woken):
    # Both become readable at once; who comes first ends the wait of the other, who sleeps.
    try:
        waiting.wait(asks(READ), mine.fileno(), interval=5.0)
    except Bumped:
        began = time.monotonic()
        eventlet.sleep(0.2)
        woken.append(time.monotonic() - began)
    else:
        eventlet.kill(other[0], Bumped)


pairs = [socket.socketpair(), socket.socketpair()]
others, woken = ([], []), []
greenlets = [eventlet.spawn(bumped, pair[0], others[place], woken)
             for place, pair in enumerate(pairs)]
others[0].append(greenlets[1])
others[1].append(greenlets[0])
eventlet.sleep(0.05)
for pair in pairs:
    pair[1].send(b"1")
eventlet.sleep(0.4)
found["slept"] = woken


def reused():
    # As libpq closes it: nobody tells eventlet, which learns of it when the number comes again.
    lost, kept = socket.socketpair()
    number = lost.detach()

    def close():
        patcher.original("os").close(number)
        again.append(socket.socket())

    again = []
    eventlet.spawn_after(0.05, close)
    try:
        waiting.wait(asks(READ), number, interval=5.0)
    except Exception as error:
        return [type(error).__name__, again[0].fileno() == number]


found["reused"] = reused()
theirs.close()
found["end"] = told()
number = ours.fileno()
ours.close()
try:
    found["closed"] = waiting.wait(asks(READ), number, timeout=0.2)
except psycopg.OperationalError as error:
    found["closed"] = type(error).__name__
json.dump(found, sys.stdout)
os._exit(sys.stdout.flush() or 0)
"""


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", PATCHED], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def test_others_run_while_a_reply_is_waited_for(found: dict[str, Any]) -> None:
    assert found["reply"]["ready"] == [found["READ"]]
    assert found["reply"]["turns"] > 5
    assert found["reply"]["looks"] > 1, "after each interval"


def test_what_can_be_written_takes_no_turn_of_the_hub(found: dict[str, Any]) -> None:
    assert found["writable"] == {"ready": [found["WRITE"]] * 4, "looks": 4, "turns": 0}
    both = found["READ"] | found["WRITE"]
    assert found["both"] == {"ready": [both, found["READ"]], "looks": 2, "turns": 0}


def test_a_wait_ends_at_its_limit(found: dict[str, Any]) -> None:
    assert found["silence"] == "timeout"


def test_the_end_of_a_connection_is_something_to_read(found: dict[str, Any]) -> None:
    assert found["end"]["ready"] == [found["READ"]]


def test_a_closed_connection_is_an_operational_error(found: dict[str, Any]) -> None:
    assert found["closed"] == "OperationalError"


def test_others_run_while_there_is_always_something_to_read(found: dict[str, Any]) -> None:
    assert found["stream"] > 5


def test_room_to_write_is_noticed_at_once(found: dict[str, Any]) -> None:
    assert found["room"]["ready"] == [found["WRITE"]]
    assert found["room"]["seconds"] < 4.0, "not at the end of the interval"


def test_a_wait_that_is_given_up_leaves_nothing_behind(found: dict[str, Any]) -> None:
    *given_up, seconds = found["limit"]
    assert given_up == ["given up", "given up"]
    assert seconds < 4.0
    assert found["afterwards"] == [found["READ"]]


def test_whoever_was_waited_out_is_not_woken_by_what_he_waited_for(found: dict[str, Any]) -> None:
    assert len(found["slept"]) == 1
    assert found["slept"][0] > 0.15


def test_a_connection_whose_number_is_given_again_is_lost(found: dict[str, Any]) -> None:
    assert found["reused"] == ["OperationalError", True]
