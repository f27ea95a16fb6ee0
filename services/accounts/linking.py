"""The use cases of linking: look up, prove and link, unlink."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from services.accounts.application import masked, resolve, suffices
from services.accounts.cabinet import Cabinet, NewLink, ProvenBy, cabinet_id, others_than
from services.accounts.domain import contract_id
from services.accounts.guessing import Guessing, ProofsGuessed, guessing_id
from services.accounts.limiting import Attempt, Trier, admit, count
from services.accounts.policy import Policy
from services.accounts.proof import ProofDigests, proven_fact
from services.accounts.sharing import end_what_was_given
from services.accounts.tenures import Tenure
from shared.eventstore import Session


class LookUpAccount(msgspec.Struct, frozen=True, kw_only=True):
    trier: Trier
    number: str


class ProveAccount(msgspec.Struct, frozen=True, kw_only=True):
    """``number`` is what was resolved, None: there is no such. ``fact`` holds digests of what the
    person typed, never the text itself.
    """

    trier: Trier
    number: str | None
    fact: ProofDigests


class UnlinkAccount(msgspec.Struct, frozen=True, kw_only=True):
    person_id: UUID
    number: str


class Linking:
    """The use cases that the operator's policy governs.

    Attempts are counted in the transaction of the attempt, so a refusal for an unknown number or
    a wrong fact is a result, not an exception: an exception would undo the counting.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def look_up(self, session: Session, command: LookUpAccount) -> dict[str, Any] | None:
        """Return the masked preview of a contract, None when there is none.

        Raises Forbidden ``too_many_attempts``, with the limit and ``retry_after_seconds``.
        """
        allowance = self._policy.limits.lookups
        admit(session, "lookup", command.trier, allowance)
        left = count(session, "lookup", command.trier, allowance)
        number = resolve(session, command.number)
        tenure = _current(session, number)
        if number is None or tenure is None:
            return None
        held = session.read.links.of_person(command.trier.person_id, [number])
        address, holder = masked(session, tenure)
        return {
            "number": number,
            "address": address,
            "holder": holder,
            "linked": any(link.tenure == tenure.tenure for link in held),
            "proof": list(self._policy.accepted),
            "rate_limit": left,
        }

    def link(self, session: Session, command: ProveAccount) -> dict[str, Any]:
        """Link an account to a cabinet; ``{"linked": False}`` for an unknown number or fact.

        Raises Conflict ``already_linked`` or ``account_limit_reached``, and Forbidden
        ``too_many_attempts``.
        """
        person_id = command.trier.person_id
        session.read.links.lock_cabinet(person_id)
        cabinet = session.load(Cabinet, cabinet_id(person_id))
        current = _current(session, command.number)
        if current is None:
            cabinet.check_limit(command.number)
        else:
            cabinet.check_room_for(current.number, current.tenure)
        left = admit(session, "proof", command.trier, self._policy.limits.proofs)
        if self._fact(session, current, command) is not None:
            # The account stays locked until the commit: of two persons who link it at once the
            # first gets a letter about the second.
            session.read.links.lock_account(command.number)
            current = _current(session, command.number)
        proven_by = self._fact(session, current, command)
        if current is None or proven_by is None:
            self._miss(session, command, current, "link")
            return {"linked": False}
        _log(session, command, "link", proven=True)
        others = session.read.links.of_tenure(current.number, current.tenure)
        cabinet.take_in(
            person_id,
            NewLink(
                number=current.number,
                tenure=current.tenure,
                role="owner",
                proven_by=proven_by,
                other_person_ids=others_than(person_id, others),
            ),
        )
        return {"linked": True, "number": current.number, "rate_limit": left}

    def prove(self, session: Session, command: ProveAccount) -> dict[str, bool]:
        """Return whether a person, who owns an account already, knows the fact of its last bill.

        Raises Forbidden ``too_many_attempts``.
        """
        admit(session, "proof", command.trier, self._policy.limits.proofs)
        current = _current(session, command.number)
        proven_by = self._fact(session, current, command)
        right = (
            current is not None
            and proven_by not in (None, "number")
            and _owns(session, command.trier.person_id, current)
        )
        if right:
            _log(session, command, "prove", proven=True)
        else:
            self._miss(session, command, current, "prove")
        return {"proven": right}

    def _fact(
        self, session: Session, current: Tenure | None, command: ProveAccount
    ) -> ProvenBy | None:
        accepted = self._policy.accepted
        number = current.number if current else ""
        kept = session.read.proofs.of([number]).get(number, ProofDigests())
        # An unknown number is compared too, so that it takes the same steps.
        fact = proven_fact(kept, command.fact, accepted)
        if current is None:
            return None
        if fact is None and "number" in accepted and current.state == "open":
            return "number"
        return fact

    def _miss(
        self, session: Session, command: ProveAccount, current: Tenure | None, purpose: Any
    ) -> None:
        """Count and log a wrong proof; tell the owners when there were many of their account."""
        count(session, "proof", command.trier, self._policy.limits.proofs)
        _log(session, command, purpose, proven=False)
        if current is None:
            return
        limit = self._policy.limits.letter_to_owners
        made, _ = session.read.attempts.count(
            "proof_of_account", contract_id(current.number), limit, session.now
        )
        links = session.read.links.of_tenure(current.number, current.tenure)
        owners = tuple(link.person_id for link in links if link.role == "owner")
        if made == limit.attempts and owners:
            session.load(Guessing, guessing_id(current.number)).notice(
                ProofsGuessed(
                    number=current.number,
                    tenure=current.tenure,
                    attempts=made,
                    owner_ids=owners,
                )
            )


def unlink_account(session: Session, command: UnlinkAccount) -> dict[str, Any]:
    """Take an account out of a cabinet, and out of those whom the person has let in.

    Raises NotFound ``account_not_linked`` and Conflict ``last_account_stays``.
    """
    number = resolve(session, command.number) or ""
    session.read.links.lock_cabinet(command.person_id)
    session.read.links.lock_account(number)
    cabinet = session.load(Cabinet, cabinet_id(command.person_id))
    tenure, role = cabinet.unlink(command.person_id, number)
    if role == "owner":
        end_what_was_given(session, command.person_id, number, tenure, by="owner")
    return {"number": number}


def _current(session: Session, number: str | None) -> Tenure | None:
    if number is None:
        return None
    found: Tenure | None = session.read.tenures.current([number]).get(number)
    return found


def _owns(session: Session, person_id: UUID, tenure: Tenure) -> bool:
    return any(
        link.tenure == tenure.tenure and suffices(link, tenure, "own")
        for link in session.read.links.of_person(person_id, [tenure.number])
    )


def _log(session: Session, command: ProveAccount, purpose: Any, *, proven: bool) -> None:
    session.read.attempts_log.add(
        Attempt(
            person_id=command.trier.person_id,
            number=command.number,
            network=command.trier.network,
            purpose=purpose,
            outcome="proven" if proven else "refused",
        ),
        session.now,
    )
