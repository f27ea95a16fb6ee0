"""The tour of the ledger's documents, said command by command: it prints what it says it prints."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Database
from tests.integration.ledger.small_company import SmallCompany

pytestmark = pytest.mark.nodes

TOUR = Path(__file__).resolve().parents[3] / "services/ledger/TOUR.md"
SALDO = "saldo ledger "
# What is another one each time: ids, durations, the digest of the rules, what is sealed so far.
VARYING = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "PROPOSAL"),
    (re.compile(r"\d+\.\d s\b"), "0.5 s"),
    (re.compile(r"(ru-[0-9-]+\+)[0-9a-f]{12}"), r"\g<1>74a831fcd094"),
    (re.compile(r"\d+ of them sealed"), "11 of them sealed"),
)


def parts(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of the console blocks with the lines that it is said to print."""
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
    """Says the commands of the tour to one ledger, in one folder."""

    def __init__(self, company: SmallCompany, folder: Path) -> None:
        self.company, self.folder, self.proposal = company, folder, ""

    def run(self, command: str) -> list[str]:
        """Return what is printed, errors included, with what varies made alike."""
        words = shlex.split(command.removeprefix(SALDO).replace("PROPOSAL", self.proposal))
        result = self.company.run(*words)
        assert result.exit_code in (0, 1, 2)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        printed = result.stdout if result.exit_code < 2 else result.stderr
        if found := VARYING[0][0].search(printed):
            self.proposal = found[0]
        for pattern, alike in VARYING:
            printed = pattern.sub(alike, printed)
        return [line.rstrip() for line in printed.replace(f"{self.folder}/", "").splitlines()]

    def shows(self, command: str, lines: list[str]) -> list[str]:
        """A file that the tour shows is written; one that is there is read."""
        file = self.folder / command.removeprefix("cat ")
        if not file.exists():
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file.read_text(encoding="utf-8-sig").splitlines()

    def results(self, text: str) -> Iterator[tuple[str, list[str], list[str]]]:
        """Yield each command, what it is said to print, and what it prints."""
        for command, lines in parts(text):
            if command.startswith("cat "):
                yield command, lines, self.shows(command, lines)
            else:
                assert command.startswith(SALDO), command
                yield command, lines, self.run(command)


@pytest.fixture
def runner(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TourRunner:
    monkeypatch.chdir(tmp_path)
    return TourRunner(SmallCompany(database, database.store("ledger"), {}), tmp_path)


def test_the_tour_prints_what_it_says(runner: TourRunner) -> None:
    seen = 0
    for command, told, printed in runner.results(TOUR.read_text(encoding="utf-8")):
        assert printed == told, command
        seen += 1
    assert seen > 15
