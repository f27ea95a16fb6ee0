"""Memory of an installation: the proportional share of each process, so that the sum is the whole.

A page that several processes map counts in each by its part: what PostgreSQL's backends share is in
the sum once.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import psutil

from tests.bench.checkouts import House

_PSS = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)


def of_processes(house: House) -> dict[str, float]:
    """Return the MiB of each process of an installation, with all below it, daemons included."""
    found = {
        name: sum(_mib(process.pid) for process in processes)
        for name, processes in house.processes().items()
    }
    for daemon in ("supervisor", "watchdog"):
        path = house.state / "run" / f"{daemon}.json"
        if path.exists():
            record = json.loads(path.read_text(encoding="utf-8"))
            found[daemon] = _mib(int(record["stat"].split()[0]))
    return {name: mib for name, mib in found.items() if mib}


def backends(house: House) -> int:
    """Return how many connections PostgreSQL serves."""
    names = [_title(process) for process in house.processes().get("postgres", [])]
    return sum("127.0.0.1(" in name for name in names)


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def _mib(pid: int) -> float:
    """Return the share of one process; 0 of one that has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    found = _PSS.search(text)
    return int(found[1]) / 1024 if found else 0.0
