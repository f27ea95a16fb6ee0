"""Who travels: the person of a journey, and what comes of it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from deploy.demo.acquirer_page import PAYS, Payer
from deploy.demo.client import CabinetClient, PaymentLine
from deploy.demo.company import DemoAccount
from deploy.demo.letters import Mailbox
from deploy.demo.report import CheckFailed, Report

FULL_NAME = "Пробникова Аграфена Самоходовна"
PHONE = "+79990001122"
QUESTION = "Почему в октябре начислено больше, чем в сентябре?"


def new_address(name: str) -> str:
    """Answer an e-mail address that nobody has had yet."""
    return f"{name}-{secrets.token_hex(8)}@demo.saldo.invalid"


@dataclass
class Traveller:
    """The person of a journey, and everything that nobody else may ever read."""

    email: str = field(default_factory=lambda: new_address("traveller"))
    own_password: str = field(default_factory=lambda: f"own {secrets.token_urlsafe(12)}")
    code: str = ""
    temporary_password: str = ""
    token: str = ""

    def secrets(self) -> dict[str, str]:
        """Answer what must stand nowhere in clear, by what it is."""
        return {
            "e-mail address": self.email,
            "password": self.own_password,
            "temporary password": self.temporary_password,
            "check code": self.code,
            "session token": self.token,
            "full name": FULL_NAME,
            "telephone": PHONE,
            "card number": PAYS.replace(" ", ""),
            "question": QUESTION,
        }


@dataclass
class Journey:
    """One journey under way; after it, what has come of it."""

    client: CabinetClient
    report: Report
    mailbox: Mailbox
    candidates: list[DemoAccount]
    traveller: Traveller = field(default_factory=Traveller)
    payer: Payer = field(default_factory=Payer)
    account: DemoAccount | None = None
    paid: PaymentLine | None = None
    payment_id: str = ""

    @property
    def number(self) -> str:
        """The account that is linked and paid."""
        if self.account is None:
            raise CheckFailed("an account to be linked")
        return self.account.number
