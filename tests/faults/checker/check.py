"""All checks in their order."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import psycopg
import requests

from deploy.demo.acquirer_page import PageError
from tests.faults.checker import (
    balances,
    books,
    deliveries,
    letters,
    numbers,
    own_words,
    postings,
    promises,
    rules,
    seal,
    shown,
    unresolved,
)
from tests.faults.checker.evidence import Evidence, open_evidence
from tests.faults.checker.findings import Finding

Check = Callable[[Evidence], Iterator[Finding]]

CHECKS: Mapping[str, tuple[Check, ...]] = {
    "I1": (books.check,),
    "I2": (promises.check, shown.check),
    "I3": (postings.check,),
    "I4": (balances.check, rules.check, numbers.check),
    "I5": (seal.check,),
    "I6": (deliveries.check,),
    "I7": (letters.check,),
    "I8": (unresolved.check,),
}
"""By invariant."""

OWN_WORDS: Mapping[str, Check] = {"I4": own_words.audit, "I5": own_words.verify}
"""What the product itself says of an invariant, by a staff command; each starts a process."""

EXTENT: Mapping[str, str] = {
    "payments": "payments.payments",
    "refunds": "payments.refunds",
    "letters": "notifications.letters",
}
"""What is counted, and its table."""

OUTAGES = (psycopg.OperationalError, requests.RequestException, PageError, OSError)
LOOK_EVERY_S = 0.5
PASSES_S = 10.0
"""A job may just have begun something."""


def check(
    environment: Mapping[str, str],
    beliefs: Path | None,
    only: Collection[str] = CHECKS,
    *,
    own_words: bool = True,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Finding]:
    """Return everything that is found, without repetition; `tell` gets the name of each check.

    Unless `own_words`, the product's own commands are not asked. What is under way in one moment,
    and not any more soon after, is not unresolved.
    """
    found: dict[tuple[str, str, str], Finding] = {}
    with open_evidence(environment, beliefs) as evidence:
        for invariant in sorted(only):
            tell(invariant)
            asked = (OWN_WORDS[invariant],) if own_words and invariant in OWN_WORDS else ()
            for run in (*CHECKS[invariant], *asked):
                for finding in run(evidence):
                    found.setdefault(finding.key, finding)
    if any(one.invariant == unresolved.INVARIANT for one in found.values()):
        _, left = settle(environment, beliefs, PASSES_S)
        stays = {one.key for one in left}
        found = {
            key: one
            for key, one in found.items()
            if one.invariant != unresolved.INVARIANT or key in stays
        }
    return sorted(found.values())


def extent(environment: Mapping[str, str]) -> dict[str, int]:
    """Return how much there is to be judged."""
    with open_evidence(environment) as evidence:
        events = {
            log: evidence.rows_of(log, f"SELECT count(*) AS n FROM {log}.events")[0]["n"]
            for log in evidence.logs
        }
        counted = {
            name: evidence.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"]
            for name, table in EXTENT.items()
        }
        sealed = evidence.rows_of_books("SELECT count(*) AS n FROM {book}.checkpoints")
        further = {f"events of {log}": events[log] for log in evidence.books[1:]}
    checkpoints = sum(row["n"] for row in sealed)
    return {"events": sum(events.values()), **counted, "checkpoints": checkpoints, **further}


def settle(
    environment: Mapping[str, str], beliefs: Path | None, seconds: float
) -> tuple[float, list[Finding]]:
    """Wait until nothing is unresolved; return after how long, and what still is.

    An outage counts as unresolved as well.
    """
    began = time.monotonic()
    while True:
        try:
            with open_evidence(environment, beliefs) as evidence:
                left = list(unresolved.check(evidence))
        except OUTAGES as outage:
            left = [Finding("I8", "outage", type(outage).__name__)]
        after = time.monotonic() - began
        if not left or after > seconds:
            return after, left
        time.sleep(LOOK_EVERY_S)
