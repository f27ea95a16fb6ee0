"""What the pages say of a payment, beside what the bank and the ledger know."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser

from deploy.demo.client import CabinetClient
from tests.browser.bank import Bank
from tests.browser.bank_modes import FAILED, OPEN, PAID

NOTHING_WAS_TAKEN = re.compile(
    r"не списан|не прошёл|не начал|отклон|время вышло|время на оплату вышло|карта не тронута"
    r"|банк не принял|банк вернул деньги|ещё не начат|вместо этого платежа",
    re.IGNORECASE,
)
TAKEN = re.compile(r"оплачен(?!о нет)|банк подтвердил|зачислен|зачисляем", re.IGNORECASE)
IN_LEDGER = re.compile(r"^Оплачено ")
RETURNED = re.compile(r"^Возвращено ([\d ]+),(\d\d) ₽")
"""Written from the instruction's point of view, not taken from the code that makes the texts."""


@dataclass(frozen=True)
class Said:
    """What one page says: its heading, its words, and where its links and forms lead."""

    heading: str
    text: str
    targets: tuple[str, ...]

    @property
    def denies(self) -> bool:
        """Whether it says that no money was taken."""
        return NOTHING_WAS_TAKEN.search(f"{self.heading}. {self.text}") is not None

    @property
    def affirms(self) -> bool:
        """Whether it says that the money was taken."""
        return TAKEN.search(self.heading) is not None

    @property
    def returned(self) -> int:
        """The kopecks that it says went back to the card."""
        found = RETURNED.search(self.heading)
        return int(found[1].replace(" ", "") + found[2]) if found else 0

    @property
    def offers_payment(self) -> bool:
        """Whether it leads to the page on which a new payment is started."""
        return any(re.fullmatch(r"/pay(\?.*)?", target) for target in self.targets)

    @property
    def outcome(self) -> str:
        """What has become of the payment: paid, failed, or open."""
        if IN_LEDGER.search(self.heading):
            return PAID
        return FAILED if self.denies and self.offers_payment else OPEN


def read_main(html: str) -> Said:
    """Return what the main part of a page says."""
    reader = _MainReader()
    reader.feed(html)
    return Said(
        _plain("".join(reader.heading)), _plain("".join(reader.text)), tuple(reader.targets)
    )


def untrue(
    bank: Bank, ledger: CabinetClient, payment_id: str, said: Said, lines: tuple[str, int]
) -> str:
    """Return what is untrue on the page of a payment over one account; "" where nothing is."""
    taken = bank.has_taken_money(payment_id)
    if said.denies and taken:
        return "it says that nothing was taken, but the card was charged"
    if said.affirms and not bank.has_charged(payment_id):
        return "it says that the money was taken, but the card was not charged"
    if said.returned > bank.returned(payment_id):
        return f"it says «{said.heading}», the bank returned {bank.returned(payment_id)} kopecks"
    if IN_LEDGER.search(said.heading) and postings(ledger, *lines) != 1:
        return f"it says «{said.heading}», the ledger has {postings(ledger, *lines)} postings"
    decided = said.denies or said.returned or IN_LEDGER.search(said.heading) is not None
    if not decided and said.offers_payment:
        return "it offers to pay again while the outcome is not known"
    return ""


def postings(ledger: CabinetClient, account: str, amount: int) -> int:
    """Return how many payments of an amount the ledger has on an account."""
    return sum(
        movement["kind"] == "payment" and movement["amount"] == -amount
        for movement in ledger.statement(account)
    )


def _plain(text: str) -> str:
    return " ".join(text.split())


class _MainReader(HTMLParser):
    """Collects heading, text, and targets of the main part."""

    def __init__(self) -> None:
        super().__init__()
        self.heading: list[str] = []
        self.text: list[str] = []
        self.targets: list[str] = []
        self._inside = {"main": False, "h1": False}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._inside:
            self._inside[tag] = True
        found = dict(attrs)
        target = found.get("href") or found.get("action")
        if self._inside["main"] and target:
            self.targets.append(target)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            self._inside[tag] = False

    def handle_data(self, data: str) -> None:
        if self._inside["h1"]:
            self.heading.append(data)
        elif self._inside["main"]:
            self.text.append(data)
