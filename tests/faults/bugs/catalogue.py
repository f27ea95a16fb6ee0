"""All planted bugs: the scenario that brings each out, and the invariants that must report it."""

from __future__ import annotations

from collections.abc import Mapping
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
    taking_money,
)


class Bug(NamedTuple):
    """A bug: its name, the scenario, and where the checker must find it (any of these)."""

    name: str
    scenario: str
    found_by: tuple[str, ...]


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
    Bug("fork-is-not-noticed", "fork_a_reader", ("I6",)),
    # Nothing is planted for it: the scenario does it with the owner's rights. It comes last.
    Bug("event-is-changed-afterwards", "change_an_event", ("I5",)),
)

BUGS: Mapping[str, Bug] = {bug.name: bug for bug in _ALL}
