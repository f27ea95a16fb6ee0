"""Peak memory of commands that read the whole log: a hundred thousand events, and a million."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

import psutil

from services.ledger.seal.checkpoint import Signer
from services.ledger.seal.keys import DEFAULT_NAME
from tests.bench.company import LINES, Bench, populate, resident
from tests.bench.measure import Result

MONTHS = 12
EVENTS_OF_AN_ACCOUNT = 1 + 2 * MONTHS
SMALL, LARGE = 100_000, 1_000_000
BILL = (LINES[0], LINES[5])
"""Two lines, one of them capital repair; more lines would not change the result."""
SAMPLE_INTERVAL_S = 0.05

COMMANDS = {
    "audit": ("audit",),
    "replay --all": ("replay", "--all"),
    "accrue": (
        "accrue", "--on", "2026-07-20", "--reason", "bench",
    ),
}  # fmt: skip


def memory_of_reads(bench: Bench, progress: Callable[[str], None]) -> list[Result]:
    """Measure each command on both logs: the peak of the sum over all its processes."""
    peaks: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for size in (SMALL, LARGE):
        progress(f"memory: writing {size:,} events")
        written = populate(bench, resident(MONTHS, BILL), size // EVENTS_OF_AN_ACCOUNT)
        if written != size:
            raise RuntimeError(f"{written} events were written, not {size}")
        for name, command in COMMANDS.items():
            progress(f"memory: {name} with {size:,} events")
            peaks[name].append(run_ledger(bench, *command)[1])
    return [
        Result(
            name=f"peak memory of {name}, {LARGE:,} events, all its processes",
            unit="MiB",
            ours=large,
            reference_name=f"the same, {SMALL:,} events",
            reference=small,
            ratio=large / small,
            target=None,
        )
        for name, (small, large) in peaks.items()
    ]


def run_ledger(bench: Bench, *command: str) -> tuple[float, float]:
    """Return the seconds of ``saldo ledger ...``, and the peak MiB of it and its workers."""
    environment = {
        **os.environ,
        "SALDO_DATABASE_URL": bench.settings.database_url,
        "SALDO_DATABASE_URL_LEDGER": bench.settings.database_url_of("ledger"),
        "SALDO_AMQP_URL": bench.settings.amqp_url,
        "SALDO_SECRET": bench.settings.secret.hex(),
        "SALDO_LEDGER_SEAL_VERIFIER": str(Signer(DEFAULT_NAME, bytes(32)).verifier),
    }
    began = time.perf_counter()
    running = subprocess.Popen(
        [sys.executable, "-m", "services.cli", "ledger", *command],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    tree, peak = psutil.Process(running.pid), 0
    while running.poll() is None:
        peak = max(peak, _resident(tree))
        time.sleep(SAMPLE_INTERVAL_S)
    if running.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with exit code {running.returncode}")
    return time.perf_counter() - began, peak / 2**20


def _resident(tree: psutil.Process) -> int:
    total = 0
    try:
        for process in (tree, *tree.children(recursive=True)):
            total += process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0  # it ended during this sample: the next one counts
    return total
