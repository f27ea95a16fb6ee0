"""The table ``book_rules``: which numbers are of which book of the ledger.

The longest prefix of a number decides; without one it is of the first book. Only what would open an
account asks: an account that is open here is of this book, because a rule is made before there is
an account that it concerns.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

_LOCK = "hashtextextended(current_schema() || '.books', 0)"
_IS_SPLIT = "SELECT current_schema() <> 'ledger' OR EXISTS (SELECT FROM book_rules) AS split"
_HOLD = f"SELECT pg_advisory_xact_lock_shared({_LOCK}); {_IS_SPLIT}"
_CHANGE = f"SELECT pg_advisory_xact_lock({_LOCK})"
# The numbers are sent as one text: psycopg looks at each element of an array.
_STRANGE = """
SELECT asked.number, coalesce(rule.settled, true) AS settled
  FROM unnest(string_to_array(%s, E'\\n')) AS asked (number)
  LEFT JOIN LATERAL (SELECT book, settled FROM book_rules
                      WHERE starts_with(asked.number, prefix)
                      ORDER BY length(prefix) DESC LIMIT 1) AS rule ON true
 WHERE coalesce(rule.book, 'ledger') <> current_schema() OR NOT coalesce(rule.settled, true)
"""
_OF = """
SELECT CASE WHEN settled THEN book ELSE giver END AS book FROM book_rules
 WHERE starts_with(%s, prefix) ORDER BY length(prefix) DESC LIMIT 1
"""
_RULES = "SELECT prefix, book, settled, reason, giver FROM book_rules ORDER BY prefix"
_PUT = """
INSERT INTO book_rules (prefix, book, settled, reason, giver) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (prefix) DO UPDATE SET book = excluded.book, settled = excluded.settled,
       reason = excluded.reason, giver = excluded.giver, written_at = clock_timestamp()
"""
_FIGURES = """
SELECT (SELECT count(*) FROM balances) AS accounts,
       (SELECT coalesce(max(notification_id), 0) FROM events) AS events
"""
_ACCOUNTS = "SELECT EXISTS (SELECT FROM balances WHERE starts_with(number, %s)) AS some"


class Rule(NamedTuple):
    """The numbers that begin like this are of a book, by its log.

    One that is not settled says who has them until then, the ``giver``.
    """

    prefix: str
    book: str
    settled: bool
    reason: str
    giver: str = ""


def hold_rules(cursor: Any) -> bool:
    """Let nobody change a rule until this transaction ends: it may open an account.

    Return whether there are numbers of other books at all.
    """
    # In one round trip; the second statement sees all that was committed before the lock was taken.
    cursor.execute(_HOLD)
    cursor.nextset()
    return bool(cursor.fetchone()["split"])


def strange_numbers(cursor: Any, numbers: Collection[str]) -> Mapping[str, bool]:
    """Return those of some numbers that may not be opened in this book, or not yet.

    The value is True for one of another book, False for one that this book is about to get.
    """
    cursor.execute(_STRANGE, ("\n".join(numbers),))
    return {row["number"]: row["settled"] for row in cursor.fetchall()}


def book_of_number(cursor: Any, number: str) -> str:
    """Return the log of the book that a number, or a prefix of some, is of by now."""
    row = cursor.execute(_OF, (number,)).fetchone()
    return str(row["book"]) if row else "ledger"


def read_rules(cursor: Any) -> list[Rule]:
    """Return all rules, by prefix."""
    return [Rule(**row) for row in cursor.execute(_RULES).fetchall()]


def rules_of(session: Any) -> dict[str, Any]:
    """Return ``{rules: [{prefix, book}]}``, as callers go by them."""
    rules = read_rules(session.cursor)
    return {
        "rules": [
            {"prefix": rule.prefix, "book": rule.book if rule.settled else rule.giver}
            for rule in rules
        ]
    }


def change_rules(cursor: Any) -> None:
    """Wait until nobody opens an account, and let nobody until this transaction ends."""
    cursor.execute(_CHANGE)


def put_rule(cursor: Any, rule: Rule) -> None:
    """Write a rule, in place of an earlier one of its prefix."""
    cursor.execute(_PUT, rule)


def drop_rule(cursor: Any, prefix: str) -> None:
    """Delete the rule of a prefix that is not settled."""
    cursor.execute("DELETE FROM book_rules WHERE prefix = %s AND NOT settled", (prefix,))


def figures(cursor: Any) -> dict[str, int]:
    """Return how many ``accounts`` and ``events`` this book has."""
    found: dict[str, int] = cursor.execute(_FIGURES).fetchone()
    return found


def has_accounts(cursor: Any, prefix: str) -> bool:
    """Return whether this book has an account whose number begins so."""
    return bool(cursor.execute(_ACCOUNTS, (prefix,)).fetchone()["some"])
