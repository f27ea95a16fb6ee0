"""A person who is erased, and what accounts hold about one.

Contracts are the utility's own, and stay: their holders are no matter of who had a cabinet.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.accounts.application import every_linked_tenure
from services.accounts.cabinet import Cabinet, cabinet_id
from services.accounts.sharing import end_what_was_given, invitations_of
from shared.eventstore import Session


def forget_person(session: Session, person_id: UUID) -> int:
    """End every access of a person, and what he gave to others; return how many there were.

    What he tried to prove is deleted.
    """
    session.read.links.lock_cabinet(person_id)
    cabinet = session.load(Cabinet, cabinet_id(person_id))
    # In order, so that two who are erased at once never wait for each other.
    for number in sorted(cabinet.numbers):
        session.read.links.lock_account(number)
    held = list(cabinet.links.items())
    for (number, tenure), link in held:
        if link.role == "owner":
            end_what_was_given(session, person_id, number, tenure, by="owner")
        cabinet.end(person_id, number, tenure, "person")
    session.read.attempts.forget_person(person_id)
    session.read.attempts_log.forget_person(person_id)
    return len(held)


def held_about(session: Session, person_id: UUID) -> dict[str, Any]:
    """Return {linked, invitations, attempts} of a person.

    The accounts of his cabinet, the open invitations that he has sent, his tries to prove one.
    Every tenure is there, with its days and without its key, which never leaves the services.
    """
    return {
        "linked": [
            {name: value for name, value in one.items() if name != "account"}
            for one in every_linked_tenure(session, person_id)
        ],
        "invitations": invitations_of(session, person_id),
        "attempts": session.read.attempts_log.of_person(person_id),
    }
