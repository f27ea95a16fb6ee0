"""Loads the demo company with the staff CLIs, as billing staff would.

Loading it again changes nothing: both imports recognise the file and its rows.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.demo import database
from deploy.demo.charges import all_bills
from deploy.demo.company import ACCOUNTS_FILE, CHARGES_FILE, DemoAccount, demo_accounts
from deploy.embedded.surroundings import REPOSITORY
from shared.money import Kopecks, format_roubles

REASON = "the demo company"
OPEN_SECONDS = 60.0
POLL_SECONDS = 0.05


class LoadingError(Exception):
    """The demo company could not be loaded; the text says why."""


def load(database_url: str, console: Console) -> bool:
    """Import the contracts, wait for the ledger to open the accounts, post the bills.

    Return whether anything was new. Raises LoadingError.
    """
    accounts = demo_accounts()
    contracts = database.events_of(database_url, "accounts")
    saldo("accounts", "import", str(ACCOUNTS_FILE), "--reason", REASON, *_totals_of(accounts))
    _wait_until_open(database_url, accounts, console)
    bills = all_bills(accounts)
    total = _amount(sum(bill.total for bill in bills))
    # All accounts are open now: the ledger records nothing but bills from here on.
    postings = database.events_of(database_url, "ledger")
    count = str(len(bills))
    control = ("--bills", count, "--total", total)
    saldo("ledger", "import", str(CHARGES_FILE), "--reason", REASON, *control)
    new_events = database.events_of(database_url, "ledger") - postings
    new_contracts = database.events_of(database_url, "accounts") - contracts
    if new_contracts or new_events:
        sum_of_bills = format_roubles(sum(bill.total for bill in bills))
        console.print(
            f"The demo company is loaded: {len(accounts)} accounts, {count} bills, {sum_of_bills}."
        )
    else:
        console.print("The demo company is loaded already: nothing has changed.")
    return bool(new_contracts or new_events)


def saldo(*arguments: str) -> None:
    """Run a staff command, its progress shown. Raises LoadingError when it fails."""
    result = subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments],
        cwd=REPOSITORY,
        check=False,
        stdout=subprocess.PIPE,
        text=True,
    )
    if result.returncode != 0:
        command = " ".join(arguments[:2])
        raise LoadingError(
            f"saldo {command} ended with exit code {result.returncode}.\n{result.stdout}"
        )


def _wait_until_open(database_url: str, accounts: Sequence[DemoAccount], console: Console) -> None:
    numbers = [account.number for account in accounts]
    ends = time.monotonic() + OPEN_SECONDS
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("Opening accounts in the ledger", total=len(numbers))
        while True:
            is_open = database.open_accounts(database_url, numbers)
            progress.update(task, completed=is_open)
            if is_open == len(numbers):
                return
            if time.monotonic() > ends:
                raise LoadingError(
                    f"the ledger has opened {is_open} of {len(numbers)} accounts within "
                    f"{OPEN_SECONDS:g} s; is the worker running, is a message parked "
                    "(saldo bus parked)?"
                )
            time.sleep(POLL_SECONDS)


def _totals_of(accounts: Sequence[DemoAccount]) -> tuple[str, ...]:
    total = _amount(sum(account.bill_total for account in accounts))
    return ("--rows", str(len(accounts)), "--total", total)


def _amount(kopecks: Kopecks) -> str:
    return f"{kopecks // 100},{kopecks % 100:02d}"
