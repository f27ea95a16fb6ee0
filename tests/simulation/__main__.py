"""``python -m tests.simulation``: generate a company, import it, compare it.

The exit code is 1 on a difference.
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
from tests.simulation.comparison import Judge
from tests.simulation.installation import Installation, Terminal

console = Console(highlight=False, markup=False)


def main(words: list[str]) -> int:
    """Run it; the figures are told at the end."""
    wanted = _arguments(words)
    warnings.simplefilter("ignore")
    nodes = acquire_nodes()
    try:
        with (
            tempfile.TemporaryDirectory(dir=wanted.folder) as folder,
            bench_database(nodes.database_url, nodes.amqp_url) as bench,
        ):
            return _run(wanted, Path(folder), bench)
    finally:
        nodes.stop()


def _run(wanted: argparse.Namespace, folder: Path, bench: Any) -> int:
    took: dict[str, float] = {}
    with _shown("making up", wanted.accounts, took) as advance:
        company = make_company(folder, wanted.accounts, wanted.months, wanted.seed, advance)
    megabytes = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    console.print(f"{len(company.books)} steps, {megabytes:.1f} MB of files")
    terminal = Terminal(bench.settings)
    installation = Installation(bench.settings, bench.store, terminal)
    with _shown("importing and posting", len(company.books), took) as advance:
        for book in company.books:
            began = time.monotonic()
            installation.take(book)
            kind = f"  {book.step.kind}"
            took[kind] = took.get(kind, 0) + time.monotonic() - began
            advance(1)
    judge = Judge(installation, company, wanted.seed, wanted.moments)
    with _shown("comparing", wanted.accounts, took) as advance:
        verdict = judge.judge(advance)
    events = bench.store.recorder.max_notification_id()
    for what, seconds in took.items():
        console.print(f"{what:<28}{seconds:9.1f} s")
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    mine = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    console.print(f"peak memory: {children} MiB of the largest command, {mine} MiB of this process")
    console.print(f"{verdict.accounts} accounts, {events} events, {verdict.figures} comparisons")
    for when in (*verdict.instants, *verdict.days):
        console.print(f"  as of {when}")
    for difference in verdict.differences:
        console.print(difference, soft_wrap=True)
    console.print(f"{verdict.differing} differences")
    return 1 if verdict.differing else 0


@contextmanager
def _shown(what: str, total: int, took: dict[str, float]) -> Iterator[Callable[[int], None]]:
    began = time.monotonic()
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)
    took[what] = time.monotonic() - began


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--moments", type=int, default=3, help="instants, and as many days")
    parser.add_argument("--folder", type=Path, help="where the files of the run go meanwhile")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
