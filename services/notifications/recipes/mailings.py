"""Letters of mailings: a bill is ready, is due soon, or has passed its due day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from services.notifications.application import ClaimedLetter
from services.notifications.recipes.frame import Asking, Draft, recipe, to_person
from services.notifications.requests import MAILED_IN_BULK
from shared.account_key import number_of
from shared.contracts.notifications import LetterKind

_A_DAY = timedelta(days=1)
#: Accounts that their owners are asked about at once: they take no more.
PORTION: Final = 1_000


@recipe(LetterKind.BILL_READY)
def bill_ready(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the new bills of a person's accounts, with what is still to be paid of each."""
    period = letter.refs["period"]
    bills = []
    for account, debts in _owed(asking, letter, letter.refs["accounts"]):
        own = [debt for debt in debts if debt["period"] == period]
        bills.append(
            {
                "number": number_of(account),
                "total": sum(debt["amount"] for debt in own),
                "due_on": own[0]["due_on"] if own else None,
            }
        )
    facts = {"period": period, "bills": bills, "total": sum(bill["total"] for bill in bills)}
    return to_person(asking, letter, facts) if bills else None


@recipe(LetterKind.DUE_SOON)
def due_soon(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the reminder of a due day; None if all is paid by now."""
    due_on = letter.refs["due_on"]
    accounts = [
        {"number": number_of(account), "amount": amount, "due_on": due_on}
        for account, debts in _owed(asking, letter, letter.refs["accounts"])
        if (amount := _due_on(debts, due_on))
    ]
    total = sum(account["amount"] for account in accounts)
    facts = {"accounts": accounts, "total": total, "due_on": due_on}
    return to_person(asking, letter, facts) if accounts else None


@recipe(LetterKind.OVERDUE)
def overdue(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the warning that penalties are about to begin; None if all is paid by now."""
    due_days: dict[str, str] = letter.refs["due_on"]
    accounts: list[dict[str, Any]] = []
    for account, debts in _owed(asking, letter, due_days):
        amount = _due_on(debts, due_days[account])
        since = date.fromisoformat(due_days[account]) + _A_DAY
        if amount:
            number = number_of(account)
            accounts.append({"number": number, "amount": amount, "since": since.isoformat()})
    total = sum(one["amount"] for one in accounts)
    penalties_from = letter.refs["penalties_from"]
    facts = {"accounts": accounts, "total": total, "penalties_from": penalties_from}
    return to_person(asking, letter, facts) if accounts else None


class _Owners(NamedTuple):
    """Who may read the accounts of a claim's letters now, and what these owe."""

    readers: Mapping[str, list[str]]
    debts: Mapping[str, list[dict[str, Any]]]


def _owed(
    asking: Asking, letter: ClaimedLetter, accounts: Iterable[str]
) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the accounts that the person may still read, with their open debts."""
    owners = asking.together("mailings", partial(_ask, asking))
    person = str(letter.person_id)
    read = [account for account in accounts if person in owners.readers.get(account, ())]
    return [(account, owners.debts.get(account, [])) for account in read]


def _ask(asking: Asking, letters: Iterable[ClaimedLetter]) -> _Owners:
    mailed = [letter.refs for letter in letters if letter.kind in MAILED_IN_BULK]
    named = sorted({account for refs in mailed for account in _named(refs)})
    readers: dict[str, list[str]] = {}
    debts: dict[str, list[dict[str, Any]]] = {}
    for start in range(0, len(named), PORTION):
        portion = named[start : start + PORTION]
        read = asking.ask("accounts", "readers", accounts=portion)
        owed = asking.ask("ledger", "open_debts", accounts=portion)
        readers |= read["readers"] if read else {}
        debts |= owed["accounts"] if owed else {}
    return _Owners(readers, debts)


def _named(refs: Mapping[str, Any]) -> Iterable[str]:
    accounts: Iterable[str] = refs["accounts"] if "accounts" in refs else refs["due_on"]
    return accounts


def _due_on(debts: list[dict[str, Any]], day: str) -> int:
    return sum(debt["amount"] for debt in debts if debt["due_on"] == day)
