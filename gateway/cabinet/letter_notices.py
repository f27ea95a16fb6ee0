"""What a page says where a letter is awaited: that letters are late, or that they come back."""

from __future__ import annotations

from gateway.cabinet.visit import Visit


def are_late(visit: Visit) -> bool:
    """Return whether letters with codes and links wait for the mail server."""
    return bool(visit.services.call("notifications", "delivery")["late"])


def come_back_since(visit: Visit) -> str | None:
    """Return since when letters to whoever is signed in come back; None while they arrive."""
    person_id = visit.person.person_id if visit.person else None
    if person_id is None:
        return None
    since: str | None = visit.services.call("notifications", "choices", person_id=person_id)[
        "bounced_since"
    ]
    return since
