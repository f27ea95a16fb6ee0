"""Complete payments over HTTP, beside an older commit, and how soon they are posted on the page.

A payment is complete when its receipt is in the mail folder: order, bank page, callback, capture,
posting, letter. Both installations are whole ones with nodes of their own, and run all the time;
their rounds take turns.
"""

from __future__ import annotations

import os
import random
import statistics
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import NamedTuple

from tests.bench.checkouts import House, checkout_of, running_house, this_checkout
from tests.bench.company import Bench
from tests.bench.cpu import of_processes
from tests.bench.measure import RUNS, Result
from tests.bench.payers import Payers, Round

COMMIT = os.environ.get("SALDO_BENCH_COMMIT", "baa195e")
"""What is measured beside ours."""
FISCAL = os.environ.get("SALDO_BENCH_FISCAL") == "1"
"""Whether ours also makes a fiscal receipt of each payment, which the older commit does not."""
PAYERS = 8
EACH = int(os.environ.get("SALDO_BENCH_PAYMENTS", "12"))
"""Payments of each payer in a round."""
IDLE_EACH = 40
IDLE_PAUSE = 0.3
IDLE_P99, HALF_P99 = 0.5, 1.0
"""The seconds to aim at."""
TARGET = 4.0


def journeys(bench: Bench, progress: Callable[[str], None]) -> list[Result]:
    """Measure complete payments of eight payers, then the way to posted on the payer's page."""
    with ExitStack() as stack:
        other = stack.enter_context(checkout_of(COMMIT))
        houses = [
            stack.enter_context(
                running_house(name, checkout, PAYERS, progress=progress, fiscal=FISCAL)
            )
            for name, checkout in (("ours", this_checkout()), (COMMIT, other))
        ]
        ours, theirs = (stack.enter_context(closing(Payers(house))) for house in houses)
        for payers in (ours, theirs):
            payers.pay_each(2)
        ours_rounds, theirs_rounds = list[_Round](), list[_Round]()
        for run in range(1, RUNS + 1):
            progress(f"complete payments: run {run} of {RUNS}")
            ours_rounds.append(_round(houses[0], ours))
            theirs_rounds.append(_round(houses[1], theirs))
        rate = statistics.median(one.rate for one in ours_rounds)
        looks = _looks(ours, rate, progress)
    return [*_beside(ours_rounds, theirs_rounds), *looks]


class _Round(NamedTuple):
    """A round: payments a second, seconds of each, milliseconds of CPU of each by process."""

    rate: float
    seconds: list[float]
    cpu: dict[str, float]

    @property
    def cpu_ms(self) -> float:
        return sum(self.cpu.values())


def _round(house: House, payers: Payers) -> _Round:
    before = of_processes(house)
    done = payers.pay_each(EACH)
    after = of_processes(house)
    count = len(done.payments)
    cpu = {name: (after[name] - before.get(name, 0)) * 1000 / count for name in after}
    return _Round(count / done.seconds, done.payments, cpu)


def _beside(ours: list[_Round], theirs: list[_Round]) -> list[Result]:
    half, slowest = (_percentile([w for one in ours for w in one.seconds], p) for p in (50, 99))
    bank = statistics.median(one.cpu.get("acquirer", 0.0) for one in ours)

    def compared(
        name: str, unit: str, value: Callable[[_Round], float], target: float | None
    ) -> Result:
        pairs = [(value(a), value(b)) for a, b in zip(ours, theirs, strict=True)]
        return Result(
            name=name,
            unit=unit,
            ours=statistics.median(a for a, _ in pairs),
            reference_name=COMMIT,
            reference=statistics.median(b for _, b in pairs),
            ratio=statistics.median(a / b for a, b in pairs),
            target=target,
        )

    return [
        compared(
            f"complete payments, {PAYERS} payers: p50 {half:.2f} s, p99 {slowest:.2f} s",
            "payments/s",
            lambda one: one.rate,
            TARGET,
        ),
        compared(
            f"CPU of one, all processes of its installation; {bank:.1f} ms at the simulated bank",
            "ms",
            lambda one: one.cpu_ms,
            None,
        ),
    ]


def _looks(payers: Payers, rate: float, progress: Callable[[str], None]) -> list[Result]:
    """Measure the way from the start to posted on the page: idle, and at half of a rate."""
    progress("posted on the page: one payer")
    idle = payers.look_each(IDLE_EACH, lambda: IDLE_PAUSE, payers=1)
    progress("posted on the page: half of the highest load")
    mean = 2 * PAYERS / rate
    chance = random.Random()  # noqa: S311 - no secret
    half = payers.look_each(2 * EACH, lambda: chance.uniform(0.5, 1.5) * mean, payers=PAYERS)
    return [
        _until_posted("idle", idle, IDLE_P99),
        _until_posted("at half of the highest load", half, HALF_P99),
    ]


def _until_posted(when: str, found: Round, aim: float) -> Result:
    half, slowest = _percentile(found.payments, 50), _percentile(found.payments, 99)
    return Result(
        name=f"start to posted on the page, {when}: p50 {half:.2f} s, p99",
        unit="ms",
        ours=slowest * 1000,
        reference_name="what is aimed at",
        reference=aim * 1000,
        ratio=slowest / aim,
        target=None,
    )


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]
