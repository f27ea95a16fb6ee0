"""Background jobs of identity: deleting expired rows, ending changes of addresses."""

from __future__ import annotations

from services.identity import email_change
from services.identity.email_change import EndEmailChanges
from services.identity.sweeping import Sweep, sweep
from shared.bus import Job, Services


def sweep_expired(services: Services) -> int:
    """Abandon unconfirmed registrations; delete expired sessions, codes and counters."""
    return services.store.transact(sweep, Sweep())


def end_email_changes(services: Services) -> int:
    """Complete the changes of addresses whose delay is over; give up the expired ones."""
    return services.store.transact(email_change.end_email_changes, EndEmailChanges())


JOBS = [
    Job("end_email_changes", every=60.0, run=end_email_changes),
    Job("sweep_expired", every=60.0, run=sweep_expired),
]
