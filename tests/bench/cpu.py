"""CPU time of an installation's processes."""

from __future__ import annotations

import psutil

from tests.bench.checkouts import House


def of_processes(house: House) -> dict[str, float]:
    """Return the seconds of CPU that each process has used, those below it included."""
    return {
        name: sum(_seconds(process) for process in processes)
        for name, processes in house.processes().items()
    }


def _seconds(process: psutil.Process) -> float:
    """Return the CPU time of a process with all its threads, and of its ended children."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
