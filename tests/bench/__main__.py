"""``make bench``: the table of all benchmarks. It judges nothing; it prints what it measured."""

from __future__ import annotations

import sys
import warnings

from rich.console import Console
from rich.table import Table

from tests.bench.appends import bulk, one_by_one
from tests.bench.billing_file import from_a_file, memory, memory_of_lines
from tests.bench.billing_run import beside_save, billing_run
from tests.bench.company import bench_database
from tests.bench.measure import RUNS, Result
from tests.bench.payments import of_fifty, single
from tests.bench.publishing import relay
from tests.bench.replays import replay
from tests.nodes import acquire_nodes

BENCHES = {
    "appends": one_by_one,
    "bulk": bulk,
    "payments": single,
    "payments50": of_fifty,
    "billing": billing_run,
    "billing-save": beside_save,
    "billing-file": from_a_file,
    "billing-memory": memory,
    "billing-memory-lines": memory_of_lines,
    "replay": replay,
    "relay": relay,
}


def main(names: list[str]) -> int:
    """Run the benchmarks of these names, or all."""
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        sys.stderr.write(f"no such benchmark: {unknown[0]}; there are: {', '.join(BENCHES)}\n")
        return 2
    warnings.simplefilter("ignore")
    nodes = acquire_nodes()
    console = Console(stderr=True)
    try:
        with (
            bench_database(nodes.database_url, nodes.amqp_url) as bench,
            console.status("measuring") as status,
        ):
            results = [BENCHES[name](bench, status.update) for name in (names or list(BENCHES))]
    finally:
        nodes.stop()
    Console(width=150).print(_table(results))
    return 0


def _table(results: list[Result]) -> Table:
    table = Table(title=f"Medians of {RUNS} interleaved runs; ratio = ours / reference")
    for column in ("What", "Ours", "Beside", "Reference", "Ratio", "Wanted"):
        table.add_column(column, justify="left" if column in ("What", "Beside") else "right")
    for result in results:
        table.add_row(
            result.name,
            f"{result.ours:,.0f} {result.unit}",
            result.reference_name,
            f"{result.reference:,.0f} {result.unit}",
            f"{result.ratio:.2f}",
            "" if result.wanted is None else f"{result.wanted:.2f}",
        )
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
