"""The jobs that every service has: keys, retention, and what its log has lost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from shared.bus import Job, Services
from shared.bus.readable_losses import Handler
from shared.bus.recovering import recover
from shared.eventstore import Session
from shared.eventstore.key_jobs import (
    destroy_keys,
    destroy_keys_again,
    forget_destroyed,
    move_keys,
)
from shared.eventstore.postgres import PostgresStore
from shared.retention import load_retention

MOST_SWEPT = 1000
"""Rows that are deleted in one transaction."""


def jobs_of_every_service(handler: Handler) -> Sequence[Job]:
    """Return the jobs; ``handler`` brings back what the log has lost."""
    return (
        # First: the others ask whether something is lost that is not brought back.
        Job("recover", every=2.0, run=partial(recover, handler=handler)),
        Job("destroy_keys", every=5.0, run=lambda services: destroy_keys(services.store)),
        Job("move_keys", every=60.0, run=lambda services: move_keys(services.store)),
        Job("destroy_keys_again", every=3600.0, run=lambda services: _again(services.store)),
        Job("forget", every=3600.0, run=_forget),
    )


def _forget(services: Services) -> int:
    """Delete what a service has kept for its time; return how much of it there was."""
    kept = load_retention()

    def forget(session: Session, _: None) -> int:
        destroyed = forget_destroyed(session.cursor, session.now - kept.destroyed_keys, MOST_SWEPT)
        return destroyed + session.security.sweep(session.now - kept.security_log, MOST_SWEPT)

    return services.store.transact(forget, None)


def _again(store: PostgresStore) -> int:
    """Destroy keys that a restored dump has brought back; return 0, so that the next run waits."""
    destroy_keys_again(store)
    return 0
