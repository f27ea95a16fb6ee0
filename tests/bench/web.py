"""Pages and reads over HTTP, beside bare nameko; other requests while bills are made as PDF."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

from gateway.cabinet.static import static_path
from tests.bench.company import Bench
from tests.bench.http_load import Load, load, load_until
from tests.bench.measure import RUNS, Result, compare
from tests.bench.site import Target, running_site

CONNECTIONS = 20
EACH = 10
BILLS = 20
LIGHT_CONNECTIONS = 4
LIGHT_PAUSE = 0.02
"""Seconds between two light requests of a connection: a house in which there is room."""


def pages(bench: Bench, progress: Callable[[str], None]) -> list[Result]:
    """Measure the pages that people open most."""
    progress("pages: an installation starts")
    with running_site(bench) as site:
        targets = (
            site.page("«Лицевые», ten accounts", "/accounts"),
            site.page("«Начисления», a year of one account", f"/charges?account={site.account}"),
            site.page("«Начисления», ten accounts", "/charges"),
            site.page("«Платежи-Оплатить», ten accounts", "/pay"),
            site.page("«Платежи-История платежей»", "/payments"),
            site.page("a payment", f"/payments/{site.payment_id}"),
            site.stranger("the log-in", "/"),
            site.stranger("a static file", static_path("cabinet.css")),
        )
        return list(_beside(site.echo, targets, progress))


def reads(bench: Bench, progress: Callable[[str], None]) -> list[Result]:
    """Measure reads of the API."""
    progress("reads: an installation starts")
    with running_site(bench) as site:
        targets = (
            site.read("a balance", f"/accounts/{site.account}/balance"),
            site.read("/me", "/me"),
            site.read("what is due, ten accounts", "/payments/due"),
            site.read("a statement", f"/accounts/{site.account}/statement"),
        )
        alive = site.stranger("/healthz", "/healthz")
        return [
            *_beside(site.echo, targets, progress),
            *_beside(site.bare, [alive], progress),
        ]


def _beside(
    reference: Target, targets: Iterable[Target], progress: Callable[[str], None]
) -> Iterable[Result]:
    load(reference, CONNECTIONS, EACH)
    for target in targets:
        load(target, CONNECTIONS, 2)
        loads: list[Load] = []

        def ours(target: Target = target, loads: list[Load] = loads) -> float:
            loads.append(load(target, CONNECTIONS, EACH))
            return loads[-1].seconds

        result = compare(
            target.name,
            "requests/s",
            CONNECTIONS * EACH,
            ours,
            reference.name,
            lambda: load(reference, CONNECTIONS, EACH).seconds,
            progress=progress,
        )
        half, slowest = (statistics.median(one.percentile(p) for one in loads) for p in (50, 99))
        yield replace(result, name=f"{target.name}: p50 {half:.0f} ms, p99 {slowest:.0f} ms")


def pdf_neighbours(bench: Bench, progress: Callable[[str], None]) -> list[Result]:
    """Measure bills as PDF over HTTP, and the wait of light requests with and without them."""
    progress("bills as PDF: an installation starts")
    with running_site(bench) as site:
        bill = site.read("a bill as PDF", f"/accounts/{site.account}/bills/2026-10.pdf")
        data = site.read("the same bill as JSON", f"/accounts/{site.account}/bills/2026-10")
        light = site.read("a balance", f"/accounts/{site.account}/balance")
        load(bill, 2, 2)
        pdfs, jsons, beside, alone = [], [], [], []
        for run in range(1, RUNS + 1):
            progress(f"bills as PDF: run {run} of {RUNS}")
            made, waits = _with_neighbours(bill, light)
            pdfs.append(made.percentile(95))
            beside.append(Load(0, waits).percentile(95))
            read, waits = _with_neighbours(data, light)
            jsons.append(read.percentile(95))
            alone.append(Load(0, waits).percentile(95))
    extra = statistics.median(a - b for a, b in zip(beside, alone, strict=True))
    return [
        _milliseconds("a bill as PDF, p95", pdfs, "the same bill as JSON", jsons),
        _milliseconds(
            f"a balance while bills are made, p95 ({extra:+.0f} ms)",
            beside,
            "while they are read as JSON",
            alone,
        ),
    ]


def _with_neighbours(target: Target, light: Target) -> tuple[Load, list[float]]:
    """Load a target on one connection; return this and the waits of light requests beside it."""
    done = threading.Event()
    end = load_until(light, LIGHT_CONNECTIONS, LIGHT_PAUSE, done)
    try:
        taken = load(target, 1, BILLS)
    finally:
        done.set()
        waits = end()
    return taken, waits


def _milliseconds(
    name: str, ours: list[float], reference_name: str, reference: list[float]
) -> Result:
    return Result(
        name=name,
        unit="ms",
        ours=statistics.median(ours),
        reference_name=reference_name,
        reference=statistics.median(reference),
        ratio=statistics.median(a / b for a, b in zip(ours, reference, strict=True)),
        target=None,
    )
