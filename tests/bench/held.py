"""How long one request holds the other greenlets of its process: an account of ten thousand events.

Run as a program it is that process: patched by eventlet, with a greenlet that ticks every 5 ms. The
longest time of the processor between two ticks counts: a loaded machine does not change it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable

from tests.bench.company import Bench
from tests.bench.measure import RUNS, Result
from tests.bench.reads import EVENTS, prepare_accounts

READS = ("a statement", "a past balance", "a penalty", "a correction")
TICK_S = 0.005
_GRANT = "INSERT INTO staff_grants (name, permission, granted, reason) VALUES (%s, %s, true, %s)"


def greenlets_held(bench: Bench, progress: Callable[[str], None]) -> list[Result]:
    """Measure each read in a process whose loops yield, and in one whose loops do not."""
    prepare_accounts(bench)
    with bench.as_owner() as owner:
        owner.execute(_GRANT, ("bench", "adjust", "bench"))
    measured = dict[str, dict[str, list[float]]]()
    for loops in ("yielding", "holding"):
        progress(f"greenlets held by a long account, {loops}")
        measured[loops] = _in_a_process(bench, loops)
    return [
        Result(
            name=f"other greenlets held by {name} of {EVENTS:,} events, at most",
            unit="ms",
            ours=statistics.median(measured["yielding"][name]),
            reference_name="the same without yielding",
            reference=statistics.median(measured["holding"][name]),
            ratio=statistics.median(
                ours / reference
                for ours, reference in zip(
                    measured["yielding"][name], measured["holding"][name], strict=True
                )
            ),
            target=None,
        )
        for name in READS
    ]


def _in_a_process(bench: Bench, loops: str) -> dict[str, list[float]]:
    environment = {
        **os.environ,
        "SALDO_DATABASE_URL": bench.settings.database_url,
        "SALDO_DATABASE_URL_LEDGER": bench.settings.database_url_of("ledger"),
        "SALDO_AMQP_URL": bench.settings.amqp_url,
        "SALDO_SECRET": bench.settings.secret.hex(),
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.bench.held_process", loops, str(RUNS)],
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found
