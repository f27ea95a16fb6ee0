"""``saldo ledger penalty``: no database, JSON for programs, a sentence for what is wrong."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import typer
from penalty_rule_files import WriteRules
from typer.testing import CliRunner, Result

from services import terminal
from services.ledger.commands import penalty as penalty_command
from services.ledger.commands.penalty import penalty
from services.ledger.penalties.rules import PATH_VARIABLE
from services.visible_output import TextConsole

WORKED = (
    "--charge", "2026-03:4500.00", "--paid", "2026-06-20:2000.00", "--paid", "2026-08-10:2500,00",
    "--on", "2026-08-10",
)  # fmt: skip


def run(*arguments: str, **environ: str) -> Result:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command("penalty")(penalty)
    return CliRunner().invoke(
        app, list(arguments), env={PATH_VARIABLE: "", "COLUMNS": "100", **environ}
    )


def calculated(*arguments: str) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("payer", "total"),
    [
        ("household", 119_63),
        ("capital_repair", 91_68),
        ("organisation", 310_21),
        ("managing_company", 183_45),
    ],
)
def test_the_worked_tables(payer: str, total: int) -> None:
    assert calculated("--payer", payer, *WORKED)["total"] == total


def test_a_due_date_for_each_charge() -> None:
    found = calculated(
        "--payer", "organisation", "--on", "2026-05-20",
        "--charge", "2026-03:100", "--due", "2026-05-10",
        "--charge", "2026-04:100", "--due", "2026-05-19",
    )  # fmt: skip
    assert [charge["due_on"] for charge in found["charges"]] == ["2026-05-10", "2026-05-19"]
    assert [charge["segments"][0]["days"] for charge in found["charges"]] == [10, 1]


def test_the_table_and_the_explanation() -> None:
    done = run("--payer", "household", *WORKED, "--explain")
    assert done.exit_code == 0
    for part in ("51,30", "19,00", "49,33", "119,63", "deferment", "1/130"):
        assert part in done.stdout
    assert "2026-05-16" in done.stdout
    assert "285/2" in done.stdout
    assert "Penalty in all" in done.stdout
    assert "Всего пеней" not in done.stdout
    russian = run("--payer", "household", *WORKED, "--explain", SALDO_LANG="ru")
    assert "Всего пеней" in russian.stdout
    assert "Penalty" not in russian.stdout
    assert "Provisional" not in done.stdout
    assert "day by day" not in run("--payer", "household", *WORKED).stdout


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_narrow_terminal_cuts_no_figure(monkeypatch: pytest.MonkeyPatch, language: str) -> None:
    written = StringIO()
    monkeypatch.setattr(terminal, "out", TextConsole(file=written, width=80))
    monkeypatch.setattr(penalty_command, "out", terminal.out)
    large = ("--charge", "2025-03:81000000", "--due", "2025-04-10", "--on", "2025-07-15")
    run("--payer", "household", *large, "--explain", SALDO_LANG=language)
    shown = written.getvalue().replace("\N{NO-BREAK SPACE}", " ")
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown
    assert "81 000 000,00" in shown
    tables = [line for line in shown.splitlines() if line[:1] in ("┃", "│", "┏", "└")]
    assert all(len(line) <= 80 for line in tables)


def test_the_table_has_every_warning() -> None:
    done = run(
        "--payer", "organisation", "--on", "2027-01-20", "--charge", "2026-03:100",
        "--charge", "2021-12:1", "--paid", "2026-01-01:2", "--paid", "2027-02-01:1",
    )  # fmt: skip
    assert "Provisional" in done.stdout
    assert "unconfirmed" in done.stdout
    assert "2027-02-01" in done.stdout
    done = run("--payer", "household", *WORKED, "--paid", "2026-08-10:1")
    assert "Paid beyond the charges: 1,00" in done.stdout


def test_another_file_of_rules(write_rules: WriteRules) -> None:
    path = write_rules(caps=[], version="without-cap")
    found = calculated("--payer", "household", *WORKED, "--rules", str(path))
    assert found["rule_version"].startswith("without-cap+")
    assert {segment["rate"] for segment in found["charges"][0]["segments"]} == {None, "16"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--charge", "2026-03"), "has no amount"),
        (("--charge", "2026-13:1"), "'2026-13' is not a month"),
        (("--charge", "2026-03:-1"), "more than zero"),
        (("--charge", "2026-03:0"), "more than zero"),
        (("--charge", "2026-03:1.005"), "not an amount in roubles"),
        (("--charge", "2026-03:1e5"), "not an amount in roubles"),
        (("--charge", "2026-03:999999999999"), "more than the largest amount"),
        (("--charge", "2026-03:1", "--paid", "2026-06-20"), "has no amount"),
        (("--charge", "2026-03:1", "--paid", "20.06.2026:1"), "is not a day"),
        (("--charge", "2026-03:1", "--paid", "2026-02-29:1"), "is not a day"),
        (("--charge", "2026-03:1", "--due", "2026-W20-1"), "is not a day"),
        (("--charge", "2026-03:1", "--due", "2026-05-10", "--due", "2026-05-11"), "1 --charge"),
        (("--charge", "yesterday:1", "--due", "2026-05-10"), "is not a month"),
        (("--charge", "2017-01:1"), None),
        (("--charge", "2018-01:1", "--paid", "2019-01-01:1"), "no key rate for 2019-01-01"),
        (("--charge", "2014-01:1"), "begin on 2016-01-01"),
        (("--charge", "2026-03:1", "--on", "2026-02-30"), "is not a day"),
        (("--charge", "2026-03:1", "--on", "2500-01-01"), "check the year"),
        (("--charge", "2026-03:1", "--rules", "nowhere.yaml"), "nowhere.yaml cannot be used"),
        (("--charge", "2026-03:1", "--payer", "tenant"), "tenant"),
        ((), "charge"),
    ],
)
def test_bad_input_gets_a_sentence_and_exit_code_2(
    arguments: tuple[str, ...], sentence: str | None
) -> None:
    done = run("--payer", "household", "--on", "2026-08-10", *arguments)
    assert done.exit_code == (2 if sentence else 0)
    assert (sentence or "") in done.output
    assert "Traceback" not in done.output


def test_broken_rules_of_the_operator_stop_it(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("version: x\n")
    done = run("--payer", "household", *WORKED, "--rules", str(path))
    assert done.exit_code == 2
    assert "rules.yaml cannot be used" in done.stderr
    assert done.stdout == ""
