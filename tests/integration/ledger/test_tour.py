"""The tour of the ledger, run command by command: the output is as the document shows it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.database_clock import DatabaseClock
from shared.staff import LIMITS, ROLES
from tests.conftest import Database
from tests.integration.ledger.small_company import SmallCompany

pytestmark = pytest.mark.nodes

TOUR = Path(__file__).resolve().parents[3] / "services/ledger/TOUR.md"
SALDO, SIGN_IN = "saldo ledger ", ". "
CLERK, APPROVER, CASHIER = "clerk", "approver", "cashier"
NOW = datetime(2025, 7, 16, 9, tzinfo=UTC)
# These differ from run to run: times of recording, durations, the digest of the rules.
VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "2025-07-16 12:00:00"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(?!:)"), "2025-07-16 12:00"),
    (re.compile(r"\d+\.\d s\b"), "0.5 s"),
    (re.compile(r"(ru-[0-9-]+\+)[0-9a-f]{12}"), r"\g<1>74a831fcd094"),
    (re.compile(r"sealed: \d+"), "sealed: 0"),
)


def parts(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of the console blocks with the output that the tour shows."""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        command, lines = "", list[str]()
        for line in block.splitlines():
            if line.startswith("$ "):
                if command:
                    yield command, lines
                command, lines = line.removeprefix("$ "), []
            else:
                lines.append(line)
        yield command, lines


class TourRunner:
    """Runs the commands of the tour on one ledger, in one folder."""

    def __init__(self, company: SmallCompany, folder: Path) -> None:
        self.company, self.folder = company, folder
        self.by = CLERK

    def run(self, command: str) -> list[str]:
        """Return the output or the error, with the varying parts replaced."""
        words = shlex.split(command.removeprefix(SALDO))
        result = self.company.run(*words, by=self.by)
        assert result.exit_code in (0, 1, 2)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        printed = result.stdout if result.exit_code < 2 else result.stderr
        for pattern, alike in VARYING:
            printed = pattern.sub(alike, printed)
        return [line.rstrip() for line in printed.replace(f"{self.folder}/", "").splitlines()]

    def shows(self, command: str, lines: list[str]) -> list[str]:
        """Return the content of a shown file; write it when there is none."""
        file = self.folder / command.removeprefix("cat ")
        if not file.exists():
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file.read_text(encoding="utf-8-sig").splitlines()

    def results(self, text: str) -> Iterator[tuple[str, list[str], list[str]]]:
        """Yield each command, the output that the tour shows, and the real one."""
        for command, lines in parts(text):
            if command.startswith("cat "):
                yield command, lines, self.shows(command, lines)
            elif command.startswith(SIGN_IN):
                self.by = command.removeprefix(SIGN_IN).removesuffix(".env")
                yield command, lines, []
            else:
                assert command.startswith(SALDO), command
                yield command, lines, self.run(command)


@pytest.fixture
def runner(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TourRunner:
    monkeypatch.chdir(tmp_path)
    # What is owed of a penalty is shown as of today.
    monkeypatch.setattr(DatabaseClock, "now", lambda _: NOW)
    company = SmallCompany(database, database.store("ledger"), {})
    for name in (CLERK, APPROVER, CASHIER):
        for permission in ROLES[name]["ledger"]:
            company.may(name, permission, LIMITS.get(permission))
    return TourRunner(company, tmp_path)


def test_the_tour_shows_the_real_output(runner: TourRunner) -> None:
    seen = 0
    for command, shown, printed in runner.results(TOUR.read_text(encoding="utf-8")):
        assert printed == shown, command
        seen += 1
    assert seen > 15
