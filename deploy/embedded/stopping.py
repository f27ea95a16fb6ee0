"""Stopping: in reverse start order, each process by its own stop signal."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable, Mapping

from deploy.embedded import process
from deploy.embedded.plan import Plan, ProcessSpec

AFTER_STOP_SECONDS = 30.0

Report = Callable[[str, str], None]


def stop_processes(
    plan: Plan,
    identities: Mapping[str, process.Identity | None],
    report: Report = lambda name, how: None,
    *,
    for_good: bool = False,
) -> None:
    """Stop the running processes of a plan, level by level, those of one level in parallel.

    `report` is called with the name of each process and how it ended. `for_good`: all data will be
    deleted. The supervisor must have been stopped before.
    """
    for level in reversed(plan.levels()):
        threads = [
            threading.Thread(target=_stop, args=(spec, identities.get(spec.name), report, for_good))
            for spec in level
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _stop(
    spec: ProcessSpec, identity: process.Identity | None, report: Report, for_good: bool
) -> None:
    if identity is not None and process.is_alive(identity):
        number = int(signal.SIGKILL) if for_good and spec.discarded else spec.stop_signal
        graceful = process.stop(identity, number, spec.stop_seconds)
        report(spec.name, "stopped" if graceful else "killed: it ignored the stop signal")
    run_commands(spec, spec.after_stop)


def run_commands(spec: ProcessSpec, commands: tuple[tuple[str, ...], ...]) -> None:
    """Run the clean-up commands of a process; their failures are ignored."""
    for command in commands:
        subprocess.run(
            command,
            env=spec.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=AFTER_STOP_SECONDS,
            check=False,
        )
