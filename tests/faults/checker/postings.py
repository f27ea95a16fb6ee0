"""I3: one posting per payment; the banks, the payments and the ledger have the same money.

What the comparison says is that of the thousand orders. Beside it, each line and each refund is
compared account by account and day by day, the receipts with the cash register's own books, and
what payers believe of their cards with the banks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import requests

from tests.faults.books import ledgers_in, owner_url_of
from tests.faults.checker.evidence import Evidence
from tests.faults.checker.findings import Finding
from tests.faults.load.beliefs import Belief
from tests.faults.thousand_orders.banks import Bank
from tests.faults.thousand_orders.books import Books, differences, read_books

INVARIANT = "I3"

TIMEOUTS = (3.05, 20)
_BANKS = {"acquirer": "SALDO_ACQUIRER_URL", "yookassa": "SALDO_ACQUIRER_KASSA_URL"}


def check(evidence: Evidence) -> Iterator[Finding]:
    """Compare the books of all, each read at its own source."""
    books = books_of_all(evidence.environment)
    for sentence in differences(books):
        about, _, words = sentence.partition(":")
        yield Finding(INVARIANT, "books differ", about, words.strip())
    yield from _postings(evidence)
    yield from _lines(evidence)
    yield from _refunds(evidence)
    yield from _days(evidence)
    yield from _completed(evidence)
    yield from _registered(evidence)
    yield from _believed(evidence, books)


def banks_of(environment: Mapping[str, str]) -> list[Bank]:
    """Return the simulated banks of an installation; empty where it has none."""
    return [Bank(name, environment[url]) for name, url in _BANKS.items() if environment.get(url)]


def books_of_all(environment: Mapping[str, str]) -> Books:
    """Return what banks, payments and all books of the ledger have now."""
    ledgers = {log: owner_url_of(environment, log) for log in ledgers_in(environment)}
    return read_books(banks_of(environment), environment["SALDO_DATABASE_URL"], ledgers=ledgers)


def _postings(evidence: Evidence) -> Iterator[Finding]:
    """A payment is posted to an account once, whatever the payments service believes."""
    times: Counter[tuple[str, str]] = Counter()
    for fact in evidence.by_topic("ledger", "payment_posted", "payment_reversed"):
        key = fact.data["payment_id"], fact.data["account"]
        times[key] += 1 if fact.topic.startswith("ledger.payment_posted") else -1
    for (payment, account), count in times.items():
        if count > 1:
            sentence = f"is posted {count} times"
            yield Finding(INVARIANT, "posted twice", f"{payment} {account}", sentence)
    refunds = Counter(
        (fact.data["refund_id"], fact.data["account"])
        for fact in evidence.by_topic("ledger", "payment_refunded")
    )
    for (refund, account), count in refunds.items():
        if count > 1:
            sentence = f"is taken back {count} times"
            yield Finding(INVARIANT, "refunded twice", f"{refund} {account}", sentence)


def _lines(evidence: Evidence) -> Iterator[Finding]:
    """Each line of a captured payment is posted as it was captured, account by account."""
    captured: dict[tuple[str, str], tuple[int, int, str]] = {}
    for fact in evidence.by_topic("payments", "payment_captured"):
        day = fact.data["paid_on"]
        for line in fact.data["lines"]:
            captured[fact.stream, line["account"]] = line["amount"], line["penalty"], day
    moved = {fact.stream for fact in evidence.by_topic("payments", "line_moved")}
    posted: dict[tuple[str, str], tuple[int, int, str]] = {}
    for fact in evidence.by_topic("ledger", "payment_posted"):
        if fact.data.get("taken") is None:
            key = fact.data["payment_id"], fact.data["account"]
            day = fact.data["effective_on"]
            posted[key] = fact.data["amount"], fact.data["penalty"], day
    banks = {
        row["id"] for row in evidence.rows(
            "SELECT payment_id::text AS id FROM payments.bank_payments")
    }  # fmt: skip
    for payment, account in sorted({*captured, *posted}):
        if payment in moved or payment in banks:
            continue
        wanted, found = captured.get((payment, account)), posted.get((payment, account))
        if wanted != found:
            sentence = f"(principal, penalty, day): {wanted} were captured, {found} are posted"
            yield Finding(INVARIANT, "line", f"{payment} {account}", sentence)


def _refunds(evidence: Evidence) -> Iterator[Finding]:
    """What went back is taken back from each account as the payments have divided it."""
    returned: Counter[tuple[str, str]] = Counter()
    for fact in evidence.by_topic("payments", "money_returned"):
        for line in fact.data["lines"]:
            returned[fact.data["refund_id"], line["account"]] += line["amount"]
    taken: Counter[tuple[str, str]] = Counter()
    for fact in evidence.by_topic("ledger", "payment_refunded"):
        taken[fact.data["refund_id"], fact.data["account"]] += fact.data["amount"]
    # What staff have reversed or moved to another account is not there to be taken back.
    undone = {fact.data["payment_id"] for fact in evidence.by_topic("ledger", "payment_reversed")}
    of_payment = {
        fact.data["refund_id"]: fact.stream
        for fact in evidence.by_topic("payments", "money_returned")
    }
    for refund, account in sorted({*returned, *taken}):
        wanted, found = returned[refund, account], taken[refund, account]
        if wanted != found and of_payment.get(refund) not in undone:
            sentence = f"{wanted} kopecks went back, {found} are taken back"
            yield Finding(INVARIANT, "line of a refund", f"{refund} {account}", sentence)


def _days(evidence: Evidence) -> Iterator[Finding]:
    """A payment is of the day on which its card was charged, where the billing office is."""
    zone = ZoneInfo(evidence.environment.get("SALDO_TIMEZONE", "Europe/Moscow"))
    for fact in evidence.by_topic("payments", "payment_captured"):
        at = datetime.fromisoformat(fact.data["captured_at"])
        if fact.data["paid_on"] != at.astimezone(zone).date().isoformat():
            sentence = f"was charged at {at}, and is of {fact.data['paid_on']}"
            yield Finding(INVARIANT, "day of payment", fact.stream, sentence)
        if at > fact.recorded_at and not evidence.did("clock"):
            sentence = f"was charged at {at}, which was recorded at {fact.recorded_at}"
            yield Finding(INVARIANT, "paid in the future", fact.stream, sentence)


def _completed(evidence: Evidence) -> Iterator[Finding]:
    """A payment is complete once each of its lines is posted, and not before."""
    lines: dict[str, set[str]] = {}
    posted: dict[str, set[str]] = defaultdict(set)
    topics = ("payment_captured", "line_posted", "payment_completed")
    for fact in evidence.by_topic("payments", *topics):
        kind = fact.topic.split(".")[1]
        if kind == "payment_captured":
            lines[fact.stream] = {line["account"] for line in fact.data["lines"]}
        elif kind == "line_posted":
            posted[fact.stream].add(fact.data["account"])
        elif posted[fact.stream] != lines.get(fact.stream):
            missing = sorted(lines.get(fact.stream, set()) - posted[fact.stream])
            sentence = f"was complete at {fact.position}, and {missing} was not posted"
            yield Finding(INVARIANT, "complete too early", fact.stream, sentence)


def _registered(evidence: Evidence) -> Iterator[Finding]:
    """The cash register has one receipt for each that is registered here, over the same sum."""
    url = evidence.environment.get("SALDO_FISCAL_URL")
    if not url or evidence.losses:
        return  # what a restore has lost is asked for again, under other ids
    listed = requests.get(f"{url}/admin/receipts", timeout=TIMEOUTS).json()["receipts"]
    there: dict[str, list[Any]] = defaultdict(list)
    for one in listed:
        if not one["refused"]:
            there[one["externalId"].partition("-")[0]].append(one)
    ours = {
        row["id"]: row
        for row in evidence.rows(
            "SELECT replace(receipt_id::text, '-', '') AS id, total FROM payments.fiscal_receipts"
            " WHERE state = 'registered'"
        )
    }
    for receipt, row in ours.items():
        found = [round(one["total"] * 100) for one in there[receipt]]
        if found != [row["total"]]:
            sentence = f"{row['total']} kopecks here, the cash register has {found}"
            yield Finding(INVARIANT, "receipt", receipt, sentence)


def _believed(evidence: Evidence, books: Books) -> Iterator[Finding]:
    """A bank that charges in one step has charged what its page said, and nothing else."""
    at_once = {
        row["id"]
        for row in evidence.rows(
            "SELECT payment_id::text AS id FROM payments.orders GROUP BY 1"
            " HAVING count(*) = 1 AND bool_and(acquirer = 'main')"
        )
    }
    # A page whose order is closed while a card is entered leads back like one that has charged it.
    closed = {str(fact.stream) for fact in evidence.by_topic("payments", "payment_expired")}
    said: dict[str, list[Belief]] = defaultdict(list)
    for belief in evidence.about("payment.card"):
        if not evidence.may_be_lost(belief):
            said[belief.data["payment_id"]].append(belief)
    for payment, beliefs in said.items():
        charged = books.money[payment].charged if payment in books.money else 0
        # A second card after a decline leads back to us at once, and is not even asked for.
        first = beliefs[0]
        if first.data.get("charged") == "yes" and not charged and payment in at_once - closed:
            sentence = f"{first.who} saw the card charged, the bank has charged nothing"
            yield Finding(INVARIANT, "believed", payment, sentence)
        if charged and all(one.data.get("charged") == "no" for one in beliefs):
            sentence = f"{first.who} saw the card declined, the bank has charged {charged}"
            yield Finding(INVARIANT, "believed", payment, sentence)
