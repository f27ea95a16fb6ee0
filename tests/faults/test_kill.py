"""Each process is killed with -9 while the journey runs in a loop.

It restarts by itself, and afterwards acquirer, payments and ledger agree to the kopeck. The
installation has nodes of its own, because PostgreSQL and RabbitMQ are among those killed. The time
to restart is reported, not judged: the machine is shared.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from deploy.demo.loop import read_beliefs
from deploy.embedded import process
from deploy.embedded.installation import Installation
from deploy.embedded.surroundings import REPOSITORY
from tests.waiting import eventually

# Killed once each, in this order.
VICTIMS = (
    "serve", "work", "gateway", "acquirer", "yookassa", "postgres", "mailcatcher", "rabbitmq",
    "supervisor",
)  # fmt: skip
RESTART_S = 60.0
LOOP_S = 600.0  # at most: the test ends it
PAYMENTS = 10


def alive(installation: Installation, name: str) -> process.Identity | None:
    """Return the process that runs under a name now."""
    record = process.read_record(installation.state.record(name))
    if record is None or not process.is_alive(record.identity):
        return None
    return record.identity


def has_restarted(installation: Installation, name: str, killed: process.Identity) -> bool:
    now = alive(installation, name)
    if now is None or now == killed:
        return False
    return name == "supervisor" or installation.status()[name].state == "ready"


def kill_and_wait(installation: Installation, name: str) -> float:
    """Kill a process with -9; return the seconds until it is ready again."""
    victim = alive(installation, name)
    assert victim is not None, f"{name} does not run"
    began = time.monotonic()
    os.kill(victim.pid, signal.SIGKILL)
    eventually(lambda: has_restarted(installation, name, victim), f"{name} restarts", RESTART_S)
    return time.monotonic() - began


def completed(record: Path) -> int:
    """Return how many payments of a loop were completed."""
    return sum(belief.state == "completed" for belief in read_beliefs(record))


def demo(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "deploy.demo", *arguments]


def test_killed_processes_restart_and_every_kopeck_is_accounted_for(
    installation: Installation, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record = tmp_path / "beliefs.jsonl"
    paying = subprocess.Popen(
        demo("loop", "--for", str(LOOP_S), "--parallel", "3", "--record", str(record)),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        eventually(
            lambda: paying.poll() is not None or (record.exists() and record.read_bytes()),
            "the first payment is made",
            RESTART_S,
        )
        assert paying.poll() is None, paying.communicate()[0]
        restarts = {name: kill_and_wait(installation, name) for name in VICTIMS}
        enough = max(PAYMENTS, completed(record) + 3)
        eventually(
            lambda: paying.poll() is not None or completed(record) >= enough,
            "payments are completed after the last restart",
            RESTART_S,
        )
        assert paying.poll() is None, paying.communicate()[0]
        paying.terminate()
        output, _ = paying.communicate(timeout=180)
    finally:
        paying.kill()
    times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in restarts.items())
    record_property("measured", f"restart after kill -9: {times}")
    assert paying.returncode == 0, output
    assert completed(record) >= PAYMENTS, output
    reconciled = subprocess.run(
        demo("reconcile", "--record", str(record), "--wait", "120"),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert reconciled.returncode == 0, reconciled.stdout + reconciled.stderr
