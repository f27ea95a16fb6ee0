"""I2 over HTTP: a person is shown what is in the books now, all that is his, and nothing else.

What is shown of balances and payments is compared with rows that are read before and after it, so
that a cache that is behind is told from what has changed meanwhile. For somebody else's account,
payment or question the answer must be 404.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psycopg
import requests
from psycopg.rows import dict_row

from tests.faults.books import owner_url_of
from tests.faults.checker.api import Api
from tests.faults.checker.evidence import Evidence
from tests.faults.checker.findings import Finding

INVARIANT = "I2"

MOST_ASKED = 12
"""Of so many persons, the latest, everything is asked that is shown to them."""
MOST_PAYMENTS = 5
"""Of so many payments of each, the latest."""
NOT_FOUND = 404
TOLD = frozenset({200, 404})
"""The statuses that say whether a thing is there; others are of limits and outages."""

_REVEAL = frozenset({200, 403, 409, 422})
"""The statuses that reveal to a stranger that a thing exists."""

_BALANCE = """
SELECT principal, penalty AS penalty_accrued, advance, version, open_items
  FROM {book}.balances WHERE number = %s
"""
_PAYMENT = "SELECT state, total, refunded FROM payments.payments WHERE payment_id::text = %s"
_LINKED = "SELECT DISTINCT number FROM accounts.links WHERE person_id::text = %s"
_ANOTHER = "SELECT min(number) AS number FROM {book}.balances WHERE number <> ALL (%s)"
_OTHERS = """
SELECT ARRAY(SELECT payment_id::text FROM payments.payments
              WHERE person_id <> %(person)s::uuid ORDER BY created_at DESC LIMIT 3) AS payments,
       (SELECT max(question_id::text) FROM helpdesk.questions
         WHERE person_id <> %(person)s::uuid) AS question
"""


@dataclass
class Shown:
    """What one person is shown."""

    who: str
    email: str
    person_id: str
    token: str
    api: Api
    database: psycopg.Connection[dict[str, Any]]
    books: Mapping[str, psycopg.Connection[dict[str, Any]]]
    """The books of the ledger, each with the connection to its database."""

    def row(self, query: str, *values: Any) -> dict[str, Any] | None:
        """Return a row as it is now."""
        return self.database.execute(query, values).fetchone()

    def balance(self, number: str) -> dict[str, Any] | None:
        """Return the row of an account as it is now, from the book that has it."""
        for log, database in self.books.items():
            query = _BALANCE.replace("{book}", log)
            if (row := database.execute(query, (number,)).fetchone()) is not None:
                return row
        return None

    def linked(self) -> list[str]:
        """Return the accounts that are his own."""
        return [row["number"] for row in self.database.execute(_LINKED, (self.person_id,))]

    def others(self) -> list[str]:
        """Return somebody else's account of each book that has one."""
        own = self.linked()
        found = [
            database.execute(_ANOTHER.replace("{book}", log), (own,)).fetchone()
            for log, database in self.books.items()
        ]
        return [row["number"] for row in found if row is not None and row["number"] is not None]

    def differs(
        self, path: str, read: Callable[[], Mapping[str, Any] | None]
    ) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
        """Return what a path shows and what is so, where these differ, and nothing has changed."""
        before = read()
        status, shown = self.api.get(path, self.token)
        if before is None or status not in TOLD or read() != before:
            return None
        found = {name: shown.get(name) for name in before}
        return None if found == before else (found, before)


def check(evidence: Evidence) -> Iterator[Finding]:
    """Check what the latest persons are shown."""
    api = Api(evidence.environment["SALDO_URL"])
    latest = {
        belief.data["email"]: belief
        for belief in evidence.about("person")
        if not evidence.may_be_lost(belief)
    }
    with ExitStack() as stack:

        def opened(url: str) -> psycopg.Connection[dict[str, Any]]:
            return stack.enter_context(
                psycopg.connect(url, autocommit=True, row_factory=dict_row, connect_timeout=5)
            )

        database = opened(evidence.environment["SALDO_DATABASE_URL"])
        books = {
            log: opened(owner_url_of(evidence.environment, log))
            if log in evidence.elsewhere
            else database
            for log in evidence.books
        }
        for belief in list(latest.values())[-MOST_ASKED:]:
            token = belief.data["token"]
            status, profile = api.get("/me", token)
            if status == requests.codes.ok:  # whether it must be is another question
                shown = Shown(
                    belief.who,
                    belief.data["email"],
                    profile["person_id"],
                    token,
                    api,
                    database,
                    books,
                )
                yield from _balances(shown)
                yield from _payments(evidence, shown)
                yield from _answers(evidence, shown)
                yield from _not_his(shown)


def _balances(shown: Shown) -> Iterator[Finding]:
    """Each linked account has the balance of its row; so has the page of what is due."""
    numbers = shown.linked()
    for number in numbers:

        def read(number: str = number) -> Mapping[str, Any] | None:
            row = shown.balance(number)
            if row is None:
                return None
            items = row.pop("open_items") or {}
            row["services"] = {
                name: total
                for name in {name for month in items.values() for name in month}
                if (total := sum(month.get(name, 0) for month in items.values()))
            }
            return row

        differ = _with_services(shown, f"/accounts/{number}/balance", read)
        if differ is not None:
            sentence = f"{shown.who} is shown {differ[0]}, it is {differ[1]}"
            yield Finding(INVARIANT, "balance that is shown", f"{shown.who} {number}", sentence)
    yield from _due(shown, numbers)


def _with_services(
    shown: Shown, path: str, read: Callable[[], Mapping[str, Any] | None]
) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    differ = shown.differs(path, read)
    if differ is None:
        return None
    found = dict(differ[0])
    listed = found["services"] or ()
    found["services"] = {one["service"]: one["amount"] for one in listed if one["amount"]}
    return None if found == differ[1] else (found, differ[1])


def _due(shown: Shown, numbers: Sequence[str]) -> Iterator[Finding]:
    def read() -> Mapping[str, Any]:
        rows = [shown.balance(number) for number in sorted(numbers)]
        return {
            number: (max(0, row["principal"] - row["advance"]), row["penalty_accrued"])
            for number, row in zip(sorted(numbers), rows, strict=True)
            if row is not None
        }

    before = read()
    status, page = shown.api.get("/payments/due", shown.token)
    if status != requests.codes.ok or read() != before:
        return
    found = {
        line["account"]: (line["amount"], line["penalty_accrued"])
        for line in page["accounts"]
        if line["account"] in before
    }
    if found != before:
        sentence = f"{shown.who} is shown {found}, it is {before}"
        yield Finding(INVARIANT, "sums that are due", shown.who, sentence)


def _payments(evidence: Evidence, shown: Shown) -> Iterator[Finding]:
    """A payment has its state, and stands in the history of whoever made it."""
    started = [
        belief.data["payment_id"]
        for belief in evidence.about("payment.start")
        if belief.data.get("email") == shown.email
        and belief.outcome == "acknowledged"
        and not evidence.may_be_lost(belief)
    ]
    latest = list(dict.fromkeys(started))[-MOST_PAYMENTS:]
    for payment in latest:
        differ = shown.differs(
            f"/payments/{payment}",
            lambda payment=payment: shown.row(_PAYMENT, payment),  # type: ignore[misc]
        )
        if differ is not None:
            sentence = f"{shown.who} is shown {differ[0]}, it is {differ[1]}"
            yield Finding(INVARIANT, "payment that is shown", payment, sentence)
    status, page = shown.api.get("/payments?limit=100", shown.token)
    if status != requests.codes.ok or not latest:
        return
    listed = [one["payment_id"] for one in page["payments"]]
    for payment in set(latest) - set(listed):
        if shown.row(_PAYMENT, payment) is not None and page["next"] is None:
            sentence = f"{shown.who} is shown {len(listed)} payments without it"
            yield Finding(INVARIANT, "payment that is not listed", payment, sentence)


def _answers(evidence: Evidence, shown: Shown) -> Iterator[Finding]:
    """What staff have answered stands in the question."""
    own = {
        belief.data["question_id"]
        for belief in evidence.about("question.ask")
        if belief.data.get("email") == shown.email and "question_id" in belief.data
    }
    answers = [
        belief
        for belief in evidence.about("question.answer")
        if belief.outcome == "acknowledged"
        and belief.data.get("question_id") in own
        and "text" in belief.data
        and not evidence.may_be_lost(belief)
    ]
    for belief in answers[-MOST_PAYMENTS:]:
        status, texts = shown.api.texts(belief.data["question_id"], shown.token)
        if status == requests.codes.ok and belief.data["text"] not in texts:
            sentence = f"{shown.who} is shown {len(texts)} messages, none is the answer"
            yield Finding(INVARIANT, "answer", belief.id, sentence)


def _not_his(shown: Shown) -> Iterator[Finding]:
    """What is somebody else's is as absent as what is not there."""
    row = shown.database.execute(_OTHERS, {"person": shown.person_id}).fetchone()
    assert row is not None
    others = shown.others()
    asked = [
        *(("account", "/accounts/{}/balance", number) for number in others),
        *(("account's charges", "/accounts/{}/charges", number) for number in others),
        # One of them may be such that its page fails for everybody.
        *(("payment", "/payments/{}", payment) for payment in row["payments"]),
        *(("receipt", "/payments/{}/receipt", payment) for payment in row["payments"]),
        ("question", "/questions/{}", row["question"]),
    ]
    for what, path, id_ in asked:
        if id_ is None:
            continue
        status, _ = shown.api.get(path.format(id_), shown.token)
        if status in _REVEAL:
            sentence = f"{shown.who} asks for the {what} of somebody else, and gets {status}"
            yield Finding(INVARIANT, "shown to a stranger", f"{shown.who} {what}", sentence)
