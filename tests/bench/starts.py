"""The start of staff verbs, beside a bare process that imports psycopg and prints its help."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

from tests.bench.company import Bench
from tests.bench.measure import Result, compare, seconds

REFERENCE = """
import argparse, sys
import psycopg

parser = argparse.ArgumentParser()
parser.add_argument("--json", action="store_true")
parser.print_help()
"""
VERBS = (("--help",), ("ledger", "--help"), ("ledger", "balance", "01", "--json"))


def starts(bench: Bench, progress: Callable[[str], None]) -> list[Result]:
    """Measure whole processes: their start, their work of a few milliseconds, their end."""
    bench.reset()
    url = bench.settings.database_url_of("ledger")
    env = {"PATH": os.environ["PATH"], "SALDO_DATABASE_URL_LEDGER": url}

    def run(*command: str) -> Callable[[], float]:
        def once() -> None:
            subprocess.run(
                [sys.executable, *command],
                env=env,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )

        return lambda: seconds(once)

    return [
        compare(
            f"saldo {' '.join(verb)}",
            "starts/s",
            1,
            run("-m", "services.cli", *verb),
            "a process that imports psycopg",
            run("-c", REFERENCE),
            runs=9,
            progress=progress,
        )
        for verb in VERBS
    ]
