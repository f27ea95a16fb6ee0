"""What a page says where a letter is awaited: that letters are late, or that they come back."""

from __future__ import annotations

from gateway.cabinet.visit import BESIDE_SECONDS, Visit


def are_late(visit: Visit) -> bool:
    """Return whether letters with codes and links wait for the mail server."""
    found = visit.services.call("notifications", "delivery", deadline=BESIDE_SECONDS)
    return bool(found["late"])


def come_back_since(visit: Visit) -> str | None:
    """Return since when letters to whoever is signed in come back; None while they arrive."""
    person_id = visit.person.person_id if visit.person else None
    if person_id is None:
        return None
    found = visit.services.call(
        "notifications", "choices", deadline=BESIDE_SECONDS, person_id=person_id
    )
    since: str | None = found["bounced_since"]
    return since
