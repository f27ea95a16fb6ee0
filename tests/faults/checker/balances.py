"""I4: balance = replay = SQL = read model, and every other row follows from its log, too.

The sums here are made of the raw events. What the product itself replays and adds up is a third
witness (`own_words.audit`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from tests.faults.checker.books import ADVANCES, PENALTY, Postings, is_service, postings_of
from tests.faults.checker.evidence import Evidence
from tests.faults.checker.findings import Finding

INVARIANT = "I4"

_LETTER_STATES = {
    "letter_queued": "queued",
    "letter_requeued": "queued",
    "letter_sent": "sent",
    "letter_failed": "failed",
    "letter_bounced": "bounced",
}
_PAYMENT_STATES = {
    "payment_started": {"created"},
    "order_registered": {"awaiting_payment"},
    "outcome_unknown": {"unknown"},
    "outcome_pending": {"awaiting_payment"},
    "mismatch_found": {"mismatch"},
    "payment_captured": {"captured"},
    "payment_failed": {"failed"},
    "payment_expired": {"expired"},
    "payment_completed": {"completed"},
}
"""What a payment is after an event, while no money has gone back."""


def check(evidence: Evidence) -> Iterator[Finding]:
    """Check the rows against the logs."""
    yield from _logs(evidence)
    for log in evidence.books:
        yield from _balances(evidence, log)
    yield from _posted(evidence)
    yield from _payments(evidence)
    yield from _links(evidence)
    yield from _letters(evidence)
    yield from _questions(evidence)
    yield from _persons(evidence)


def _logs(evidence: Evidence) -> Iterator[Finding]:
    """Each log counts on by one, each stream does, and time goes back only where it is written
    down that a clock had been ahead."""
    for log in evidence.logs:
        rows = evidence.rows_of(log, f"SELECT position FROM {log}.clock_steps")
        steps = {row["position"] for row in rows}
        versions: Counter[str] = Counter()
        before, position = None, 0
        for fact in evidence.facts(log):
            if fact.position != position + 1:
                sentence = f"position {fact.position} comes after {position}"
                yield Finding(INVARIANT, "log has a hole", f"{log} {position + 1}", sentence)
            if fact.version != versions[fact.stream] + 1:
                sentence = f"version {fact.version} comes after {versions[fact.stream]}"
                yield Finding(INVARIANT, "stream has a hole", f"{log} {fact.stream}", sentence)
            steps_back = before is not None and fact.recorded_at < before
            if steps_back != (fact.position in steps):
                about = f"{log} {fact.position}"
                sentence = f"{fact.recorded_at} after {before}, and not a word of it"
                if not steps_back:
                    sentence = f"is told of {fact.recorded_at}, which is not before {before}"
                yield Finding(INVARIANT, "time goes back", about, sentence)
            versions[fact.stream] = fact.version
            position, before = fact.position, fact.recorded_at


def _balances(evidence: Evidence, log: str) -> Iterator[Finding]:
    accounts: dict[str, Postings] = defaultdict(Counter)
    versions: dict[str, int] = {}
    numbers: dict[str, str] = {}
    for fact in evidence.facts(log):
        books = postings_of(fact)
        if books is not None:
            accounts[fact.stream].update(books)
            versions[fact.stream] = fact.version
            numbers[fact.stream] = fact.data["account"]
    rows = {
        row["id"]: row
        for row in evidence.rows_of(
            log,
            "SELECT account_id::text AS id, number, version, principal, penalty, advance,"
            f" open_items FROM {log}.balances",
        )
    }
    for stream in sorted({*accounts, *rows}):
        books, row = accounts.get(stream, Counter()), rows.get(stream)
        if row is None or stream not in versions:
            who = numbers.get(stream) or (row["number"] if row else stream)
            about = f"{log} {who}"
            yield Finding(INVARIANT, "balance without a log, or a log without one", about)
            continue
        open_items: Counter[str] = Counter()
        for services in (row["open_items"] or {}).values():
            open_items.update(services)
        owed = {name: v for name, v in books.items() if is_service(name) and v}
        found = {
            "version": (versions[stream], row["version"]),
            "principal": (sum(owed.values()), row["principal"]),
            "penalty": (books[PENALTY], row["penalty"]),
            "advance": (-books[ADVANCES], row["advance"]),
            "open items": (owed, {name: v for name, v in open_items.items() if v}),
        }
        for what, (logged, shown) in found.items():
            if logged != shown:
                sentence = f"{what}: {logged} by the log, {shown} by the row"
                yield Finding(INVARIANT, f"balance: {what}", row["number"], sentence)


def _posted(evidence: Evidence) -> Iterator[Finding]:
    """The postings that receipts show are those of the log."""
    logged: Counter[tuple[str, str]] = Counter()
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for fact in evidence.by_topic("ledger", "payment_posted"):
        key = fact.data["payment_id"], fact.data["account"]
        logged[key] += 1
        sums[key] = fact.data["amount"], fact.data["penalty"]
    rows = evidence.rows_of_books(
        "SELECT payment_id::text AS payment, account, count(*) AS times, max(amount) AS amount,"
        " max(penalty) AS penalty FROM {book}.payment_postings GROUP BY 1, 2"
    )
    shown: Counter[tuple[str, str]] = Counter()
    for row in rows:
        shown[row["payment"], row["account"]] += row["times"]
    # What was reversed or moved leaves the table, and may come back to it.
    undone = {
        (fact.data["payment_id"], fact.data["account"])
        for fact in evidence.by_topic("ledger", "payment_reversed", "payment_refunded")
    }
    for key in sorted({*logged, *shown} - undone):
        if bool(logged[key]) != bool(shown[key]):
            sentence = f"{logged[key]} in the log, {shown[key]} rows"
            yield Finding(INVARIANT, "posting", " ".join(key), sentence)
    for row in rows:
        key = row["payment"], row["account"]
        if key in sums and sums[key] != (row["amount"], row["penalty"]):
            sentence = f"{sums[key]} by the log, {row['amount']}, {row['penalty']} by the row"
            yield Finding(INVARIANT, "sum of a posting", " ".join(key), sentence)


def _payments(evidence: Evidence) -> Iterator[Finding]:
    state: dict[str, set[str]] = {}
    totals: dict[str, int] = {}
    lines: Counter[str] = Counter()
    refunded: Counter[str] = Counter()
    for fact in evidence.facts("payments"):
        kind = fact.topic.split(".")[1]
        state[fact.stream] = _PAYMENT_STATES.get(kind, state.get(fact.stream, set()))
        if kind == "payment_started":
            totals[fact.stream] = fact.data["total"]
        elif kind == "line_posted":
            lines[fact.stream] += 1
        elif kind == "money_returned":
            refunded[fact.stream] += fact.data["total"]
    rows = evidence.rows(
        "SELECT payment_id::text AS id, state, total, refunded, (SELECT count(ledger_position)"
        " FROM payments.payment_lines AS l WHERE l.payment_id = p.payment_id) AS posted"
        " FROM payments.payments AS p"
    )
    shown = {row["id"]: row for row in rows}
    for payment in sorted({*totals, *shown}):
        row = shown.get(payment)
        if row is None or payment not in totals:
            yield Finding(INVARIANT, "payment is not both in log and table", payment)
            continue
        allowed = {"refunded", "partly_refunded", *state[payment]} if refunded[payment] else None
        right = row["state"] in (allowed or state[payment])
        if not right or row["total"] != totals[payment] or row["posted"] != lines[payment]:
            sentence = (
                f"log: {sorted(state[payment])}, total {totals[payment]}, {lines[payment]} posted; "
                f"row: {row['state']}, {row['total']}, {row['posted']}"
            )
            yield Finding(INVARIANT, "payment", payment, sentence)


def _links(evidence: Evidence) -> Iterator[Finding]:
    linked: set[tuple[str, str]] = set()
    for fact in evidence.by_topic("accounts", "account_linked", "account_unlinked"):
        key = fact.data["person_id"], fact.data["number"]
        if fact.topic.startswith("accounts.account_linked"):
            linked.add(key)
        else:
            linked.discard(key)
    rows = evidence.rows("SELECT person_id::text AS person, number FROM accounts.links")
    shown = {(row["person"], row["number"]) for row in rows}
    for person, number in sorted(linked ^ shown):
        where = "in the log alone" if (person, number) in linked else "in the table alone"
        yield Finding(INVARIANT, "link", f"{person} {number}", where)


def _letters(evidence: Evidence) -> Iterator[Finding]:
    states: dict[str, str] = {}
    for fact in evidence.facts("notifications"):
        kind = fact.topic.split(".")[1]
        if kind in _LETTER_STATES:
            states[fact.stream] = _LETTER_STATES[kind]
    rows = evidence.rows("SELECT letter_id::text AS id, state FROM notifications.letters")
    yield from _differ("letter", states, {row["id"]: row["state"] for row in rows})
    waiting = evidence.rows("SELECT letter_id::text AS id FROM notifications.outbox")
    outbox = {row["id"] for row in waiting}
    queued = {letter for letter, state in states.items() if state == "queued"}
    for letter in sorted(outbox ^ queued):
        where = "is queued, and not in the outbox"
        if letter in outbox:
            where = f"is {states.get(letter)}, and still in the outbox"
        yield Finding(INVARIANT, "outbox", letter, where)


def _questions(evidence: Evidence) -> Iterator[Finding]:
    written: dict[str, str] = {}
    erased = {fact.stream for fact in evidence.by_topic("helpdesk", "question_erased")}
    topics = ("question_asked", "message_added", "question_answered")
    for fact in evidence.by_topic("helpdesk", *topics):
        if fact.stream not in erased:
            written[f"{fact.stream} {fact.position}"] = "written"
    rows = evidence.rows("SELECT question_id::text AS id, position FROM helpdesk.messages")
    shown = {f"{row['id']} {row['position']}": "written" for row in rows}
    yield from _differ("message of a question", written, shown)


def _persons(evidence: Evidence) -> Iterator[Finding]:
    erased = {fact.stream for fact in evidence.by_topic("identity", "person_erased")}
    registered = {
        fact.stream: "registered"
        for fact in evidence.by_topic("identity", "person_registered")
        if fact.stream not in erased
    }
    rows = evidence.rows("SELECT person_id::text AS id FROM identity.persons WHERE NOT erased")
    yield from _differ("person", registered, {row["id"]: "registered" for row in rows})


def _differ(what: str, logged: Mapping[str, str], shown: Mapping[str, str]) -> Iterator[Finding]:
    for key in sorted({*logged, *shown}):
        if logged.get(key) != shown.get(key):
            sentence = f"{logged.get(key)} by the log, {shown.get(key)} by the row"
            yield Finding(INVARIANT, what, key, sentence)
