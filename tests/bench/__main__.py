"""``make bench``: runs the benchmarks and prints their table."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from tests.bench.accruals import penalties
from tests.bench.appends import at_once, bulk, one_by_one
from tests.bench.beside_hordak import hordak
from tests.bench.beside_import import beside_import
from tests.bench.billing_file import from_a_file, memory, memory_of_lines
from tests.bench.billing_run import beside_save, billing_run
from tests.bench.bills import bill_pdfs
from tests.bench.company import Bench, bench_database
from tests.bench.held import greenlets_held
from tests.bench.journeys import journeys
from tests.bench.letters import letters
from tests.bench.mailings import mailings
from tests.bench.measure import RUNS, CannotMeasureError, Result
from tests.bench.owing import of_those_who_owe
from tests.bench.payments import of_fifty, single
from tests.bench.payments_by_rpc import by_rpc, by_rpc_of_fifty
from tests.bench.peaks import memory_of_reads
from tests.bench.publishing import relay
from tests.bench.reads import as_of, now, payment, payment_over_the_bus
from tests.bench.registry import registry
from tests.bench.replays import audit_log, beside_get, replay, replay_all
from tests.bench.resting import at_rest
from tests.bench.scale import main as measure_scale
from tests.bench.starts import starts
from tests.bench.traces import traced
from tests.bench.web import pages, pdf_neighbours, reads
from tests.nodes import acquire_nodes

BENCHES: dict[str, Callable[[Bench, Callable[[str], None]], Result | list[Result]]] = {
    "appends": one_by_one,
    "bulk": bulk,
    "appends-at-once": at_once,
    "payments": single,
    "payments50": of_fifty,
    "payments-rpc": by_rpc,
    "payments50-rpc": by_rpc_of_fifty,
    "hordak": hordak,
    "billing": billing_run,
    "billing-save": beside_save,
    "billing-file": from_a_file,
    "billing-memory": memory,
    "billing-memory-lines": memory_of_lines,
    "import-bus": beside_import,
    "registry": registry,
    "mailings": mailings,
    "letters": letters,
    "replay": replay,
    "replay-get": beside_get,
    "replay-workers": replay_all,
    "audit": audit_log,
    "as-of": as_of,
    "balance": now,
    "payment-long": payment,
    "payment-bus": payment_over_the_bus,
    "greenlets": greenlets_held,
    "penalties": penalties,
    "owing": of_those_who_owe,
    "memory": memory_of_reads,
    "at-rest": at_rest,
    "relay": relay,
    "traces": traced,
    "cli": starts,
    "bill-pdf": bill_pdfs,
    "bill-pdf-neighbours": pdf_neighbours,
    "journeys": journeys,
    "pages": pages,
    "reads": reads,
}


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; ``scale`` has options of its own."""
    if names[:1] == ["scale"]:
        return measure_scale(names[1:])
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        sys.stderr.write(f"no such benchmark: {unknown[0]}; there are: {', '.join(BENCHES)}\n")
        return 2
    warnings.simplefilter("ignore")
    nodes = acquire_nodes()
    console = Console(stderr=True)
    try:
        with (
            bench_database(nodes) as bench,
            console.status("measuring") as status,
        ):
            results, failures = list[Result](), list[str]()
            for name in names or BENCHES:
                try:
                    results += _as_list(BENCHES[name](bench, status.update))
                except CannotMeasureError as error:
                    failures.append(f"{name} is not measured: {error}")
    finally:
        nodes.stop()
    Console(width=150).print(_table(results))
    for failure in failures:
        sys.stderr.write(f"{failure}\n")
    return 1 if failures else 0


def _as_list(measured: Result | list[Result]) -> list[Result]:
    return measured if isinstance(measured, list) else [measured]


def _table(results: list[Result]) -> Table:
    table = Table(title=f"Medians of {RUNS} interleaved runs; ratio = ours / reference")
    for column in ("What", "Ours", "Beside", "Reference", "Ratio", "Target"):
        table.add_column(column, justify="left" if column in ("What", "Beside") else "right")
    for result in results:
        table.add_row(
            result.name,
            f"{_figure(result.ours)} {result.unit}",
            result.reference_name,
            f"{_figure(result.reference)} {result.unit}",
            f"{result.ratio:.2f}",
            "" if result.target is None else f"{result.target:.2f}",
        )
    return table


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
