"""The city that `scale` builds: registry, bills and payments, by what staff and payers call.

Accounts and bills come as files through ``saldo ledger import``; payments through the ledger's
group commit, in calls of fifty accounts. Everything is derived from the number of the account, so a
build that was killed is called again: what is done has no effect.

Each account has a bill in each of five months, and pays it in the next one, but for the last; one
account in fifty never pays. So an account has ten events, about.
"""

from __future__ import annotations

import calendar
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from services.discovery import open_store
from services.ledger.application import PaidLine, PostPayment, post_payment
from services.ledger.group_commit import ledger_group_commit
from shared import context, gc_tuning
from shared.config import load_settings
from shared.ids import NAMESPACE, derived_id
from tests.bench.billing_run import HEADER
from tests.bench.company import SERVICES_OF_A_BILL

MONTHS = 5
EVENTS_OF_AN_ACCOUNT = 2 * MONTHS
NEVER_PAYS = 50
CALLERS, LINES_OF_A_CALL = 20, 50
BILL = SERVICES_OF_A_BILL[2:6]
"""Four lines, one of them capital repair."""
_SPREAD = 10_000
_SUM = sum(line[2] for line in BILL)


class Month(NamedTuple):
    """A month with its bill, and the day on which it is paid; None for the last one."""

    period: str
    effective_on: date
    due_on: date
    paid_on: date | None


def months(today: date) -> list[Month]:
    """Return the months of the city, the last of them today's, not due yet."""
    first = today.replace(day=1)
    for _ in range(MONTHS - 1):
        first = (first - timedelta(days=1)).replace(day=1)
    found = []
    for number in range(MONTHS):
        after = _next(first)
        is_last = number == MONTHS - 1
        found.append(
            Month(
                f"{first:%Y-%m}",
                min(first.replace(day=calendar.monthrange(first.year, first.month)[1]), today),
                after.replace(day=10),
                None if is_last else min(after.replace(day=5), today),
            )
        )
        first = after
    return found


def _next(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


def number_of(index: int) -> str:
    """Return the number of an account of the city."""
    return f"{index:010}"


def owed(index: int) -> int:
    """Return the kopecks of each bill of an account."""
    return _SUM + len(BILL) * (index % _SPREAD)


def pays(index: int) -> bool:
    """Return whether an account pays its bills."""
    return index % NEVER_PAYS != 0


def write_registry(path: Path, accounts: int, since: date) -> Path:
    """Write the registry of all accounts."""
    with path.open("w", encoding="utf-8") as file:
        file.write("account;payer_kind;effective_on\n")
        for index in range(accounts):
            file.write(f"{number_of(index)};household;{since}\n")
    return path


def write_bills(path: Path, accounts: int, month: Month) -> Path:
    """Write the bills of a month."""
    days = f"{month.period};{month.due_on};{month.effective_on}"
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER)
        for index in range(accounts):
            head, more = f"{number_of(index)};{days}", index % _SPREAD
            for service, name, amount, unit, tariff, volume in BILL:
                roubles, kopecks = divmod(amount + more, 100)
                file.write(
                    f"{head};{service};{name};{unit};{tariff};{volume};{roubles},{kopecks:02}\n"
                )
    return path


def calls(accounts: int, month: Month) -> Iterator[PostPayment]:
    """Yield the payments of a month, each of fifty accounts."""
    if month.paid_on is None:
        return
    payers = (index for index in range(accounts) if pays(index))
    while indices := list(islice(payers, LINES_OF_A_CALL)):
        yield PostPayment(
            payment_id=derived_id(NAMESPACE, "scale", month.period, str(indices[0])),
            paid_on=month.paid_on,
            lines=tuple(
                PaidLine(account=number_of(index), amount=owed(index), penalty=0)
                for index in indices
            ),
        )


def pay(accounts: int, month: Month) -> int:
    """Post the payments of a month; return how many accounts were paid."""
    gc_tuning.tune_gc()  # as a server process does
    store = open_store("ledger", load_settings())
    posting, guard, paid = ledger_group_commit(store), threading.Lock(), 0
    waiting = calls(accounts, month)

    def caller() -> None:
        nonlocal paid
        while True:
            with guard:
                call = next(waiting, None)
            if call is None:
                return
            with context.bind(command_id=call.payment_id, actor="service:payments"):
                posting.execute(post_payment, call)
            with guard:
                paid += len(call.lines)

    with ThreadPoolExecutor(CALLERS) as callers:
        for one in [callers.submit(caller) for _ in range(CALLERS)]:
            one.result()
    store.close()
    return paid


def main(words: list[str]) -> int:
    """``ACCOUNTS TODAY NUMBER``: post the payments of a month, as a process of its own."""
    accounts, today, number = int(words[0]), date.fromisoformat(words[1]), int(words[2])
    paid = pay(accounts, months(today)[number])
    sys.stdout.write(f"{paid} at {datetime.now(UTC):%H:%M:%S}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
