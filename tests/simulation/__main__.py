"""``python -m tests.simulation``: generate a company, import it and compare every figure.

Exit code 1: a difference.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from tests.bench.company import bench_database
from tests.nodes import acquire_nodes
from tests.simulation.company import make_company
from tests.simulation.comparison import Comparison
from tests.simulation.installation import Installation, Terminal

console = Console(highlight=False, markup=False)


def main(arguments: list[str]) -> int:
    """Run the simulation and return the exit code."""
    options = _options(arguments)
    warnings.simplefilter("ignore")
    nodes = acquire_nodes()
    try:
        with (
            tempfile.TemporaryDirectory(dir=options.folder) as folder,
            bench_database(nodes) as bench,
        ):
            return _run(options, Path(folder), bench)
    finally:
        nodes.stop()


def _run(options: argparse.Namespace, folder: Path, bench: Any) -> int:
    took: dict[str, float] = {}
    with _timed("generating", options.accounts, took) as advance:
        company = make_company(folder, options.accounts, options.months, options.seed, advance)
    megabytes = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    console.print(f"{len(company.files)} steps, {megabytes:.1f} MB of files")
    terminal = Terminal(bench.settings)
    installation = Installation(bench.settings, bench.store, terminal)
    with _timed("importing and posting", len(company.files), took) as advance:
        for file in company.files:
            began = time.monotonic()
            installation.apply(file)
            kind = f"  {file.step.kind}"
            took[kind] = took.get(kind, 0) + time.monotonic() - began
            advance(1)
    comparison = Comparison(installation, company, options.seed, options.moments)
    with _timed("comparing", options.accounts, took) as advance:
        report = comparison.run(advance)
    events = bench.store.recorder.max_notification_id()
    for what, seconds in took.items():
        console.print(f"{what:<28}{seconds:9.1f} s")
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    console.print(f"peak memory: {children} MiB of the largest command, {own} MiB of this process")
    console.print(f"{report.accounts} accounts, {events} events, {report.figures} comparisons")
    for when in (*report.instants, *report.days):
        console.print(f"  as of {when}")
    for difference in report.differences:
        console.print(difference, soft_wrap=True)
    console.print(f"{report.differing} differences")
    return 1 if report.differing else 0


@contextmanager
def _timed(what: str, total: int, took: dict[str, float]) -> Iterator[Callable[[int], None]]:
    began = time.monotonic()
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)
    took[what] = time.monotonic() - began


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--moments",
        type=int,
        default=3,
        help="how many random instants, and as many days, to compare",
    )
    parser.add_argument("--folder", type=Path, help="where to keep the files during the run")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
