"""The registry of the demo company: accounts, their holders, and the proof of ownership."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from shared.money import Kopecks, parse_roubles

ACCOUNTS_FILE = Path(__file__).with_name("accounts.csv")
CHARGES_FILE = Path(__file__).with_name("charges.csv")
DEMO_PERSON_ACCOUNTS = ("0100000009", "0100000010", "0100000040")
"""The accounts of the ready demo person: two flats, and the capital repair of the first."""


@dataclass(frozen=True)
class DemoAccount:
    """One row of `accounts.csv`; areas are square metres, `bill_total` kopecks.

    `proof` is what its owner types to link it: the control code of the last bill.
    """

    number: str
    holder: str
    address: str
    payer_kind: str
    residents: int
    total_area: Decimal
    heated_area: Decimal
    bill_number: str
    bill_total: Kopecks
    proof: str


HELD_BY_PEOPLE = {
    "household": True,
    "capital_repair": True,
    "organisation": False,
    "managing_company": False,
}
"""By payer kind: whether people hold such an account and register in the cabinet."""


def demo_accounts(path: Path = ACCOUNTS_FILE) -> list[DemoAccount]:
    """Return the accounts of the registry, in its order."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            DemoAccount(
                number=row["number"],
                holder=row["holder"],
                address=row["address"],
                payer_kind=row["payer_kind"],
                residents=int(row["residents"] or 0),
                total_area=_area(row["total_area"]),
                heated_area=_area(row["heated_area"]),
                bill_number=row["bill_number"],
                bill_total=parse_roubles(row["bill_total"]),
                proof=row["proof"],
            )
            for row in csv.DictReader(file, delimiter=";")
        ]


def households(accounts: Sequence[DemoAccount]) -> list[DemoAccount]:
    """Return the accounts of people, those for capital repair included."""
    return [one for one in accounts if HELD_BY_PEOPLE[one.payer_kind]]


def _area(text: str) -> Decimal:
    return Decimal(text.replace(",", ".") or "0")
