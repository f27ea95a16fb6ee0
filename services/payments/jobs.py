"""The scheduled job of payments: polling the acquirer about undecided payments."""

from __future__ import annotations

from typing import Final

from services.payments import application
from services.payments.acquirers import Acquirer, open_acquirer
from services.payments.fiscal.jobs import FISCAL_JOBS
from services.payments.polling import PollOutcome, poll_acquirer
from shared import context
from shared.bus import Job, Services
from shared.eventstore import Store

_BATCH: Final = 20


def poll_unknown_outcomes(services: Services) -> int:
    """Poll the acquirer about the payments that are due; return their number."""
    with context.bind(actor="service:payments", command_id=None, correlation_id=""):
        return poll_due(services.store, open_acquirer(services.settings))


def poll_due(store: Store, acquirer: Acquirer) -> int:
    """Record what is decided, and postpone what is not; return the number of payments polled."""
    due = store.query(lambda session: application.due_polls(session, _BATCH))
    for payment in due:
        outcome = poll_acquirer(store, acquirer, payment)
        if outcome is not PollOutcome.DECIDED:
            command = application.RecordPoll(payment_id=payment.payment_id, outcome=outcome.value)
            store.transact(application.postpone_poll, command)
    return len(due)


JOBS: Final = [
    Job("poll_unknown_outcomes", every=1.0, run=poll_unknown_outcomes),
    *FISCAL_JOBS,
]
