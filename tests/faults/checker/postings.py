"""I3: one posting per payment; the banks, the payments and the ledger have the same money.

What the comparison says is that of the thousand orders; beside it, what payers believe of their
cards is compared with the banks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from tests.faults.checker.evidence import Evidence
from tests.faults.checker.findings import Finding
from tests.faults.load.beliefs import Belief
from tests.faults.thousand_orders.banks import Bank
from tests.faults.thousand_orders.books import Books, differences, read_books

INVARIANT = "I3"

_BANKS = {"acquirer": "SALDO_ACQUIRER_URL", "yookassa": "SALDO_ACQUIRER_KASSA_URL"}


def check(evidence: Evidence) -> Iterator[Finding]:
    """Compare the books of all, each read at its own source."""
    books = read_books(banks_of(evidence.environment), evidence.environment["SALDO_DATABASE_URL"])
    for sentence in differences(books):
        about, _, words = sentence.partition(":")
        yield Finding(INVARIANT, "books differ", about, words.strip())
    yield from _postings(evidence)
    yield from _lines(evidence)
    yield from _believed(evidence, books)


def banks_of(environment: Mapping[str, str]) -> list[Bank]:
    """Return the simulated banks of an installation; empty where it has none."""
    return [Bank(name, environment[url]) for name, url in _BANKS.items() if environment.get(url)]


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
    captured: dict[tuple[str, str], tuple[int, int]] = {}
    for fact in evidence.by_topic("payments", "payment_captured"):
        for line in fact.data["lines"]:
            captured[fact.stream, line["account"]] = line["amount"], line["penalty"]
    moved = {fact.stream for fact in evidence.by_topic("payments", "line_moved")}
    posted: dict[tuple[str, str], tuple[int, int]] = {}
    for fact in evidence.by_topic("ledger", "payment_posted"):
        if fact.data.get("taken") is None:
            key = fact.data["payment_id"], fact.data["account"]
            posted[key] = fact.data["amount"], fact.data["penalty"]
    banks = {
        row["id"] for row in evidence.rows(
            "SELECT payment_id::text AS id FROM payments.bank_payments")
    }  # fmt: skip
    for payment, account in sorted({*captured, *posted}):
        if payment in moved or payment in banks:
            continue
        wanted, found = captured.get((payment, account)), posted.get((payment, account))
        if wanted != found:
            sentence = f"(principal, penalty): {wanted} kopecks were captured, {found} are posted"
            yield Finding(INVARIANT, "line", f"{payment} {account}", sentence)


def _believed(evidence: Evidence, books: Books) -> Iterator[Finding]:
    """A bank that charges in one step has charged what its page said, and nothing else."""
    at_once = {
        row["id"]
        for row in evidence.rows(
            "SELECT payment_id::text AS id FROM payments.orders GROUP BY 1"
            " HAVING count(*) = 1 AND bool_and(acquirer = 'main')"
        )
    }
    said: dict[str, list[Belief]] = defaultdict(list)
    for belief in evidence.about("payment.card"):
        if not evidence.may_be_lost(belief):
            said[belief.data["payment_id"]].append(belief)
    for payment, beliefs in said.items():
        charged = books.money[payment].charged if payment in books.money else 0
        # A second card after a decline leads back to us at once, and is not even asked for.
        first = beliefs[0]
        if first.data.get("charged") == "yes" and not charged and payment in at_once:
            sentence = f"{first.who} saw the card charged, the bank has charged nothing"
            yield Finding(INVARIANT, "believed", payment, sentence)
        if charged and all(one.data.get("charged") == "no" for one in beliefs):
            sentence = f"{first.who} saw the card declined, the bank has charged {charged}"
            yield Finding(INVARIANT, "believed", payment, sentence)
