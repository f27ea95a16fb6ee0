"""The read model is found wrong, and rebuilt from the log while people pay, or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import pytest

from services.ledger.domain import account_id
from services.ledger.replay.audit import audit
from services.ledger.replay.rebuild import rebuild
from shared.errors import Conflict
from tests.integration.ledger.small_company import (
    NUMBERS,
    SmallCompany,
    pay,
)
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

REPOSITORY = Path(__file__).resolve().parents[3]
LIVE = ("balances", "proposals", "payment_postings")
BESIDE = tuple(f"rebuilt_{table}" for table in LIVE)
STRANGER = "11111111-2222-5333-8444-555555555555"

# What somebody may have done to the read model, and what the audit calls it.
WRONG_ROWS = {
    "advance (read model)": "UPDATE balances SET advance = advance + 1 WHERE number = '{number}'",
    "version (read model)": "UPDATE balances SET version = version - 1 WHERE number = '{number}'",
    "last bill (read model)": "UPDATE balances SET last_bill = 1 WHERE number = '{number}'",
    "open items (read model)": (
        """UPDATE balances SET open_items = '{{"2026-01": {{"lift": 1}}}}' """
        "WHERE number = '{number}'"
    ),
    "due dates (read model)": """UPDATE balances SET due_dates = '{{"2026-01": "2030-01-01"}}' """
    "WHERE number = '{number}'",
    "charged periods (read model)": (
        "UPDATE balances SET charged_periods = '{{}}' WHERE number = '{number}'"
    ),
    "number (read model)": "UPDATE balances SET number = '777' WHERE number = '{number}'",
    "read model": "DELETE FROM balances WHERE number = '{number}'",
    "amount (payment postings)": (
        "UPDATE payment_postings SET amount = amount + 1 WHERE account = '{number}'"
    ),
    "position (payment postings)": (
        "UPDATE payment_postings SET position = position + 1 WHERE account = '{number}'"
    ),
    "payment postings": "DELETE FROM payment_postings WHERE account = '{number}'",
    "amount (proposals)": "UPDATE proposals SET amount = amount + 1",
    "proposals": "DELETE FROM proposals",
}
STRANGERS = {
    "read model": (
        f"INSERT INTO balances SELECT (jsonb_populate_record(b, "
        f"""'{{"account_id": "{STRANGER}", "number": "777"}}')).* FROM balances AS b LIMIT 1"""
    ),
    "payment postings": (
        f"INSERT INTO payment_postings SELECT '{STRANGER}', account, position, amount, "
        "penalty, allocation FROM payment_postings LIMIT 1"
    ),
}


def paid_account(company: SmallCompany) -> str:
    return next(iter(company.payments.values()))[0]


def differences(company: SmallCompany) -> set[str]:
    result = company.run("audit", "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == (1 if report["differences"] else 0)
    return {found["what"] for found in report["differences"]}


@pytest.mark.parametrize("what", WRONG_ROWS)
def test_a_wrong_row_is_named_and_made_right(company: SmallCompany, what: str) -> None:
    right = {table: company.rows(table) for table in LIVE}
    company.as_owner(WRONG_ROWS[what].format(number=paid_account(company)))
    wrong = {table: company.rows(table) for table in LIVE}
    assert wrong != right
    assert what in differences(company)
    looked = company.run("replay", "--all", "--dry-run")
    assert looked.exit_code == 1
    assert what in looked.stdout
    assert {table: company.rows(table) for table in LIVE} == wrong, "only compared"
    assert sum(company.run_json("replay", "--all")["wrong"].values()) > 0
    assert {table: company.rows(table) for table in LIVE} == right
    assert differences(company) == set()
    assert [company.rows(table) for table in BESIDE] == [[], [], []]


@pytest.mark.parametrize("what", STRANGERS)
def test_a_row_of_nobody_is_named_and_removed(company: SmallCompany, what: str) -> None:
    right = {table: company.rows(table) for table in LIVE}
    company.as_owner(STRANGERS[what])
    assert differences(company) == {what}
    company.run_json("replay", "--all")
    assert {table: company.rows(table) for table in LIVE} == right


def test_numbers_that_changed_places_are_put_back(company: SmallCompany) -> None:
    right = company.rows("balances")
    one, other = NUMBERS[:2]
    company.as_owner(
        f"UPDATE balances SET number = 'x' WHERE number = '{one}'",
        f"UPDATE balances SET number = '{one}' WHERE number = '{other}'",
        f"UPDATE balances SET number = '{other}' WHERE number = 'x'",
    )
    company.run_json("replay", "--all")
    assert company.rows("balances") == right


def test_everything_is_rebuilt_from_nothing_on_two_cores(company: SmallCompany) -> None:
    right = {table: company.rows(table) for table in LIVE}
    company.as_owner(*(f"DELETE FROM {table}" for table in LIVE))
    read: list[int] = []
    result = rebuild(company.store, read.append, workers=2)
    assert result.swapped
    assert result.accounts == len(NUMBERS)
    assert sum(read) == result.events == company.store.recorder.max_notification_id()
    assert {table: company.rows(table) for table in LIVE} == right
    assert audit(company.store, workers=2).differences == []


def test_payments_during_a_rebuild_are_not_lost(company: SmallCompany) -> None:
    company.as_owner("UPDATE balances SET advance = advance + 1")

    def meanwhile() -> None:
        # After the rows were made, before they are swapped: to wrong rows, and to one of nobody.
        for number in NUMBERS[:4]:
            pay(company, number, date(2026, 6, 1), 1_00)

    result = rebuild(company.store, before_swap=meanwhile)
    assert (result.wrong["balances"], result.replayed_again) == (len(NUMBERS), 4)
    assert differences(company) == set()


def test_people_pay_while_it_is_rebuilt_again_and_again(company: SmallCompany) -> None:
    stop, failed = threading.Event(), list[BaseException]()

    def keep_paying(numbers: list[str]) -> None:
        try:
            while not stop.is_set():
                for number in numbers:
                    pay(company, number, date(2026, 6, 1), 1_00)
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=keep_paying, args=(NUMBERS[k::2],)) for k in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            company.as_owner("UPDATE balances SET penalty = penalty + 1")
            assert rebuild(company.store).swapped
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []
    assert differences(company) == set()
    assert len(company.payments) > 50


def test_two_rebuilds_do_not_meet(company: SmallCompany) -> None:
    def another() -> None:
        with pytest.raises(Conflict, match="under way"):
            rebuild(company.store)

    assert rebuild(company.store, before_swap=another).swapped


@pytest.mark.parametrize("stage", ["reading", "swapping"])
def test_a_kill_changes_nothing(company: SmallCompany, stage: str) -> None:
    right = {table: company.rows(table) for table in LIVE}
    company.as_owner("UPDATE balances SET advance = advance + 1")
    wrong = {table: company.rows(table) for table in LIVE}
    # Reading waits for the events, swapping for its turn to append: so it is where we want it.
    held = (
        "LOCK TABLE events IN ACCESS EXCLUSIVE MODE"
        if stage == "reading"
        else "SELECT pg_advisory_xact_lock(hashtextextended('ledger.events', 0))"
    )
    with company.database.owner("ledger") as owner, owner.transaction():
        owner.execute(held)
        process = _start_rebuild(company)
        eventually(lambda: _waiting(company), f"the rebuild waits while {stage}")
        workers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == [], "workers end with their parent"
    assert {table: company.rows(table) for table in LIVE} == wrong
    eventually(lambda: _try(lambda: rebuild(company.store)), "the lock of the killed one is free")
    assert {table: company.rows(table) for table in LIVE} == right


def _start_rebuild(company: SmallCompany) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "services.cli", "ledger", "replay", "--all", "--workers", "2"],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], **company.environment()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _waiting(company: SmallCompany) -> bool:
    # A connection of its own: within a transaction this view stands still.
    with company.database.owner("ledger") as owner:
        row = owner.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND wait_event_type = 'Lock'"
        ).fetchone()
    return bool(row and row[0])


def _try(act: Callable[[], Any]) -> bool:
    try:
        act()
    except Conflict:
        return False
    return True


# The log itself, changed by its owner with the triggers off.
TAMPERED = {
    "positions of the log": "DELETE FROM events WHERE notification_id = 30",
    "versions of a stream": "DELETE FROM events WHERE notification_id = 30",
    "time of position 31": (
        "UPDATE events SET recorded_at = recorded_at - interval '1 day' WHERE notification_id = 31"
    ),
    "event at position 30": "UPDATE events SET state = 'nonsense' WHERE notification_id = 30",
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_change_of_the_log_is_named(company: SmallCompany, what: str) -> None:
    company.as_owner(TAMPERED[what])
    assert what in differences(company)


def test_the_end_of_the_log_is_missed(company: SmallCompany) -> None:
    company.as_owner(
        "DELETE FROM events WHERE notification_id > (SELECT max(notification_id) - 2 FROM events)"
    )
    assert any("version" in what or "read model" in what for what in differences(company))


def test_events_that_changed_places_are_named(company: SmallCompany) -> None:
    stream = f"originator_id = '{account_id(NUMBERS[0])}'"
    company.as_owner(
        f"UPDATE events SET originator_version = originator_version + 1000 "
        f"WHERE {stream} AND originator_version IN (2, 3)",
        f"UPDATE events SET originator_version = 1005 - originator_version "
        f"WHERE {stream} AND originator_version > 1000",
    )
    assert any(what.startswith("order of version 3") for what in differences(company))


def test_a_command_that_points_elsewhere_is_named(company: SmallCompany) -> None:
    with company.database.owner("ledger") as owner:
        row = owner.execute("SELECT command_id FROM commands WHERE first_position = 30").fetchone()
    assert row is not None
    company.as_owner("UPDATE commands SET first_position = 31 WHERE first_position = 30")
    assert f"command {row[0]}" in differences(company)


def test_a_payment_posted_twice_is_named(company: SmallCompany) -> None:
    payment_id = next(iter(company.payments))
    with company.database.owner("ledger") as owner:
        row = owner.execute(
            "SELECT originator_id, convert_from(state, 'UTF8') FROM events "
            "WHERE convert_from(state, 'UTF8') LIKE %s AND topic LIKE 'ledger.payment_posted%%'",
            (f"%{payment_id}%",),
        ).fetchone()
        assert row is not None
        last = owner.execute("SELECT max(notification_id) FROM events").fetchone()
    assert last is not None
    company.as_owner(
        "INSERT INTO events SELECT originator_id, (SELECT max(originator_version) + 1 FROM events "
        f"WHERE originator_id = '{row[0]}'), topic, state, {last[0] + 1}, recorded_at, "
        "command_id, actor, correlation_id FROM events "
        f"WHERE originator_id = '{row[0]}' AND convert_from(state, 'UTF8') LIKE '%{payment_id}%' "
        "LIMIT 1"
    )
    assert f"event at position {last[0] + 1}" in differences(company)


def test_a_log_that_cannot_be_replayed_is_not_swapped_in(company: SmallCompany) -> None:
    company.as_owner(
        "UPDATE balances SET advance = advance + 1",
        "UPDATE events SET state = 'nonsense' WHERE notification_id = 30",
    )
    wrong = {table: company.rows(table) for table in LIVE}
    result = company.run("replay", "--all")
    assert result.exit_code == 1
    assert "cannot be replayed" in result.stdout
    assert {table: company.rows(table) for table in LIVE} == wrong


def test_what_was_rewritten_consistently_is_found_by_the_seal(company: SmallCompany) -> None:
    company.run_json("checkpoint")
    company.as_owner("UPDATE events SET actor = 'staff:nobody' WHERE notification_id = 30")
    result = company.run("audit", "--json")
    report = json.loads(result.stdout)
    assert report["differences"] == []
    assert result.exit_code == 1
    assert report["seal"]["findings"]
