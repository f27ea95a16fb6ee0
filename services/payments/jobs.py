"""What payments do by themselves: ask the acquirer about outcomes that are not known."""

from __future__ import annotations

from typing import Final

from services.payments import application
from services.payments.acquirer import Acquirer, RbsAcquirer
from services.payments.settlement import Outcome, settle
from shared import context
from shared.bus import Job, Services
from shared.eventstore import Store

_BATCH: Final = 20


def poll_unknown_outcomes(services: Services) -> int:
    """Ask about every payment whose time has come; answers how many there were."""
    with context.bind(actor="service:payments", command_id=None, correlation_id=""):
        return poll(services.store, RbsAcquirer(services.settings))


def poll(store: Store, acquirer: Acquirer) -> int:
    """Ask, record what is decided, and put off what is not; never charges."""
    due = store.query(lambda session: application.due_polls(session, _BATCH))
    for payment in due:
        outcome = settle(store, acquirer, payment)
        if outcome is not Outcome.SETTLED:
            command = application.NotePoll(payment_id=payment.payment_id, outcome=outcome.value)
            store.transact(application.note_poll, command)
    return len(due)


JOBS: Final = [Job("poll_unknown_outcomes", every=1.0, run=poll_unknown_outcomes)]
