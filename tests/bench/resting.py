"""Memory of all processes at rest, both nodes included, and how it grows with payments.

An installation of its own is measured when it has rested, then after each round of payments of
eight payers, when it has rested again. What it keeps of each payment is the slope over the rounds
after the first: until then caches and pools fill.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from contextlib import closing

from tests.bench import pss
from tests.bench.checkouts import House, running_house, this_checkout
from tests.bench.company import Bench
from tests.bench.measure import Result
from tests.bench.payers import Payers

PAYERS = 8
EACH = int(os.environ.get("SALDO_BENCH_PAYMENTS", "12"))
"""Payments of each payer in a round."""
ROUNDS = int(os.environ.get("SALDO_BENCH_ROUNDS", "5"))
REST_S = float(os.environ.get("SALDO_BENCH_REST", "90"))
"""How long it rests: longer than a pool keeps an idle connection."""
TARGET_MIB = 400.0
LARGEST = 6


def at_rest(bench: Bench, progress: Callable[[str], None]) -> list[Result]:
    """Measure the shares at rest, and their growth by payments."""
    with running_house("ours", this_checkout(), PAYERS, progress=progress, together=True) as house:
        rested = _rested(house, "before the payments", progress)
        sums, paid = list[float](), list[int]()
        with closing(Payers(house)) as payers:
            for run in range(1, ROUNDS + 1):
                progress(f"memory: payments, round {run} of {ROUNDS}")
                payers.pay_each(EACH)
                sums.append(sum(_rested(house, f"after round {run}", progress).values()))
                paid.append(run * EACH * PAYERS)
        last, served = pss.of_processes(house), pss.backends(house)
    whole = sum(rested.values())
    then = f"the same after {paid[-1]:,} payments, {served} connections of PostgreSQL"
    return [
        _result(f"memory at rest ({_named(rested)})", whole, "aimed at", TARGET_MIB),
        _result(f"{then} ({_named(last)})", sums[-1], "before", whole),
        _result(
            "growth with a thousand payments, after the first round",
            1000 * statistics.linear_regression(paid[1:], sums[1:]).slope,
            "at rest",
            whole,
        ),
    ]


def _rested(house: House, when: str, progress: Callable[[str], None]) -> dict[str, float]:
    progress(f"memory: resting {when}")
    time.sleep(REST_S)
    return pss.of_processes(house)


def _named(shares: dict[str, float]) -> str:
    largest = sorted(shares, key=shares.__getitem__, reverse=True)[:LARGEST]
    return ", ".join(f"{name} {shares[name]:.0f}" for name in largest)


def _result(name: str, ours: float, reference_name: str, reference: float) -> Result:
    return Result(
        name=name,
        unit="MiB",
        ours=ours,
        reference_name=reference_name,
        reference=reference,
        ratio=ours / reference,
        target=None,
    )
