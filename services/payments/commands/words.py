"""Names of states, causes and sources, in the language of the output; facts of one thing."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import fill

from services.language import text
from services.terminal import new_table, show

_WIDTH = 60
"""Characters of a line: a longer one is folded, also where the output is a pipe."""


def state_name(state: str) -> str:
    """Return the name of a payment's or a refund's state."""
    return {
        "created": text("recorded, no page yet"),
        "awaiting_payment": text("waiting for the payer"),
        "unknown": text("outcome unknown"),
        "mismatch": text("another sum was charged"),
        "captured": text("charged, not posted yet"),
        "completed": text("posted"),
        "partly_refunded": text("refunded in part"),
        "refunded": text("refunded"),
        "failed": text("failed"),
        "expired": text("not paid in time"),
        "proposed": text("awaits a second person"),
        "requested": text("being made"),
        "made": text("made"),
        "refused": text("refused by the bank"),
        "rejected": text("rejected"),
        "approved": text("approved"),
    }.get(state, state)


def trouble_name(what: str) -> str:
    """Return the name of what is stuck."""
    return {
        "unknown": text("outcome unknown"),
        "mismatch": text("another sum was charged"),
        "not_polled": text("the bank is not asked any more"),
        "not_posted": text("charged, not posted"),
        "refund_not_made": text("refund not made"),
        "refund_refused": text("refund refused by the bank"),
        "refund_not_posted": text("refund not posted"),
    }.get(what, what)


def source_name(source: str) -> str:
    """Return the name of a source of a reconciliation."""
    return {
        "orders": text("our payments"),
        "acquirer": text("acquirers"),
        "ledger": text("ledger"),
        "register": text("bank registers"),
        "polls": text("asking the bank"),
    }.get(source, source)


def kind_name(kind: str) -> str:
    """Return the name of a kind of finding."""
    return {
        "matched": text("matched"),
        "missing_here": text("missing here"),
        "missing_there": text("missing there"),
        "differing": text("differing"),
    }.get(kind, kind)


def what_name(what: str) -> str:
    """Return the name of what differs."""
    return {
        "payment": text("all of it"),
        "sum": text("sum"),
        "returned": text("what went back"),
        "day": text("day"),
        "state": text("state"),
    }.get(what, what)


def show_facts(title: str, facts: Iterable[tuple[str, str]]) -> None:
    """Print facts, a row each, under a title."""
    table = new_table(title, text("What"), "")
    for what, value in facts:
        table.add_row(what, "\n".join(fill(line, _WIDTH) for line in value.splitlines()))
    show(table)
