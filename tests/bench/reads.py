"""The cost of a long history: a balance as of a past day, a balance now, a payment."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from services.ledger.application import PaidLine, PostPayment, post_payment
from services.ledger.domain import Account, account_id
from services.ledger.domain.events import ServiceAmount
from services.ledger.group_commit import ledger_group_commit
from services.ledger.reactions import payment_captured
from services.ledger.readmodel import ReadModel
from services.ledger.reports.balances import balance
from shared import context
from shared.bus import Message
from shared.eventstore.recorder import Cause
from shared.ids import new_id
from tests.bench.company import LINES, Bench, encoded_rows
from tests.bench.measure import Result, compare, seconds

LONG, SHORT = "0000010000", "0000000001"
PAID, BILLED, FRESH = "0000010001", "0000000002", "0000000003"
FEW = 8
MONTHS = 110
PAYMENTS_A_MONTH = 90
EVENTS = 1 + MONTHS * (1 + PAYMENTS_A_MONTH)
"""Ten thousand: nine years of bills, and more payments than anybody makes."""
FIRST_YEAR = 2017
PAST_DAYS = 3
BALANCES = 300
_NO_SERVICES: Any = None
PAYMENTS = 40

_AS_OF = """
SELECT sum(CASE WHEN starts_with(topic, 'ledger.charges_posted.')
                THEN (SELECT sum((line ->> 'payable')::bigint)
                        FROM jsonb_array_elements(e -> 'lines') AS line)
                ELSE 0 END
           - (SELECT coalesce(sum((part ->> 'amount')::bigint), 0)
                FROM jsonb_array_elements(e -> 'allocation') AS part)
           - (SELECT coalesce(sum((part ->> 'amount')::bigint), 0)
                FROM jsonb_array_elements(nullif(e -> 'moved', 'null')) AS part))::bigint
           AS principal
  FROM (SELECT topic, convert_from(state, 'UTF8')::jsonb AS e FROM events
         WHERE originator_id = %s) AS stream
 WHERE (e ->> 'effective_on')::date <= %s
"""


def as_of(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Measure balances as of past days, and check them against SQL."""
    prepare_accounts(bench)
    first_bill, chance = date(FIRST_YEAR, 1, 1), random.Random(1)  # noqa: S311 - reproducible
    days: list[date] = []
    principals: dict[str, list[int]] = {}

    def ours() -> float:
        days[:] = [first_bill + timedelta(days=chance.randrange(3_300)) for _ in range(PAST_DAYS)]
        principals["ours"] = []

        def read() -> None:
            for day in days:
                found = bench.store.query(lambda s, on=str(day): balance(s, LONG, on))
                principals["ours"].append(found["principal"])

        return seconds(read)

    def in_sql() -> float:
        principals["sql"] = []

        def read() -> None:
            for day in days:
                row = bench.store.query(
                    lambda s, on=day: s.cursor.execute(_AS_OF, (account_id(LONG), on)).fetchone()
                )
                principals["sql"].append(row["principal"])

        took = seconds(read)
        if principals["sql"] != principals["ours"]:
            raise RuntimeError("the balances of past days disagree: the result is invalid")
        return took

    return compare(
        f"balance as of a past day, stream of {EVENTS:,} events",
        "queries/s",
        PAST_DAYS,
        ours,
        "principal of the same stream and day in SQL",
        in_sql,
        progress=progress,
    )


def now(bench: Bench, progress: Callable[[str], None]) -> list[Result]:
    """Measure balances of accounts with a long history, beside new ones.

    One account has its history before its last bill, the other after it.
    """
    prepare_accounts(bench)

    def read(number: str) -> float:
        def often() -> None:
            for _ in range(BALANCES):
                bench.store.query(lambda session: balance(session, number, None))

        return seconds(often)

    def beside(name: str, number: str, reference_name: str, reference: str) -> Result:
        return compare(
            name,
            "queries/s",
            BALANCES,
            lambda: read(number),
            reference_name,
            lambda: read(reference),
            target=1.0,
            progress=progress,
        )

    return [
        beside(f"balance now after {EVENTS:,} events", LONG, "balance now after 1 event", SHORT),
        beside(
            f"balance now {EVENTS:,} events after the last bill",
            PAID,
            "balance now after a first bill",
            BILLED,
        ),
    ]


def payment(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Measure single payments, one after another, on both accounts."""
    prepare_accounts(bench)
    posting = ledger_group_commit(bench.store)

    def pay(number: str) -> float:
        line = PaidLine(account=number, amount=1, penalty=0)

        def often() -> None:
            for _ in range(PAYMENTS):
                command = PostPayment(payment_id=new_id(), paid_on=date(2026, 11, 1), lines=(line,))
                with context.bind(command_id=new_id(), actor="staff:bench"):
                    posting.execute(post_payment, command)

        return seconds(often)

    return compare(
        f"lone payment after {EVENTS:,} events, {MONTHS} bills (group commit)",
        "payments/s",
        PAYMENTS,
        lambda: pay(LONG),
        "the same after 1 event",
        lambda: pay(SHORT),
        target=1.0,
        progress=progress,
    )


def payment_over_the_bus(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Measure the reaction to single captured payments, each in a transaction of its own."""
    prepare_accounts(bench)

    def react(number: str) -> float:
        def often() -> None:
            for _ in range(PAYMENTS):
                message = _captured(number)
                with bench.store.session(Cause(new_id(), "service:ledger", "bench")) as session:
                    payment_captured(session, message, _NO_SERVICES)

        return seconds(often)

    return compare(
        f"payment over the bus after {EVENTS:,} events",
        "payments/s",
        PAYMENTS,
        lambda: react(LONG),
        f"the same after {FEW + 2} events",
        lambda: react(FRESH),
        target=1.0,
        progress=progress,
    )


def _captured(number: str) -> Message:
    line = {"account": number, "amount": 1, "penalty": 0}
    data = {"payment_id": str(new_id()), "paid_on": "2026-11-01", "lines": [line]}
    return Message(
        id=str(new_id()),
        type="payment_captured",
        source="/saldo/payments",
        subject=number,
        time=datetime.now(UTC),
        position=1,
        predecessor=0,
        correlation_id="bench",
        data=data,
    )


def prepare_accounts(bench: Bench) -> None:
    bench.reset()
    accounts = (_long(), _short(), _billed(PAID, EVENTS), _billed(BILLED, 0), _billed(FRESH, FEW))
    for account in accounts:
        events = account.take_pending()
        with bench.store.session(Cause(new_id(), "staff:bench", "bench")) as session:
            rows = ((account.id, v, event) for v, event in enumerate(events, start=1))
            session.copy_states(encoded_rows(bench.store, rows))
            ReadModel(session.cursor).write_balances([account])
    with bench.as_owner() as owner:
        owner.execute("VACUUM ANALYZE events, balances")


def _long() -> Account:
    account = Account(account_id(LONG))
    account.open(LONG, "household", date(FIRST_YEAR, 1, 1))
    for month in range(MONTHS):
        first = date(FIRST_YEAR + month // 12, month % 12 + 1, 1)
        account.post_charges(f"{first:%Y-%m}", first, first + timedelta(days=14), LINES)
        total = sum(line.payable for line in LINES)
        for turn in range(PAYMENTS_A_MONTH):
            day = first + timedelta(days=turn * 27 // PAYMENTS_A_MONTH)
            # In the order of their ids: on one day they take effect so.
            payment_id = UUID(int=month * PAYMENTS_A_MONTH + turn)
            account.post_payment(payment_id, day, total // PAYMENTS_A_MONTH, 0)
    if account.version != EVENTS:
        raise RuntimeError(f"the stream has {account.version} events, not {EVENTS}")
    return account


def _short() -> Account:
    account = Account(account_id(SHORT))
    opening = tuple(ServiceAmount(line.service, 10**6) for line in LINES)
    account.open(SHORT, "household", date(2026, 1, 1), opening)
    return account


def _billed(number: str, payments: int) -> Account:
    """Return an account with one bill, which the payments do not pay in full."""
    account = Account(account_id(number))
    day = date(2026, 1, 1)
    account.open(number, "household", day)
    account.post_charges("2026-01", day, day + timedelta(days=14), LINES)
    for turn in range(payments):
        account.post_payment(UUID(int=turn), day, 1, 0)
    if not account.principal:
        raise RuntimeError("the payments have paid the whole bill")
    return account
