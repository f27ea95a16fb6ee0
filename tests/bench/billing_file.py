"""The command ``saldo ledger import``: its speed from a file, and its peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.billing_run import DAY, HEADER, open_accounts
from tests.bench.company import LINES, SERVICES_OF_A_BILL, Bench
from tests.bench.measure import RUNS, Result, compare, seconds

MANY_LINES = 1_000_000
SMALL, LARGE = 100_000, 1_000_000
"""Events, or lines, of two imports whose peak memory is compared."""
# A process inherits the peak of its parent, so a small process starts the import.
MEASURED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def from_a_file(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Measure an import of a million lines, beside raw COPY of the file.

    The reference copies each line of the file into a text column without an index: the least that
    any import must do.
    """
    bills = MANY_LINES // len(LINES)
    with tempfile.TemporaryDirectory() as folder:
        file = write_file(Path(folder), bills, len(LINES))
        with bench.as_owner() as owner:
            owner.execute("CREATE TABLE IF NOT EXISTS raw_lines (line text)")

        def raw() -> float:
            with bench.as_owner() as owner:
                owner.execute("TRUNCATE raw_lines")
                return seconds(lambda: _copy_lines(owner, file))

        return compare(
            "import of a million lines from a file, the whole command",
            "lines/s",
            MANY_LINES,
            lambda: _import(bench, file, bills)[0],
            "raw COPY of the file's lines",
            raw,
            runs=RUNS,
            progress=progress,
        )


def memory(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Measure the peak memory of an import of a million events, beside a hundred thousand."""
    return _peaks(bench, "events", 1, progress)


def memory_of_lines(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Measure the peak memory of an import of a million lines, beside a hundred thousand."""
    return _peaks(bench, "lines in bills of 8", len(LINES), progress)


def _peaks(bench: Bench, what: str, lines_per_bill: int, progress: Callable[[str], None]) -> Result:
    peaks = []
    for lines in (SMALL, LARGE):
        bills = lines // lines_per_bill
        progress(f"peak memory of an import: {lines} {what}")
        with tempfile.TemporaryDirectory() as folder:
            file = write_file(Path(folder), bills, lines_per_bill)
            peaks.append(_import(bench, file, bills)[1])
    small, large = peaks
    return Result(
        name=f"peak memory of an import, {LARGE:,} {what} (flat: 1.00)",
        unit="MiB",
        ours=large,
        reference_name=f"the same, {SMALL:,}",
        reference=small,
        ratio=large / small,
        target=None,
    )


def write_file(folder: Path, bills: int, lines_per_bill: int, month: int = 1) -> Path:
    """Write a file of charges, a bill of a month for each account."""
    file = folder / f"{bills}-{lines_per_bill}-{month}.csv"
    day = DAY.replace(month=month)
    with file.open("w", encoding="utf-8") as writing:
        writing.write(HEADER)
        for index in range(bills):
            for service in SERVICES_OF_A_BILL[:lines_per_bill]:
                code, name, amount, unit, tariff, volume = service
                charged = amount + index % 10_000
                writing.write(
                    f"{index:010};{day:%Y-%m};{day};{day};{code};{name};{unit};{tariff};{volume};"
                    f"{charged // 100},{charged % 100:02}\n"
                )
    return file


def _import(bench: Bench, file: Path, accounts: int) -> tuple[float, float]:
    """Return the seconds and the peak MiB of the whole command."""
    open_accounts(bench, accounts)
    command = [sys.executable, "-m", "services.cli", "ledger", "import", str(file)]
    environment = {
        **os.environ,
        "SALDO_DATABASE_URL": bench.settings.database_url,
        "SALDO_DATABASE_URL_LEDGER": bench.settings.database_url_of("ledger"),
        "SALDO_AMQP_URL": bench.settings.amqp_url,
        "SALDO_SECRET": bench.settings.secret.hex(),
    }
    measured: list[str] = []

    def run() -> None:
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, *command, "--reason", "bench"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"the import ended with exit code {done.returncode}")
        measured.append(done.stdout)

    took = seconds(run)
    return took, int(measured[0].split()[-1]) / 1024


def _copy_lines(owner: Any, file: Path) -> None:
    with (
        owner.cursor() as cursor,
        file.open("rb") as reading,
        cursor.copy("COPY raw_lines FROM STDIN") as copy,
    ):
        while block := reading.read(1 << 16):
            copy.write(block)
