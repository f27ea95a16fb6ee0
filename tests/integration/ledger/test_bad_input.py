"""Bad input is refused in a sentence at the terminal, and nothing is half done."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded.surroundings import REPOSITORY
from services.ledger.domain.book import BOOK_STREAMS
from tests.conftest import Database, fresh_database
from tests.simulation.installation import QuickTerminal

pytestmark = pytest.mark.nodes

AUTHOR = ("--reason", "test")
HEADER = "account;period;due_on;effective_on;service;name;charged;recalculation;penalty\n"
GOOD = "01;2026-03;2026-04-15;2026-03-31;heating;Отопление;100,00;;\n"
BAD = "02;2026-03;2026-04-15;2026-03-31;heating;Отопление;{};;\n"
MEGABYTE = 1 << 20
# The peak is that of the program itself: getrusage would count who started it as well.
TELLS_ITS_PEAK = """
import atexit, pathlib, sys
from services.cli import main
atexit.register(lambda: sys.stderr.write(pathlib.Path("/proc/self/status").read_text()))
main()
"""


class ImportHarness:
    """A ledger of a few accounts, a terminal, and a folder for files."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.terminal = QuickTerminal(database.settings)

    def file(self, name: str, *rows: str, header: str = HEADER) -> Path:
        path = self.folder / name
        path.write_text(header + "".join(rows), encoding="utf-8")
        return path

    def imports(self, path: Path, *options: str) -> tuple[int, str, str]:
        return self.terminal.run("import", str(path), *AUTHOR, *options)

    def rows(self) -> list[Any]:
        """All that a command could have changed; that a file was refused is on record."""
        with self.database.owner("ledger") as owner:
            events = owner.execute(
                "SELECT to_jsonb(t) FROM events AS t WHERE originator_id <> ALL (%s) ORDER BY 1",
                (list(BOOK_STREAMS),),
            ).fetchall()
            return [
                events,
                *(
                    owner.execute(f"SELECT to_jsonb(t) FROM {table} AS t ORDER BY 1").fetchall()
                    for table in ("balances", "proposals")
                ),
            ]

    def refused(self, name: str) -> list[str]:
        path = self.folder / f"{name}.quarantine.csv"
        return path.read_text(encoding="utf-8").splitlines()[1:]


@pytest.fixture(scope="module")
def harness(
    base_settings: Any, template: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ImportHarness]:
    with fresh_database(base_settings, template) as made:
        harness = ImportHarness(made, tmp_path_factory.mktemp("import"))
        registry = harness.file(
            "registry.csv",
            *(f"{n:02};household;2020-01-01\n" for n in range(1, 10)),
            header="account;payer_kind;effective_on\n",
        )
        assert harness.imports(registry)[0] == 0
        billed = ("08;2026-02;2026-03-15;2026-02-28;heating;Отопление;100,00;;\n",)
        assert harness.imports(harness.file("billed.csv", *billed))[0] == 0
        yield harness


# A row -> what its refusal says.
ROWS = {
    "an account that nobody has": (GOOD.replace("01", "77", 1), "no such account"),
    "a charge below nothing": (BAD.format("-100,00"), "money back is a recalculation"),
    "a sum beyond all": (BAD.format("9999999999999,00"), "more than the largest sum"),
    "a sum that is no number": (BAD.format("NaN"), "no sum in roubles"),
    "a power of ten": (BAD.format("1e9"), "no sum in roubles"),
    "three decimals": (BAD.format("1,005"), "no sum in roubles"),
    "a penalty below nothing": (BAD.format("1,00;;-1,00").rstrip("\n;") + "\n", "is negative"),
    "a day that is none": (GOOD.replace("2026-04-15", "2026-04-31"), "is no day"),
    "a year of the first century": (GOOD.replace("2026-04-15", "0026-04-15"), "is not within"),
    "a year of the last century": (GOOD.replace("2026-04-15", "9999-12-31"), "is not within"),
    "a month that is none": (GOOD.replace("2026-03;", "2026-13;"), "is no month"),
    "a month of another age": (GOOD.replace("2026-03;", "2926-03;"), "is not within"),
    "a field too many": (GOOD.replace(";;", ";;;"), "the row has 10 fields, the header has 9"),
    "a quotation mark alone": (GOOD.replace("О", '"О'), "a quotation mark is not closed"),
    "a character of control": (GOOD.replace("Отоп", "Отоп\x07"), "control characters"),
    "a service called penalty": (GOOD.replace("heating", "penalty"), "penalty or advance"),
    "a bill that is there already, otherwise": (
        "08;2026-02;2026-03-15;2026-02-28;heating;Отопление;100,01;;\n",
        "posted already, with other content: correct it by an adjustment",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_a_bad_row_is_refused_with_its_fault(harness: ImportHarness, name: str) -> None:
    row, reason = ROWS[name]
    before = harness.rows()
    file = f"{abs(hash(name))}.csv"
    code, out, err = harness.imports(harness.file(file, row), "--json")
    assert (code, json.loads(out)["state"]) == (2, "nothing_posted"), err
    assert harness.rows() == before
    [refused] = harness.refused(file)
    assert reason in refused
    assert "Traceback" not in err


OPENINGS = {
    "an opening without an account": ("77;heating;1,00\n", "no such account"),
    "an opening beyond all": ("02;heating;-9999999999999,00\n", "more than the largest sum"),
    "a service twice": ("02;heating;1,00\n02;heating;1,00\n", "Each service comes once"),
}
ADJUSTMENTS = {
    "an adjustment without a bill": ("02;A;2026-02;heating;-1,00;why\n", "There is no bill"),
    "an adjustment without a reason": ("08;A;2026-02;heating;-1,00; \n", "reason: is empty"),
    "an adjustment of nothing": ("08;A;2026-02;heating;0,00;why\n", "none of them 0"),
    "an adjustment of what was not billed": ("08;A;2026-02;lift;-1,00;why\n", "has no lift"),
}


@pytest.mark.parametrize("name", [*OPENINGS, *ADJUSTMENTS])
def test_a_bad_opening_or_adjustment_is_refused(harness: ImportHarness, name: str) -> None:
    header = "account;service;amount\n"
    if name in ADJUSTMENTS:
        header = "account;adjustment_id;period;service;amount;reason\n"
    rows, reason = {**OPENINGS, **ADJUSTMENTS}[name]
    before, file = harness.rows(), f"{abs(hash(name))}.csv"
    assert harness.imports(harness.file(file, rows, header=header))[0] == 2
    assert harness.rows() == before
    assert all(reason in refused for refused in harness.refused(file))


@pytest.mark.parametrize("cut_at", [1, 5, 20, 40])
def test_a_truncated_file_is_noticed(harness: ImportHarness, tmp_path: Path, cut_at: int) -> None:
    whole = harness.file("whole.csv", GOOD, BAD.format("250,00"), GOOD.replace("01", "03", 1))
    path = tmp_path / "cut.csv"
    path.write_bytes(whole.read_bytes()[:-cut_at])
    before = harness.rows()
    code, out, _ = harness.imports(path, "--dry-run", "--json")
    counts = json.loads(out)["counts"]
    assert (code, counts["entries"], counts["refusals"]) == (1, 2, {"file_cut": 1})
    assert harness.imports(path, "--strict")[0] == 2
    assert harness.imports(path, "--total=450,00")[0] == 2
    assert harness.rows() == before


def test_bytes_of_another_encoding_are_refused_by_row(
    harness: ImportHarness, tmp_path: Path
) -> None:
    path = tmp_path / "mixed.csv"
    path.write_bytes(
        (HEADER + GOOD.replace("01", "04", 1)).encode()
        + GOOD.replace("01", "05", 1).encode("cp1251")
        + GOOD.replace("01", "06", 1).encode()
    )
    before = harness.rows()
    assert harness.imports(path, "--strict")[0] == 2
    assert harness.rows() == before
    code, out, _ = harness.imports(path, "--json")
    counts = json.loads(out)["counts"]
    assert (code, counts["entries"], counts["refusals"]) == (1, 2, {"unreadable": 1})


def test_a_row_of_ten_megabytes_is_refused_in_the_memory_of_a_small_one(
    harness: ImportHarness, tmp_path: Path
) -> None:
    peaks = []
    for size in (10, 10 * MEGABYTE):
        path = tmp_path / f"{size}.csv"
        path.write_text(HEADER)
        with path.open("a") as file:
            for _ in range(4):
                file.write(GOOD.replace("01", "07", 1).replace("Отопление", "x" * size))
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                TELLS_ITS_PEAK,
                "ledger",
                "import",
                str(path),
                *AUTHOR,
                "--dry-run",
            ],
            env=harness.terminal.environment(),
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, done.stderr
        peaks.append(int(done.stderr.split("VmHWM:")[1].split()[0]))
    quarantined = path.with_name(f"{path.name}.quarantine.csv").read_text()
    assert quarantined.count("up to 65536 are read") == 4
    assert len(quarantined) < 10_000
    assert peaks[1] - peaks[0] < 10 * 1024


COMMANDS = {
    "a future day": (("accrue", "--on", "2190-01-01", *AUTHOR), "is in the future"),
    "no day": (("accrue", "--on", "15.04.2026", *AUTHOR), "is not a day"),
    "for no reason": (("accrue", "--on", "2026-04-15", "--reason", ""), "--reason"),
    "beyond the last day": (("accrue", "--on", "2999-01-01", *AUTHOR, "--dry-run"), "is beyond"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_bad_accrual_is_refused(harness: ImportHarness, name: str) -> None:
    words, reason = COMMANDS[name]
    before = harness.rows()
    code, out, err = harness.terminal.run(*words)
    assert (code, out) == (2, "")
    assert reason in err
    assert harness.rows() == before


def test_a_debt_older_than_the_rules_stops_no_other_account(
    database: Database, tmp_path: Path
) -> None:
    harness = ImportHarness(database, tmp_path)
    rows = ("01;heating;100,00;household;2014-01-01\n", "02;heating;100,00;household;2026-01-01\n")
    header = "account;service;amount;payer_kind;effective_on\n"
    assert harness.imports(harness.file("opening.csv", *rows, header=header))[0] == 0
    for changed in (1, 0):
        code, out, err = harness.terminal.run("accrue", "--on", "2026-07-01", *AUTHOR, "--json")
        summary = json.loads(out.splitlines()[-1])
        assert (code, summary["changed"], summary["refused"]) == (1, changed, 1)
        assert "begin on 2016-01-01" in summary["refusals"]["01"], err
    shown = harness.terminal.run("accrue", "--on", "2026-07-01", *AUTHOR)[2]
    assert "account 01 is left unchanged" in shown
