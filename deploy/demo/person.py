"""The person of a journey, and the state of the journey."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from deploy.demo.acquirer_page import PAYS, Payer
from deploy.demo.client import CabinetClient, PaymentLine
from deploy.demo.company import DemoAccount
from deploy.demo.letters import Mailbox
from deploy.demo.report import CheckError, Report

FULL_NAME = "Пробникова Аграфена Самоходовна"
PHONE = "+79990001122"
QUESTION = "Почему в октябре начислено больше, чем в сентябре?"


def new_address(name: str, size: int = 8) -> str:
    """Return an e-mail address that is not in use, made unique by `size` random bytes."""
    return f"{name}-{secrets.token_hex(size)}@demo.saldo.invalid"


@dataclass
class Person:
    """The person of a journey, with the secrets that nobody else may read."""

    email: str = field(default_factory=lambda: new_address("person"))
    own_password: str = field(default_factory=lambda: f"own {secrets.token_urlsafe(12)}")
    code: str = ""
    temporary_password: str = ""
    token: str = ""
    full_name: str = FULL_NAME
    phone: str = PHONE

    def secrets(self) -> dict[str, str]:
        """Return the values that must appear nowhere in clear, by their names."""
        return {
            "e-mail address": self.email,
            "password": self.own_password,
            "temporary password": self.temporary_password,
            "check code": self.code,
            "session token": self.token,
            "full name": self.full_name,
            "telephone": self.phone,
            "card number": PAYS.replace(" ", ""),
            "question": QUESTION,
        }


@dataclass
class Journey:
    """The state of a journey, and afterwards its result."""

    client: CabinetClient
    report: Report
    mailbox: Mailbox
    candidates: list[DemoAccount]
    person: Person = field(default_factory=Person)
    payer: Payer = field(default_factory=Payer)
    account: DemoAccount | None = None
    paid: PaymentLine | None = None
    payment_id: str = ""

    @property
    def number(self) -> str:
        """The number of the account that is linked and paid."""
        if self.account is None:
            raise CheckError("an account to be linked")
        return self.account.number
