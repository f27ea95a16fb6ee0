"""The read model: wrong rows are found, and rebuilt from the log while payments go on."""

from __future__ import annotations

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
from services.ledger.replay import swap
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
ORPHAN_ID = "11111111-2222-5333-8444-555555555555"

# Changes of the read model, by the name that the audit gives them.
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
ORPHAN_ROWS = {
    "read model": (
        f"INSERT INTO balances SELECT (jsonb_populate_record(b, "
        f"""'{{"account_id": "{ORPHAN_ID}", "number": "777"}}')).* FROM balances AS b LIMIT 1"""
    ),
    "payment postings": (
        f"INSERT INTO payment_postings SELECT '{ORPHAN_ID}', account, position, amount, "
        "penalty, allocation FROM payment_postings LIMIT 1"
    ),
}


def paid_account(company: SmallCompany) -> str:
    return next(iter(company.payments.values()))[0]


@pytest.mark.parametrize("what", WRONG_ROWS)
def test_a_wrong_row_is_named_and_made_right(company: SmallCompany, what: str) -> None:
    right = {table: company.rows(table) for table in LIVE}
    company.as_owner(WRONG_ROWS[what].format(number=paid_account(company)))
    wrong = {table: company.rows(table) for table in LIVE}
    assert wrong != right
    assert what in company.audit_differences()
    looked = company.run("replay", "--all", "--dry-run")
    assert looked.exit_code == 1
    assert what in looked.stdout
    assert {table: company.rows(table) for table in LIVE} == wrong, "only compared"
    assert sum(company.run_json("replay", "--all")["wrong"].values()) > 0
    assert {table: company.rows(table) for table in LIVE} == right
    assert company.audit_differences() == set()
    assert [company.rows(table) for table in BESIDE] == [[], [], []]


@pytest.mark.parametrize("what", ORPHAN_ROWS)
def test_an_orphan_row_is_named_and_removed(company: SmallCompany, what: str) -> None:
    right = {table: company.rows(table) for table in LIVE}
    company.as_owner(ORPHAN_ROWS[what])
    assert company.audit_differences() == {what}
    company.run_json("replay", "--all")
    assert {table: company.rows(table) for table in LIVE} == right


def test_swapped_numbers_are_put_back(company: SmallCompany) -> None:
    right = company.rows("balances")
    one, other = NUMBERS[:2]
    company.as_owner(
        f"UPDATE balances SET number = 'x' WHERE number = '{one}'",
        f"UPDATE balances SET number = '{one}' WHERE number = '{other}'",
        f"UPDATE balances SET number = '{other}' WHERE number = 'x'",
    )
    company.run_json("replay", "--all")
    assert company.rows("balances") == right


def test_everything_is_rebuilt_from_nothing_by_two_workers(company: SmallCompany) -> None:
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
    company.as_owner("UPDATE balances SET last_bill = 0")

    def pay_four() -> None:
        # After the rows were made, before they are swapped: to wrong rows.
        for number in NUMBERS[:4]:
            pay(company, number, date(2026, 6, 1), 1_00)

    result = rebuild(company.store, before_slice=pay_four)
    assert (result.wrong["balances"], result.replayed_again) == (len(NUMBERS), 4)
    assert company.audit_differences() == set()


def test_payments_are_posted_between_the_slices_of_a_swap(
    company: SmallCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swap, "AT_ONCE", 3)
    company.as_owner("UPDATE balances SET last_bill = 0")
    posted = 0

    def pay_all() -> None:
        # Each waits for the append lock for two seconds at most; nobody may hold it now.
        nonlocal posted
        for number in NUMBERS:
            pay(company, number, date(2026, 6, 1), 1_00)
            posted += 1

    result = rebuild(company.store, before_slice=pay_all)
    assert posted == 4 * len(NUMBERS), "ten rows, three at a time"
    assert result.replayed_again == len(NUMBERS)
    assert company.audit_differences() == set()


def test_a_row_written_from_the_old_one_after_its_swap_is_made_right(
    company: SmallCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swap, "AT_ONCE", 5)
    company.as_owner("UPDATE balances SET last_bill = 0")
    first, *_ = sorted(NUMBERS, key=account_id)
    slices: list[None] = []

    def write_late() -> None:
        # As a command does that decided before the first slice and is written after it.
        slices.append(None)
        if len(slices) == 2:
            pay(company, first, date(2026, 6, 1), 1_00)
            company.as_owner(f"UPDATE balances SET last_bill = 0 WHERE number = '{first}'")

    assert rebuild(company.store, before_slice=write_late).swapped
    assert len(slices) == 3
    assert company.audit_differences() == set()


def test_swapped_numbers_in_different_slices_are_put_back(
    company: SmallCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swap, "AT_ONCE", 1)
    right = company.rows("balances")
    changed = ", ".join(
        f"('{n}', '{m}')" for n, m in zip(NUMBERS, NUMBERS[1:] + NUMBERS[:1], strict=True)
    )
    company.as_owner(
        "UPDATE balances SET number = 'x' || number",
        f"UPDATE balances AS b SET number = c.new FROM (VALUES {changed}) AS c(old, new) "
        "WHERE b.number = 'x' || c.old",
    )
    rebuild(company.store)
    assert company.rows("balances") == right


def test_payments_go_on_during_repeated_rebuilds(company: SmallCompany) -> None:
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
            company.as_owner("UPDATE balances SET last_bill = 0")
            assert rebuild(company.store).swapped
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []
    assert company.audit_differences() == set()
    assert len(company.payments) > 50


def test_a_second_rebuild_is_refused_while_one_runs(company: SmallCompany) -> None:
    company.as_owner("UPDATE balances SET last_bill = 0 WHERE number = '0100000001'")
    refused: list[str] = []

    def another() -> None:
        with pytest.raises(Conflict, match="under way") as conflict:
            rebuild(company.store)
        refused.append(conflict.value.code)

    assert rebuild(company.store, before_slice=another).swapped
    assert refused == ["rebuild_under_way"]


@pytest.mark.parametrize("stage", ["reading", "swapping"])
def test_a_kill_changes_nothing(company: SmallCompany, stage: str) -> None:
    right = {table: company.rows(table) for table in LIVE}
    company.as_owner("UPDATE balances SET last_bill = 0")
    wrong = {table: company.rows(table) for table in LIVE}
    # Reading waits for the events, swapping for its turn to append: so it is where we want it.
    lock = (
        "LOCK TABLE events IN ACCESS EXCLUSIVE MODE"
        if stage == "reading"
        else "SELECT pg_advisory_xact_lock(hashtextextended('ledger.events', 0))"
    )
    with company.database.owner("ledger") as owner, owner.transaction():
        owner.execute(lock)
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
