"""The use cases of the cabinet: look up, link, unlink, list."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from services.accounts.domain import (
    Cabinet,
    ContractDetails,
    LinkedAccount,
    cabinet_id,
    clean_number,
    contract_id,
)
from services.accounts.policy import Limit, Policy
from services.accounts.preview import mask_address, mask_holder
from services.accounts.proof import ProofDigests, proven_fact
from shared.errors import Forbidden
from shared.eventstore import Session


class LookUpAccount(msgspec.Struct, frozen=True, kw_only=True):
    person_id: UUID
    number: str


class LinkAccount(msgspec.Struct, frozen=True, kw_only=True):
    """``fact`` holds digests of what the person typed, never the text itself."""

    person_id: UUID
    number: str
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
        limits = self._policy.limits
        left = _count(session, "lookup_by_person", command.person_id, limits.lookups_per_person)
        number = clean_number(command.number)
        details = session.read.contract(number) if number else None
        if number is None or details is None:
            return None
        linked = session.read.owned(command.person_id, [number])
        address, holder = _masked(session, number, details)
        return {
            "number": number,
            "address": address,
            "holder": holder,
            "linked": bool(linked),
            "rate_limit": left,
        }

    def link(self, session: Session, command: LinkAccount) -> dict[str, Any]:
        """Link an account to a cabinet; ``{"linked": False}`` for an unknown number or fact.

        Raises Conflict ``already_linked`` or ``account_limit_reached``, and Forbidden
        ``too_many_attempts``.
        """
        limits, person_id = self._policy.limits, command.person_id
        number = clean_number(command.number)
        cabinet = session.load(Cabinet, cabinet_id(person_id))
        if number is not None:
            cabinet.check_room_for(number)
        left = _count(session, "link_by_person", person_id, limits.links_per_person)
        if number is None:
            return {"linked": False}
        # This row stays locked until the commit: two persons who link the same account at once
        # come one after the other, and the first gets a letter about the second.
        _count(session, "link_to_account", contract_id(number), limits.links_per_account)
        if not self._is_proven(session, number, command.fact):
            return {"linked": False}
        others = session.read.persons_linking(number)
        cabinet.link(
            person_id, number, proven_by=self._policy.proof, other_person_ids=tuple(others)
        )
        return {"linked": True, "number": number, "rate_limit": left}

    def _is_proven(self, session: Session, number: str, fact: ProofDigests) -> bool:
        known = session.read.contract(number) is not None
        if self._policy.proof == "number":
            return known
        # An unknown number is compared too, so that it takes the same steps.
        kept = session.read.proofs.of([number]).get(number, ProofDigests())
        return proven_fact(kept, fact, ("control_code", "total_and_period")) is not None and known


def unlink_account(session: Session, command: UnlinkAccount) -> dict[str, Any]:
    """Take an account out of a cabinet.

    Raises NotFound ``account_not_linked`` and Conflict ``last_account_stays``.
    """
    number = clean_number(command.number) or ""
    cabinet = session.load(Cabinet, cabinet_id(command.person_id))
    cabinet.unlink(command.person_id, number)
    return {"number": number}


def linked_accounts(session: Session, person_id: UUID) -> list[dict[str, Any]]:
    """Return a person's accounts, the earliest linked first.

    Whoever proved ownership sees holder and address in full (None: erased); whoever knew the
    number alone sees them masked.
    """
    linked = session.read.linked(person_id)
    session.vault.fetch_keys([contract_id(account.number) for account in linked])
    return [_linked(session, account) for account in linked]


def ownership(session: Session, person_id: UUID, numbers: list[str]) -> dict[str, list[str]]:
    """Divide numbers into those that a person has linked and all others, in the order given."""
    owned = session.read.owned(person_id, numbers)
    return {
        "owned": [number for number in numbers if number in owned],
        "foreign": [number for number in numbers if number not in owned],
    }


def revealed(
    session: Session, number: str, details: ContractDetails
) -> tuple[str | None, str | None]:
    """Return address and holder in clear; None for what has been erased."""
    subject = contract_id(number)
    return (
        session.vault.reveal(subject, details.address, "address"),
        session.vault.reveal(subject, details.holder, "holder"),
    )


def _count(session: Session, kind: str, subject: UUID, limit: Limit) -> dict[str, Any]:
    """Count an attempt, and return the state of its limit. Raises ``too_many_attempts``."""
    made, closes_in = session.read.attempts.count(kind, subject, limit, session.now)
    state = limit.after(kind, made, closes_in)
    if made > limit.attempts:
        raise Forbidden(
            "too_many_attempts",
            "Too many attempts; wait and try again, with the last paper bill at hand.",
            **state,
        )
    return state


def _masked(session: Session, number: str, details: ContractDetails) -> tuple[str, str]:
    """Return address and holder masked; erased data looks like data that cannot be shown."""
    address, holder = revealed(session, number, details)
    return mask_address(address or ""), mask_holder(holder or "", details.payer_kind)


def _linked(session: Session, account: LinkedAccount) -> dict[str, Any]:
    number, details = account.number, account.details
    if account.proven_by == "bill":
        shown: tuple[str | None, str | None] = revealed(session, number, details)
    else:
        shown = _masked(session, number, details)
    address, holder = shown
    return {
        "number": number,
        "address": address,
        "holder": holder,
        "residents": details.residents,
        "total_area": details.total_area,
        "living_area": details.living_area,
        "heated_area": details.heated_area,
        "els": details.els if account.proven_by == "bill" else None,
        "linked_at": account.linked_at,
    }
