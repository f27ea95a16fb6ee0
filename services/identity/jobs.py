"""Background jobs of identity: deleting expired rows."""

from __future__ import annotations

from services.identity.sweeping import Sweep, sweep
from shared.bus import Job, Services


def sweep_expired(services: Services) -> int:
    """Abandon unconfirmed registrations; delete expired sessions, codes and counters."""
    return services.store.transact(sweep, Sweep())


JOBS = [Job("sweep_expired", every=60.0, run=sweep_expired)]
