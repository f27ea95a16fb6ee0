"""I1: debits equal credits, in each event, by service and by account.

The postings are derived here from the raw JSON of the log, by a reading of the events that knows
nothing of the ledger's own: what was owed, paid, allocated and given back.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.faults.checker.evidence import Evidence, Fact
from tests.faults.checker.findings import Finding

INVARIANT = "I1"

PENALTY, ADVANCES, CLEARING = "penalty", "advances", "clearing"

Postings = Counter[str]
"""Account of the books -> kopecks, positive on the debit side. A service's name is what is owed."""


def postings_of(fact: Fact) -> Postings | None:
    """Return the postings of an event of a personal account; None for any other event."""
    kind = fact.topic.split(".")[1]
    reader = _READERS.get(kind)
    if reader is None or "account" not in fact.data:
        return None
    books: Postings = Counter()
    reader(fact.data, books)
    moved = fact.data.get("moved") or ()
    _owed(moved, books, -1)
    books[ADVANCES] += sum(part["amount"] for part in moved)
    penalty = fact.data.get("moved_penalty", 0)
    books[ADVANCES] += penalty
    books[PENALTY] -= penalty
    return books


def check(evidence: Evidence) -> Iterator[Finding]:
    """Check each event, and the trial balance of all by service, in each book of the ledger."""
    for log in evidence.books:
        yield from _book(evidence, log)


def _book(evidence: Evidence, log: str) -> Iterator[Finding]:
    total: Postings = Counter()
    accounts: dict[str, Postings] = defaultdict(Counter)
    restored: dict[str, Counter[str]] = defaultdict(Counter)
    for fact in evidence.facts(log):
        books = postings_of(fact)
        if books is None:
            continue
        if off := sum(books.values()):
            sentence = f"{fact.topic} of {fact.data['account']} is off by {off} kopecks"
            about = f"{log} {fact.position}"
            yield Finding(INVARIANT, "an event does not balance", about, sentence)
        total.update(books)
        accounts[fact.stream].update(books)
        if "restored" in fact.data:
            back = sum(part["amount"] for part in fact.data["restored"])
            restored[fact.stream][fact.data["effective_on"]] += back
        about = f"{log} {fact.position}"
        yield from _order_of_payment(fact, accounts[fact.stream], restored[fact.stream], about)
    if off := sum(total.values()):
        yield Finding(INVARIANT, "trial balance", log, f"off by {off} kopecks")
    yield from _against_rows(evidence, log, accounts)


def _order_of_payment(
    fact: Fact, after: Postings, restored: Mapping[str, int], about: str
) -> Iterator[Finding]:
    """What a payer named for principal pays no penalty while principal is owed.

    Where an event moves what others had paid, it pays for these, too: I4 judges the whole then.
    What goes back on a day (``restored``: day -> kopecks) does so after the payments of that day.
    """
    if not fact.topic.startswith("ledger.payment_posted") or not fact.data["penalty_named"]:
        return
    if fact.data["moved"] or fact.data["moved_penalty"]:
        return
    beyond = fact.data["penalty_allocated"] - fact.data["penalty"]
    owed = sum(amount for name, amount in after.items() if is_service(name))
    owed -= sum(back for day, back in restored.items() if day >= fact.data["effective_on"])
    if beyond > 0 and owed > 0:
        sentence = (
            f"{beyond} kopecks named for principal of {fact.data['account']} pay a penalty, and "
            f"{owed} are owed"
        )
        yield Finding(INVARIANT, "penalty before principal", about, sentence)


def _against_rows(
    evidence: Evidence, log: str, accounts: Mapping[str, Postings]
) -> Iterator[Finding]:
    """Compare what is owed for each service, of all accounts together, with the rows."""
    owed: Counter[str] = Counter()
    for row in evidence.rows_of(log, f"SELECT open_items FROM {log}.balances"):
        for services in (row["open_items"] or {}).values():
            owed.update(services)
    booked: Counter[str] = Counter()
    for books in accounts.values():
        booked.update({name: v for name, v in books.items() if is_service(name)})
    for service in sorted({*owed, *booked}):
        if owed[service] != booked[service]:
            sentence = f"{booked[service]} kopecks by the log, {owed[service]} by the rows"
            yield Finding(INVARIANT, "owed for a service", f"{log} {service}", sentence)


def is_service(name: str) -> bool:
    """Return whether an account of the books is what is owed for a service."""
    return name not in {PENALTY, ADVANCES, CLEARING} and ":" not in name


def _owed(parts: Any, books: Postings, sign: int) -> None:
    for part in parts:
        books[part["service"]] += sign * part["amount"]


def _paid_by_advance(parts: Any, books: Postings, sign: int = 1) -> None:
    _owed(parts, books, -sign)
    books[ADVANCES] += sign * sum(part["amount"] for part in parts)


def _opening(data: Mapping[str, Any], books: Postings) -> None:
    for item in data.get("opening", ()):
        books[item["service"] if item["amount"] > 0 else ADVANCES] += item["amount"]
        books["opening:"] -= item["amount"]
    _paid_by_advance(data.get("allocation", ()), books)


def _charges(data: Mapping[str, Any], books: Postings) -> None:
    for line in data["lines"]:
        books[line["service"] if line["payable"] > 0 else ADVANCES] += line["payable"]
        parts = line["charged"] + line.get("recalculation", 0) - line.get("concession", 0)
        books[f"revenue:{line['service']}"] -= parts
    _paid_by_advance(data["allocation"], books)


def _adjustment(data: Mapping[str, Any], books: Postings) -> None:
    for line in data["lines"]:
        books[f"revenue:{line['service']}"] -= line["amount"]
        if line["amount"] > 0:
            books[line["service"]] += line["amount"]
    _owed(data["released"], books, -1)
    books[ADVANCES] -= data["advance"]
    _paid_by_advance(data["allocation"], books)


def _accrued(data: Mapping[str, Any], books: Postings) -> None:
    books[PENALTY] += data["amount"]
    books["revenue:penalty"] -= data["amount"]


def _corrected(data: Mapping[str, Any], books: Postings) -> None:
    books[PENALTY] += data["amount"] + data["waived"] + data["advance"]
    books[ADVANCES] -= data["advance"]
    books["revenue:penalty"] -= data["amount"] + data["waived"]


def _written_off(data: Mapping[str, Any], books: Postings) -> None:
    books[PENALTY] += data.get("advance", 0) - data["amount"]
    books[ADVANCES] -= data.get("advance", 0)
    books["revenue:penalty"] += data["amount"]


def _payment(data: Mapping[str, Any], books: Postings) -> None:
    books[CLEARING] += data["amount"] + data["penalty"]
    _owed(data["allocation"], books, -1)
    books[PENALTY] -= data["penalty_allocated"]
    books[ADVANCES] -= data["advance"]


def _taken_back(data: Mapping[str, Any], books: Postings) -> None:
    books[CLEARING] -= data["amount"] + data.get("penalty", 0)
    _owed(data["restored"], books, 1)
    books[PENALTY] += data["penalty_restored"]
    reopened = data.get("reopened", ())
    books[ADVANCES] += data["advance_taken"] + sum(part["amount"] for part in reopened)
    _paid_by_advance(reopened, books, -1)


def _nothing(data: Mapping[str, Any], books: Postings) -> None:
    """Nothing is owed or paid by it but what it moves."""


_READERS: Mapping[str, Callable[[Mapping[str, Any], Postings], None]] = {
    "account_opened": _opening,
    "opening_posted": _opening,
    "charges_posted": _charges,
    "charges_adjusted": _adjustment,
    "penalty_accrued": _accrued,
    "penalty_corrected": _corrected,
    "penalty_written_off": _written_off,
    "payment_posted": _payment,
    "payment_reversed": _taken_back,
    "payment_refunded": _taken_back,
    "payer_kind_changed": _nothing,
    "advance_settled": _nothing,
    "account_closed": _nothing,
}
