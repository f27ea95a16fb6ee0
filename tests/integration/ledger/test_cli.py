"""``saldo ledger``: staff read what is in the log, and their commands take effect once."""

from __future__ import annotations

import csv
import json
from collections import Counter
from datetime import date, timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from services.ledger.seal.checkpoint import VerifierKey
from services.ledger.seal.verifier import verify_export
from tests.integration.ledger.small_company import (
    NUMBERS,
    SERVICES,
    SmallCompany,
)

pytestmark = pytest.mark.nodes

SUMS = ("principal", "penalty", "advance")
LAST_DAY = "2027-12-31"


def net(balance: dict[str, Any]) -> int:
    return int(balance["principal"] + balance["penalty"] - balance["advance"])


# Reading


@pytest.mark.parametrize("day", ["2026-02-01", "2026-03-20", "2026-05-24", LAST_DAY])
def test_a_statement_closes_at_the_balance_of_its_last_day(
    shared_company: SmallCompany, day: str
) -> None:
    for number in NUMBERS:
        found = shared_company.run_json("statement", number, "--from", "2026-02-01", "--to", day)
        assert found["closing"] == net(shared_company.run_json("balance", number, "--as-of", day))
        steps = found["movements"]
        at = [step["balance"] for step in steps]
        changes = [step["amount"] + step["penalty"] for step in steps]
        if steps:
            assert at[-1] == found["closing"]
            assert found["opening"] + sum(changes) == found["closing"]
        assert [step["effective_on"] for step in steps] == sorted(s["effective_on"] for s in steps)


def test_a_balance_as_of_an_instant_is_what_had_been_recorded(shared_company: SmallCompany) -> None:
    story = shared_company.run_json("replay", NUMBERS[0])
    for step in story:
        then = shared_company.run_json("balance", NUMBERS[0], "--as-of", step["recorded_at"])
        assert then["version"] >= step["version"]
    assert net(then) == story[-1]["balance"]


def test_turnover_adds_up_by_account_by_service_and_with_the_balances(
    shared_company: SmallCompany,
) -> None:
    whole = shared_company.run_json("turnover", "--from", "2026-03-01", "--to", LAST_DAY)
    assert whole["differences"] == []
    rows = whole["rows"]
    assert {row["service"] for row in rows} == {*SERVICES, "penalty", "advance"}
    for column in whole["total"]:
        assert whole["total"][column] == sum(row[column] for row in rows)
    by_service: Counter[str] = Counter()
    for number in NUMBERS:
        one = shared_company.run_json(
            "turnover", "--from", "2026-03-01", "--to", LAST_DAY, "--account", number
        )
        by_service.update({row["service"]: row["closing"] for row in one["rows"]})
        assert one["total"]["closing"] == net(shared_company.run_json("balance", number))
    assert {row["service"]: row["closing"] for row in rows} == by_service


def test_a_turnover_opens_with_what_the_one_before_closed(shared_company: SmallCompany) -> None:
    first = shared_company.run_json("turnover", "--from", "2025-01-01", "--to", "2026-03-31")
    second = shared_company.run_json("turnover", "--from", "2026-04-01", "--to", LAST_DAY)
    assert first["total"]["closing"] == second["total"]["opening"]
    april = shared_company.run_json("turnover", "--from", "2026-04-01", "--to", "2026-04-30")
    assert shared_company.run_json("turnover", "--period", "2026-04") == april
    total = shared_company.run_json(
        "turnover", "--from", "2026-04-01", "--to", LAST_DAY, "--by", "total"
    )
    assert (total["rows"], total["total"]) == ([], second["total"])


def test_the_books_come_to_zero_on_every_day(shared_company: SmallCompany) -> None:
    for day in ([], ["--on", "2026-03-10"]):
        books = shared_company.run_json("trial-balance", *day)
        assert books["total"] == sum(books["accounts"].values()) == 0
        assert books["accounts"]["clearing"] > 0


@pytest.mark.parametrize("ahead", [0, 400])
def test_overdue_is_what_is_open_by_the_age_of_its_bill(
    shared_company: SmallCompany, ahead: int
) -> None:
    today = shared_company.store.clock.today() + timedelta(days=ahead)
    found = shared_company.run_json("overdue", "--on", today.isoformat())
    expected: dict[str, Counter[str]] = {}
    for row in shared_company.rows("balances"):
        for period, owed in row["open_items"].items():
            due = date.fromisoformat(row["due_dates"][period])
            if due < today:
                band = _band((today - due).days)
                expected.setdefault(row["number"], Counter())[band] += sum(owed.values())
    assert {a["number"]: +Counter(a["bands"]) for a in found["accounts"]} == expected
    assert [a["number"] for a in found["accounts"]] == sorted(expected)
    assert found["total"] == sum(band["amount"] for band in found["bands"])
    assert found["count"] == len(expected) > 0
    summary = shared_company.run_json("overdue", "--on", today.isoformat(), "--summary")
    assert "accounts" not in summary
    assert summary["bands"] == found["bands"]


def test_overdue_on_a_past_day_is_what_was_open_then(shared_company: SmallCompany) -> None:
    """Told from the log; the same day told from each account's balance of that day."""
    day = date(2026, 4, 20)
    found = shared_company.run_json("overdue", "--on", day.isoformat())
    expected = {}
    for number in NUMBERS:
        account = shared_company.as_of(number, day)
        due = [p for p, on in account.due_dates.items() if on < day and p in account.open_items]
        if amount := sum(sum(account.open_items[period].values()) for period in due):
            expected[number] = amount
    assert {a["number"]: a["amount"] for a in found["accounts"]} == expected
    assert expected


def _band(days: int) -> str:
    for last, name in ((30, "1-30"), (60, "31-60"), (90, "61-90"), (180, "91-180")):
        if days <= last:
            return name
    return "181-365" if days <= 365 else ">365"


def test_the_story_names_who_did_what_and_what_it_corrects(shared_company: SmallCompany) -> None:
    story = shared_company.run_json("replay", NUMBERS[0])
    assert [step["version"] for step in story] == list(range(1, len(story) + 1))
    corrections = [step for step in story if step["corrects"]]
    assert {step["kind"] for step in corrections} >= {"adjustment"}
    for step in corrections:
        assert step["corrects"]["version"] < step["version"]
        assert story[step["corrects"]["version"] - 1]["text"] == step["corrects"]["text"]
    assert all(step["actor"] and step["command_id"] for step in story)
    shown = shared_company.run("replay", NUMBERS[0])
    assert "corrects" in shown.stdout
    assert "service:test" in shown.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["balance", "999"],
        ["balance", NUMBERS[0], "--as-of", "2026-02-30"],
        ["balance", NUMBERS[0], "--as-of", "2026-02-01T10:00:00"],
        ["balance", NUMBERS[0], "--as-of", "yesterday"],
        ["statement", NUMBERS[0], "--from", "2026-03-01", "--to", "2026-02-01"],
        ["statement", "999"],
        ["turnover", "--from", "2026-03-02", "--to", "2026-03-01"],
        ["turnover", "--from", "20260301", "--to", "2026-03-31"],
        ["turnover", "--from", "2026-03-01", "--to", "2026-03-31", "--account", "999"],
        ["turnover"],
        ["turnover", "--period", "2026-13"],
        ["turnover", "--period", "0000-01"],
        ["turnover", "--period", "2026-03", "--from", "2026-03-01"],
        ["overdue", "--on", "2026-13-01"],
        ["replay"],
        ["replay", NUMBERS[0], "--all"],
        ["replay", "999"],
        ["export", "there.txt"],
        ["export", "there.jsonl", "--what", "statement"],
        ["export", "there.jsonl", "--account", NUMBERS[0]],
        ["export", "no/such/folder/there.jsonl"],
    ],
)
def test_bad_words_are_refused_with_a_sentence(
    shared_company: SmallCompany, words: list[str]
) -> None:
    result = shared_company.run(*words)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.strip()
    assert "Traceback" not in result.stderr


def test_tables_are_shown_to_people(shared_company: SmallCompany) -> None:
    for words in (
        ["balance", NUMBERS[0]],
        ["statement", NUMBERS[0]],
        ["turnover", "--from", "2026-03-01", "--to", "2026-03-31"],
        ["trial-balance"],
        ["overdue"],
        ["proposals"],
        ["audit"],
        ["replay", "--all", "--dry-run"],
    ):
        result = shared_company.run(*words)
        assert result.exit_code == 0, result.output
        assert result.stdout.strip()


# Correcting


def adjusts(
    company: SmallCompany, sum_: str, *more: str, actor: str = "Ivanova", **env: str
) -> Any:
    words = ["adjust", NUMBERS[5], "--period", "2026-02", "--service", f"heating={sum_}"]
    return company.run(*words, "--reason", "act 7", "--actor", actor, *more, "--json", **env)


def test_an_adjustment_said_twice_is_made_once(company: SmallCompany) -> None:
    before = company.run_json("balance", NUMBERS[5])
    for _ in range(2):
        answer = json.loads(adjusts(company, "150,00").stdout)
        assert (answer["state"], answer["amount"]) == ("done", 150_00)
    assert net(company.run_json("balance", NUMBERS[5])) == net(before) + 150_00
    more = adjusts(company, "150,00", "--command-id", "once more")
    assert json.loads(more.stdout)["state"] == "done"
    assert net(company.run_json("balance", NUMBERS[5])) == net(before) + 300_00
    last = company.run_json("replay", NUMBERS[5])[-1]
    assert (last["actor"], last["event"]["reason"]) == ("staff:ivanova", "act 7")
    assert company.run("audit").exit_code == 0


def test_a_command_id_means_one_thing(company: SmallCompany) -> None:
    assert adjusts(company, "1,00", "--command-id", "a").exit_code == 0
    other = adjusts(company, "2,00", "--command-id", "a")
    assert other.exit_code == 2
    assert "another command" in other.stderr


def test_two_people_move_more_than_one_may(company: SmallCompany) -> None:
    before = company.run_json("balance", NUMBERS[5])
    limit = {"SALDO_LEDGER_APPROVAL_OVER": "100,00"}
    proposed = json.loads(adjusts(company, "100,01", **limit).stdout)
    assert proposed["state"] == "proposed"
    assert company.run_json("balance", NUMBERS[5]) == before
    _, row = company.run_json("proposals")
    assert row["proposal_id"] == proposed["correction_id"]
    assert (row["proposed_by"], row["reason"], row["amount"]) == ("staff:ivanova", "act 7", 10_001)

    same = company.run("approve", row["proposal_id"], "--actor", "staff:IVANOVA")
    assert same.exit_code == 2
    assert "Somebody else" in same.stderr
    dry = company.run_json("approve", row["proposal_id"], "--actor", "petrov", "--dry-run")
    assert net(dry["accounts"][0]) == net(dry["before"][0]) + 10_001
    assert company.run_json("balance", NUMBERS[5]) == before
    for _ in range(2):
        done = company.run_json("approve", row["proposal_id"], "--actor", "petrov")
        assert done["state"] == "approved"
    assert net(company.run_json("balance", NUMBERS[5])) == net(before) + 10_001
    assert len(company.run_json("proposals")) == 1
    _, row = company.run_json("proposals", "--all")
    assert (row["state"], row["decided_by"]) == ("approved", "staff:petrov")
    again = json.loads(adjusts(company, "100,01", **limit).stdout)
    assert (again["state"], again["proposal"]) == ("proposed", "approved")
    assert company.run("audit").exit_code == 0


def test_the_second_person_may_say_the_whole_correction(company: SmallCompany) -> None:
    limit = {"SALDO_LEDGER_APPROVAL_OVER": "0"}
    proposed = json.loads(adjusts(company, "1,00", **limit).stdout)
    assert proposed["state"] == "proposed", "0 means always"
    said = ("--approve", proposed["correction_id"])
    other = adjusts(company, "2,00", *said, actor="petrov", **limit)
    assert other.exit_code == 2
    assert "another correction" in other.stderr
    done = adjusts(company, "1,00", *said, actor="petrov", **limit)
    assert json.loads(done.stdout)["state"] == "approved"


def test_a_proposal_can_be_rejected(company: SmallCompany) -> None:
    limit = {"SALDO_LEDGER_APPROVAL_OVER": "0"}
    proposed = json.loads(adjusts(company, "1,00", **limit).stdout)
    words = ["reject", proposed["correction_id"], "--reason", "typo", "--actor", "petrov"]
    assert company.run_json(*words)["state"] == "rejected"
    late = company.run("approve", proposed["correction_id"], "--actor", "sidorov")
    assert late.exit_code == 2
    assert "rejected already" in late.stderr
    assert company.run("audit").exit_code == 0


def test_a_payment_is_reversed_and_a_penalty_waived(company: SmallCompany) -> None:
    payment_id, (number, amount, penalty) = list(company.payments.items())[-1]
    before = company.run_json("balance", number)
    words = ["reverse", str(payment_id), "--reason", "chargeback", "--actor", "ivanova"]
    assert company.run_json(*words, "--dry-run")["would_be"] == "done"
    assert company.run_json("balance", number) == before
    assert company.run_json(*words)["amount"] == amount + penalty
    after = company.run_json("balance", number)
    assert net(after) == net(before) + amount + penalty
    waive = ["write-off", number, "--amount", "0,01", "--reason", "act", "--actor", "ivanova"]
    assert company.run_json(*waive)["state"] == "done"
    assert company.run_json("balance", number)["penalty"] == after["penalty"] - 1
    assert company.run("audit").exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        ["adjust", NUMBERS[5], "--period", "2026-09", "--service", "heating=-1,00"],
        ["adjust", "999", "--period", "2026-02", "--service", "heating=-1,00"],
        ["adjust", NUMBERS[5], "--period", "2026-02", "--service", "heatng=-1,00"],
        ["adjust", NUMBERS[5], "--period", "2026-02", "--service", "heating"],
        ["adjust", NUMBERS[5], "--period", "2026-02", "--service", "heating=0"],
        ["adjust", NUMBERS[5], "--period", "2026-02", "--service", "heating=1,005"],
        ["adjust", NUMBERS[5], "--period", "2026-02", "--service", "heating=999999999999999"],
        ["adjust", NUMBERS[5], "--period", "2026-02", "--service", "lift=1", "--service", "lift=2"],
        ["write-off", NUMBERS[5], "--amount", "-5,00"],
        ["write-off", NUMBERS[5], "--amount", "100000000000"],
        ["reverse", "11111111-2222-4333-8444-555555555555"],
        ["reverse", "not-an-id"],
    ],
)
def test_a_bad_correction_changes_nothing(shared_company: SmallCompany, words: list[str]) -> None:
    before = shared_company.store.recorder.max_notification_id()
    for dry in ([], ["--dry-run"]):
        result = shared_company.run(*words, "--reason", "r", "--actor", "ivanova", *dry)
        assert result.exit_code == 2, result.output
        assert result.stderr.strip()
        assert "Traceback" not in result.stderr
    assert shared_company.store.recorder.max_notification_id() == before


@pytest.mark.parametrize(
    ("actor", "reason", "limit"),
    [("", "r", ""), ("a b", "r", ""), ("a", "  ", ""), ("a", "r" * 501, ""), ("a", "r", "-1")],
)
def test_a_correction_has_an_author_a_reason_and_a_limit(
    shared_company: SmallCompany, actor: str, reason: str, limit: str
) -> None:
    result = shared_company.run(
        *["adjust", NUMBERS[5], "--period", "2026-02", "--service", "heating=1"],
        *["--actor", actor, "--reason", reason],
        SALDO_LEDGER_APPROVAL_OVER=limit,
    )
    assert result.exit_code == 2


# Exporting


def test_events_are_exported_so_that_the_seal_can_be_verified(
    shared_company: SmallCompany, tmp_path: Path
) -> None:
    note = shared_company.run_json("checkpoint")["checkpoint"]
    key = VerifierKey.parse(shared_company.run_json("key")["key"])
    file = tmp_path / "events.jsonl"
    answer = shared_company.run_json("export", str(file))
    lines = file.read_bytes().splitlines()
    assert answer["rows"] == len(lines) == shared_company.store.recorder.max_notification_id()
    verify_export(lines, note, [key])
    assert list(tmp_path.iterdir()) == [file]


def test_balances_and_statements_are_exported_as_csv(
    shared_company: SmallCompany, tmp_path: Path
) -> None:
    file = tmp_path / "balances.csv"
    shared_company.run_json("export", str(file), "--what", "balances")
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened, delimiter=";"))
    assert [row["number"] for row in rows] == NUMBERS
    for row in rows:
        found = shared_company.run_json("balance", row["number"])
        assert [int(row[name]) for name in SUMS] == [found[name] for name in SUMS]
        assert isinstance(json.loads(row["open_items"]), dict)
    file = tmp_path / "statement"
    words = ["export", str(file), "--format", "jsonl", "--what", "statement"]
    shared_company.run_json(*words, "--account", NUMBERS[1], "--from", "2026-03-01")
    told = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert (
        told
        == shared_company.run_json("statement", NUMBERS[1], "--from", "2026-03-01")["movements"]
    )


def test_a_file_is_not_overwritten_unasked(shared_company: SmallCompany, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text("mine")
    assert shared_company.run("export", str(file)).exit_code == 2
    assert file.read_text() == "mine"
    assert shared_company.run("export", str(file), "--overwrite").exit_code == 0
    assert file.read_text("utf-8").startswith("notification_id;")


def test_parquet_is_written_or_says_what_it_needs(
    shared_company: SmallCompany, tmp_path: Path
) -> None:
    file = tmp_path / "balances.parquet"
    result = shared_company.run("export", str(file), "--what", "balances")
    if find_spec("pyarrow") is None:
        assert result.exit_code == 2
        assert "pip install 'saldo[parquet]'" in result.stderr
        assert not file.exists()
        return
    assert result.exit_code == 0
    table = import_module("pyarrow.parquet").read_table(file)
    assert table.column("number").to_pylist() == NUMBERS
    assert table.schema.field("principal").type == "int64"
