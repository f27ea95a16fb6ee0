"""Background jobs of identity: deleting what has expired, ending changes of addresses."""

from __future__ import annotations

from services.identity import email_change
from services.identity.email_change import EndEmailChanges
from services.identity.erasure import forget_farewells
from services.identity.factors import StretchCodes, stretch_codes
from services.identity.stretching import new_recipe, stretched
from services.identity.sweeping import Sweep, sweep
from shared.bus import Job, Services


def sweep_expired(services: Services) -> int:
    """Abandon unconfirmed registrations; delete expired sessions, codes and counters."""
    return services.store.transact(sweep, Sweep())


def end_email_changes(services: Services) -> int:
    """Complete the changes of addresses whose delay is over; give up the expired ones."""
    return services.store.transact(email_change.end_email_changes, EndEmailChanges())


def stretch_recovery_codes(services: Services) -> int:
    """Stretch the recovery codes of one person that were issued before that was done."""
    found = services.store.query(lambda session: session.read.second_factors.recovery_codes.plain())
    if found is None:
        return 0
    person_id, digests = found
    recipe = new_recipe()
    command = StretchCodes(
        person_id=person_id,
        recipe=recipe,
        digests={digest: stretched(digest, recipe) for digest in digests},
    )
    return services.store.transact(stretch_codes, command)


def forget_addresses(services: Services) -> int:
    """Delete the addresses of erased persons whose last letter is written."""
    return services.store.transact(forget_farewells, None)


JOBS = [
    Job("forget_farewells", every=5.0, run=forget_addresses),
    Job("end_email_changes", every=60.0, run=end_email_changes),
    Job("stretch_recovery_codes", every=60.0, run=stretch_recovery_codes),
    Job("sweep_expired", every=60.0, run=sweep_expired),
]
