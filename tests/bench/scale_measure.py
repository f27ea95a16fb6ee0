"""What one step costs: time, CPU, peak memory of both sides, and what the database has read.

CPU compares between runs beside other load, time does not. The blocks of the log that a step has
touched say whether it reads the log once, and the size of a read whether in order: at random each
is of one block, in order of many.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psutil

from deploy.embedded.surroundings import REPOSITORY
from tests.bench.scale_server import ScaleServer

BLOCK = 8_192
SAMPLE_S, OFTEN = 0.25, 40
_PSS = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)
_TABLES = """
SELECT sum(heap_blks_read + heap_blks_hit + coalesce(toast_blks_read + toast_blks_hit, 0))
           FILTER (WHERE relname = 'events')::bigint AS log_blocks,
       sum(heap_blks_read + coalesce(toast_blks_read, 0))
           FILTER (WHERE relname = 'events')::bigint AS log_misses,
       sum(heap_blks_read + coalesce(idx_blks_read, 0))::bigint AS misses
  FROM pg_statio_user_tables WHERE schemaname = 'ledger'
"""
_READS = """
SELECT coalesce(sum(reads), 0)::bigint AS reads,
       coalesce(sum(read_bytes), 0)::bigint AS read_bytes
  FROM pg_stat_io WHERE object IN ('relation', 'temp relation')
"""
_LOG = "SELECT greatest(1, pg_table_size('ledger.events') / 8192)"


class Figure(msgspec.Struct, kw_only=True):
    """What a step has cost at one size; ``count`` is how many of ``per`` it went over.

    ``client`` is the command with its workers, ``server`` all of PostgreSQL; memory in MiB.
    """

    step: str
    events: int
    accounts: int
    per: str
    count: int
    seconds: float
    client_cpu: float = 0.0
    server_cpu: float = 0.0
    client_rss: float = 0.0
    client_pss: float = 0.0
    server_pss: float = 0.0
    log_times: float = 0.0
    """How often each block of the log was touched, on the average; 0: not at all."""
    reads: int = 0
    read_bytes: int = 0
    wal_bytes: int = 0
    disk_bytes: int = 0
    """What lies in the folder of the server's data afterwards, or what the step has made."""
    milliseconds: float = 0.0
    """The median of one, where the step measures many."""
    slowest: float = 0.0
    """The slowest twentieth of them, in milliseconds."""
    load: float = 0.0
    day: str = ""
    machine: str = ""

    @property
    def read_size(self) -> float:
        """Return the average number of bytes of one read from the disk; 0 without any."""
        return self.read_bytes / self.reads if self.reads else 0.0


@dataclass
class Measured:
    """What is known of a command after it has ended."""

    seconds: float = 0.0
    client_cpu: float = 0.0
    server_cpu: float = 0.0
    client_rss: float = 0.0
    client_pss: float = 0.0
    server_pss: float = 0.0
    log_times: float = 0.0
    reads: int = 0
    read_bytes: int = 0
    wal_bytes: int = 0
    output: str = ""


def command(
    server: ScaleServer, words: Sequence[str], *, accepted: Iterable[int] = (0,)
) -> Measured:
    """Run a command of ours on a server, and return what it has cost and printed."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as output,
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
    ):
        before = _counted(server)
        began = time.perf_counter()
        running = subprocess.Popen(
            [sys.executable, "-W", "ignore", *words],
            cwd=REPOSITORY,
            env={**_plain(), **server.environ()},
            stdout=output,
            stderr=errors,
        )
        with _Sampling(running.pid, server.pid) as samples:
            code = running.wait()
        found = Measured(time.perf_counter() - began)
        errors.seek(0)
        if code not in accepted:
            raise RuntimeError(f"{' '.join(words[:5])}: exit code {code}: {errors.read()[-800:]}")
        _compare(found, before, _counted(server))
        samples.tell(found)
        output.seek(0)
        found.output = output.read()
    return found


def _plain() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("SALDO_")}


def _counted(server: ScaleServer) -> dict[str, Any]:
    with server.as_owner() as owner:
        owner.execute("SELECT pg_stat_force_next_flush()")
        [tables] = owner.execute(_TABLES).fetchall()
        [reads] = owner.execute(_READS).fetchall()
        [(wal,)] = owner.execute("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')").fetchall()
        [(blocks,)] = owner.execute(_LOG).fetchall()
    return {
        "log": int(tables[0] or 0),
        "reads": reads[0],
        "read_bytes": reads[1],
        "wal": int(wal),
        "blocks": int(blocks),
        "cpu": _cpu(psutil.Process(server.pid)),
    }


def _compare(found: Measured, before: dict[str, Any], after: dict[str, Any]) -> None:
    found.log_times = (after["log"] - before["log"]) / after["blocks"]
    found.reads = after["reads"] - before["reads"]
    found.read_bytes = after["read_bytes"] - before["read_bytes"]
    found.wal_bytes = after["wal"] - before["wal"]
    found.server_cpu = max(0.0, after["cpu"] - before["cpu"])


def _cpu(process: psutil.Process) -> float:
    """Return the CPU of a process and of all below it, of those that have ended, too."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        if one.pid == process.pid:
            total += times.children_user + times.children_system
    return total


class _Sampling:
    """Peaks of the memory of both sides, and the CPU of the client, sampled by a thread."""

    def __init__(self, client: int, server: int) -> None:
        self._client, self._server = client, server
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._rss = self._pss = self._server_pss = 0.0
        self._before = _children_cpu()

    def __enter__(self) -> _Sampling:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def tell(self, found: Measured) -> None:
        found.client_rss, found.client_pss = self._rss, self._pss
        found.server_pss = self._server_pss
        found.client_cpu = _children_cpu() - self._before

    def _run(self) -> None:
        turn = 0
        while True:
            client = _tree(self._client)
            self._rss = max(self._rss, sum(map(_rss, client)))
            # Shares are dear to ask, the kernel goes over all pages: of what takes long, seldom.
            if turn < OFTEN or turn % 4 == 0:
                self._pss = max(self._pss, sum(map(_pss, client)))
                self._server_pss = max(self._server_pss, sum(map(_pss, _tree(self._server))))
            turn += 1
            if self._ended.wait(SAMPLE_S):
                return


def _children_cpu() -> float:
    """Return the CPU of our commands that have ended, with all that they have waited for."""
    times = os.times()
    return times.children_user + times.children_system


def _tree(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _rss(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss) / 2**20
    except psutil.NoSuchProcess:
        return 0.0


def _pss(process: psutil.Process) -> float:
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0.0
    found = _PSS.search(text)
    return int(found[1]) / 1024 if found else 0.0


def size_of(folder: Path) -> int:
    """Return how many bytes lie in a folder; what goes away meanwhile is left out."""
    total = 0
    for path in folder.rglob("*"):
        try:
            if path.is_file() and not path.is_symlink():
                total += path.stat().st_blocks * 512
        except FileNotFoundError:
            continue
    return total


def machine() -> str:
    """Return what this machine is: its processor, cores and memory."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        "unknown",
    )
    cores, memory = len(os.sched_getaffinity(0)), psutil.virtual_memory().total / 2**30
    return f"{model}, {cores} cores, {memory:.0f} GiB"
