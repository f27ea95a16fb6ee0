"""All planted bugs: the scenario that brings each out, and the invariants that must report it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

# Importing a module registers what it plants.
from tests.faults.bugs import (  # noqa: F401
    access,
    accounting,
    commands,
    posting_letters,
    publishing,
    reacting,
    sealing,
    showing,
    taking_money,
)
from tests.faults.checker.findings import Finding


class Bug(NamedTuple):
    """A bug: its name, the scenario, and where the checker must find it (any of these).

    `rule` is the one that must say so, where another of the invariant could say it as well.
    """

    name: str
    scenario: str
    found_by: tuple[str, ...]
    rule: str = ""

    def is_found_by(self, findings: Iterable[Finding]) -> bool:
        """Return whether findings report this bug."""
        return any(
            one.invariant in self.found_by and self.rule in {"", one.rule} for one in findings
        )


_ALL = (
    Bug("relay-advances-before-the-confirm", "pay", ("I6",)),
    Bug("relay-skips-an-event", "pay", ("I6",)),
    Bug("relay-publishes-out-of-order", "pay", ("I6",)),
    Bug("live-feed-drops-an-event", "pay", ("I6",)),
    Bug("history-hides-an-event", "pay", ("I6",)),
    Bug("reaction-writes-its-position-apart", "pay", ("I3", "I8")),
    Bug("reaction-swallows-what-fails", "pay", ("I3", "I8")),
    Bug("reaction-without-duplicate-check", "ask", ("I7",)),
    Bug("gap-is-ignored", "pay_twice", ("I3", "I8")),
    Bug("park-advances-past-a-gap", "pay_twice", ("I3", "I8")),
    Bug("line-posted-is-forgotten", "pay", ("I8",)),
    Bug("answered-before-the-commit", "ask", ("I2",)),
    Bug("unknown-commit-is-a-success", "adjust", ("I2",)),
    Bug("command-id-is-not-stored", "ask_twice", ("I2",)),
    Bug("refused-and-done", "ask", ("I2",)),
    Bug("payment-is-posted-twice", "pay", ("I3",)),
    Bug("kopeck-is-lost-in-a-split", "pay", ("I1",)),
    Bug("penalty-is-paid-before-principal", "pay_in_arrears", ("I1",)),
    Bug("read-model-misses-an-event-type", "adjust", ("I4",)),
    Bug("balance-is-updated-twice", "pay", ("I4",)),
    Bug("refund-is-credited-twice", "refund", ("I3",)),
    Bug("another-amount-is-credited", "pay", ("I3",)),
    Bug("callback-is-believed", "forge_a_callback", ("I3",)),
    Bug("letter-is-marked-before-it-is-sent", "ask", ("I7",)),
    Bug("letter-is-sent-twice", "ask", ("I7",)),
    Bug("letter-is-never-queued", "ask_and_answer", ("I7",)),
    Bug("claim-of-a-letter-never-ends", "ask", ("I8",)),
    Bug("outbox-row-goes-without-a-letter", "ask", ("I4",)),
    Bug("session-survives-its-end", "sign_out", ("I2",)),
    Bug("new-password-is-not-stored", "change_password", ("I2",)),
    Bug("account-is-linked-without-proof", "link_without_proof", ("I2",)),
    Bug("sealer-skips-an-event", "pay_and_seal", ("I5",)),
    Bug("seal-leaves-a-field-out", "pay_and_seal", ("I5",)),
    Bug("shares-are-rounded-by-place", "pay", ("I4",)),
    Bug("newest-month-is-paid-first", "pay_in_arrears", ("I4",)),
    Bug("penalty-counts-a-day-more", "pay_off", ("I4",)),
    Bug("posting-row-has-another-sum", "pay", ("I4",)),
    Bug("payment-is-posted-a-day-late", "pay", ("I3",)),
    Bug("lines-change-accounts", "pay_for_two", ("I3",)),
    Bug("refund-is-divided-otherwise", "refund_two", ("I3",)),
    Bug("refund-is-not-taken-back", "refund", ("I3",)),
    Bug("complete-before-it-is-posted", "pay", ("I3",), "complete too early"),
    Bug("receipt-is-registered-twice", "pay", ("I3",), "receipt"),
    Bug("published-sum-is-another", "pay", ("I6",), "published otherwise than logged"),
    Bug("subject-is-lost", "ask", ("I6",), "published otherwise than logged"),
    Bug("key-of-a-request-is-ignored", "ask_twice", ("I2",)),
    Bug("key-serves-another-request", "reuse_a_key", ("I2",)),
    Bug("recorded-in-the-name-of-another", "ask", ("I2",)),
    Bug("correction-is-of-another-sum", "adjust", ("I2",)),
    Bug("sessions-outlive-a-new-password", "change_password", ("I2",), "session of before"),
    Bug("balance-is-shown-from-a-cache", "look_and_pay", ("I2",), "balance that is shown"),
    Bug("payment-is-shown-from-a-cache", "refund", ("I2",), "payment that is shown"),
    Bug("payment-is-missing-in-the-history", "pay", ("I2",), "payment that is not listed"),
    Bug("answer-is-not-shown", "ask_and_answer", ("I2",), "answer"),
    Bug("anybodys-account-is-shown", "ask", ("I2",), "shown to a stranger"),
    Bug("anybodys-payment-is-shown", "pay", ("I2",), "shown to a stranger"),
    Bug("letter-goes-to-another-person", "ask_by_two", ("I7",), "to somebody else"),
    Bug("receipt-tells-another-sum", "pay_for_two", ("I7",), "another sum in a letter"),
    Bug("ghost-is-applied", "send_a_ghost", ("I3",)),
    Bug("fork-is-not-noticed", "fork_a_reader", ("I6",), "fork unnoticed"),
    # Nothing is planted for it: the scenario does it with the owner's rights. It comes last.
    Bug("event-is-changed-afterwards", "change_an_event", ("I5",)),
)

BUGS: Mapping[str, Bug] = {bug.name: bug for bug in _ALL}
