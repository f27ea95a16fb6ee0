"""Stopping: in the reverse order of starting, each process by the signal that it takes best."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Mapping

from deploy.embedded import process
from deploy.embedded.plan import Plan, ProcessSpec

AFTERWARDS_SECONDS = 30.0

Report = Callable[[str, str], None]


def stop_processes(
    plan: Plan,
    identities: Mapping[str, process.Identity | None],
    report: Report = lambda name, how: None,
) -> None:
    """Stop what runs of a plan, level by level, the processes of one level together.

    `report` is called with the name of each process and how it ended. Whoever restarts processes
    must have been stopped before.
    """
    for level in reversed(plan.levels()):
        threads = [
            threading.Thread(target=_stop, args=(spec, identities.get(spec.name), report))
            for spec in level
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _stop(spec: ProcessSpec, identity: process.Identity | None, report: Report) -> None:
    if identity is not None and process.is_alive(identity):
        gentle = process.stop(identity, spec.stop_signal, spec.stop_seconds)
        report(spec.name, "stopped" if gentle else "killed: it did not end when asked to")
    run_commands(spec, spec.afterwards)


def run_commands(spec: ProcessSpec, commands: tuple[tuple[str, ...], ...]) -> None:
    """Run commands that clean up behind a process; what is gone already is no failure."""
    for command in commands:
        subprocess.run(
            command,
            env=spec.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=AFTERWARDS_SECONDS,
            check=False,
        )
