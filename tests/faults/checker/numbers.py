"""I4: where the ledger has several books, an account is in one of them, that of its number.

Which number is of which book is in the rules that each book has; they are the same in all. The
longest prefix decides, and without a rule a number is of the first book.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from tests.faults.checker.evidence import Evidence
from tests.faults.checker.findings import Finding

INVARIANT = "I4"

_RULES = "SELECT prefix, book, settled FROM {log}.book_rules"
_NUMBERS = "SELECT number FROM {log}.balances"


def check(evidence: Evidence) -> Iterator[Finding]:
    """Check the rules, and the accounts of each book against them."""
    if len(evidence.books) == 1:
        return
    rules = {log: _rules(evidence, log) for log in evidence.books}
    first, *further = evidence.books
    for log in further:
        if rules[log] != rules[first]:
            sentence = f"{rules[first]} by {first}, {rules[log]} by itself"
            yield Finding(INVARIANT, "rules of books differ", log, sentence)
    holders: dict[str, set[str]] = defaultdict(set)
    for log in evidence.books:
        for number in _numbers(evidence, log):
            holders[number].add(log)
    for number, logs in sorted(holders.items()):
        right = _book_of(number, rules[first], first)
        if len(logs) > 1:
            sentence = f"is in {', '.join(sorted(logs))}"
            yield Finding(INVARIANT, "account in several books", number, sentence)
        elif logs != {right}:
            sentence = f"is of {right}, and in {', '.join(logs)}"
            yield Finding(INVARIANT, "account in another book", number, sentence)


def _rules(evidence: Evidence, log: str) -> dict[str, str]:
    """Return the rules that a book knows, which hold already: prefix -> log."""
    rows = evidence.rows_of(log, _RULES.format(log=log))
    return {row["prefix"]: row["book"] for row in rows if row["settled"]}


def _numbers(evidence: Evidence, log: str) -> set[str]:
    """Return the numbers of accounts that a book has, in its log or in its rows."""
    named = {str(fact.data["account"]) for fact in evidence.facts(log) if "account" in fact.data}
    shown = {str(row["number"]) for row in evidence.rows_of(log, _NUMBERS.format(log=log))}
    # A further tenure of a number has a key of its own, which begins with it.
    return {key.partition("-")[0] for key in named | shown}


def _book_of(number: str, rules: Mapping[str, str], first: str) -> str:
    fitting = [prefix for prefix in rules if number.startswith(prefix)]
    return rules[max(fitting, key=len)] if fitting else first
