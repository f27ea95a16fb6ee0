"""``saldo ledger``: the verbs that read agree with each other and with the log."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest

from tests.integration.ledger.small_company import CLERK, NUMBERS, SERVICES, SmallCompany, net
from tests.staff_terminal import ServicesHere, staff_amqp_url

pytestmark = pytest.mark.nodes

LAST_DAY = "2027-12-31"


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
    history = shared_company.run_json("replay", NUMBERS[0])
    for step in history:
        then = shared_company.run_json("balance", NUMBERS[0], "--as-of", step["recorded_at"])
        assert then["version"] >= step["version"]
    assert net(then) == history[-1]["balance"]


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
    """The report is read from the log; the expected sums from each account as of that day."""
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


def test_event_hihistory_names_actor_command_and_corrected_event(
    shared_company: SmallCompany,
) -> None:
    history = shared_company.run_json("replay", NUMBERS[0])
    assert [step["version"] for step in history] == list(range(1, len(history) + 1))
    corrections = [step for step in history if step["corrects"]]
    assert {step["kind"] for step in corrections} >= {"adjustment"}
    for step in corrections:
        assert step["corrects"]["version"] < step["version"]
        assert history[step["corrects"]["version"] - 1]["text"] == step["corrects"]["text"]
    assert all(step["actor"] and step["command_id"] for step in history)
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
def test_bad_arguments_are_refused_with_a_sentence(
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


@pytest.mark.parametrize("verb", ["verify", "checkpoint", "audit"])
def test_a_malformed_database_url_is_refused_without_being_quoted(
    shared_company: SmallCompany, verb: str
) -> None:
    error = shared_company.refused(verb, SALDO_STAFF_DATABASE_URL="postgresql:1//u:hunter2@h/db")
    assert error.startswith("the database URL of your login cannot be read")
    assert "hunter2" not in error


WITHOUT_LOGIN = dict.fromkeys(
    ("SALDO_DATABASE_URL", "SALDO_STAFF_DATABASE_URL", "SALDO_DATABASE_URL_LEDGER"), ""
)


@pytest.mark.parametrize(
    "words",
    [
        ("balance", NUMBERS[0]),
        ("balance", NUMBERS[0], "--as-of", "2026-03-31"),
        ("balance", "999"),
        ("statement", NUMBERS[0]),
        ("statement", NUMBERS[0], "--from", "2026-02-01", "--to", "2026-04-30"),
        ("statement", NUMBERS[0], "--from", "2026-04-30", "--to", "2026-02-01"),
        ("proposals",),
        ("proposals", "--all"),
    ],
)
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_terminal_without_a_login_reads_the_same_from_the_service(
    shared_company: SmallCompany, words: tuple[str, ...], form: tuple[str, ...]
) -> None:
    direct = shared_company.run(*words, *form)
    asked = shared_company.run(*words, *form, **WITHOUT_LOGIN)
    assert (asked.exit_code, asked.stderr) == (direct.exit_code, direct.stderr)
    if form and not direct.exit_code:
        assert json.loads(asked.stdout) == json.loads(direct.stdout)
    else:
        assert asked.stdout == direct.stdout
    nobody = shared_company.run(*words, *form, by="nobody", **WITHOUT_LOGIN)
    assert "staff may" in nobody.stderr


def test_pages_of_a_statement_add_up_to_the_whole(shared_company: SmallCompany) -> None:
    services = ServicesHere({"ledger": shared_company.store}, staff_amqp_url(CLERK))
    whole = shared_company.run_json("statement", NUMBERS[0])
    movements: list[Any] = []
    after: int | None = 0
    while after is not None:
        page = services.call("ledger", "statement_by_days", number=NUMBERS[0], after=after, limit=2)
        assert (page["opening"], page["closing"]) == (whole["opening"], whole["closing"])
        assert len(page["movements"]) in (1, 2)
        movements += page["movements"]
        after = page["next"]
    # The terminal writes what a movement is in the language of its user.
    assert [without_text(step) for step in movements] == [
        without_text(step) for step in whole["movements"]
    ]


def without_text(step: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in step.items() if name != "text"}
