"""What is read of accounts: who may what, a person's accounts, and what is revealed of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal
from uuid import UUID

from services.accounts.cabinet import Link, has_proven
from services.accounts.domain import ContractDetails, tenure_id
from services.accounts.preview import house_of, mask_address, mask_holder
from services.accounts.tenures import Tenure
from shared.account_key import key_of, number_of, tenure_of
from shared.account_spelling import clean_els, clean_number
from shared.eventstore import Session

Need = Literal["read", "pay", "own"]


def resolve(session: Session, typed: str) -> str | None:
    """Return the number that a person typed, in any spelling or as an ЕЛС; None for none."""
    number = clean_number(typed)
    if number is not None:
        return number
    els = clean_els(typed)
    found: str | None = session.read.tenures.number_of_els(els) if els else None
    return found


def linked_accounts(session: Session, person_id: UUID) -> list[dict[str, Any]]:
    """Return a person's accounts, the earliest linked first.

    Whoever proved ownership, and who was let in by him, sees holder and address in full (None:
    erased); whoever knew the number alone, and his guests, see them masked.
    """
    return _all_linked(session, session.read.links.of_person(person_id))


def every_linked_tenure(session: Session, person_id: UUID) -> list[dict[str, Any]]:
    """Return what `linked_accounts` does, and former tenures of a number beside the newest."""
    return _all_linked(session, session.read.links.every_of_person(person_id))


def _all_linked(session: Session, links: Sequence[Link]) -> list[dict[str, Any]]:
    tenures = _tenures(session, links)
    session.vault.fetch_keys([tenure_id(link.number, link.tenure) for link in links])
    invited = [(link.number, link.tenure) for link in links if link.invited_by is not None]
    beside = session.read.links.of_tenures(invited) if invited else {}
    linked = []
    for link in links:
        key = (link.number, link.tenure)
        hides = _hides(link, beside.get(key, ()))
        linked.append(_linked(session, link, tenures[key], hides=hides))
    return linked


def ownership(
    session: Session, person_id: UUID, typed: Sequence[str], need: Need = "read"
) -> dict[str, Any]:
    """Divide numbers into those of a person and all others, and return the access to each.

    ``owned`` are those where the access is enough for what is needed; ``access`` has all that the
    person may read. Numbers are returned as they were typed.
    """
    numbers = {text: resolve(session, text) for text in typed}
    known = [number for number in numbers.values() if number is not None]
    links = session.read.links.of_person(person_id, known) if known else []
    tenures = _tenures(session, links)
    by_number = {link.number: (link, tenures[link.number, link.tenure]) for link in links}
    held = {text: by_number[number] for text, number in numbers.items() if number in by_number}
    return _divided(typed, held, need)


def ownerships(session: Session, asked: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what `ownership` does for each of many questions: two queries for all."""
    typed = [{text: resolve(session, text) for text in one["numbers"]} for one in asked]
    held = [
        (one["person_id"], number)
        for one, numbers in zip(asked, typed, strict=True)
        for number in numbers.values()
        if number is not None
    ]
    links = session.read.links.of_persons(held) if held else {}
    tenures = _tenures(session, list(links.values()))
    found = {key: (link, tenures[link.number, link.tenure]) for key, link in links.items()}
    return [
        _divided(
            one["numbers"],
            {
                text: found[one["person_id"], number]
                for text, number in numbers.items()
                if number is not None and (one["person_id"], number) in found
            },
            one["need"],
        )
        for one, numbers in zip(asked, typed, strict=True)
    ]


def _divided(
    typed: Sequence[str], held: Mapping[str, tuple[Link, Tenure]], need: Need
) -> dict[str, Any]:
    owned = [text for text in typed if text in held and suffices(*held[text], need)]
    return {
        "owned": owned,
        "foreign": [text for text in typed if text not in owned],
        "access": {text: access_of(*found) for text, found in held.items()},
    }


def readers(session: Session, keys: Sequence[str]) -> dict[str, Any]:
    """Return ``{readers: {account: [person_id]}}`` of the open accounts among these keys.

    Those who may read an account now, whatever their role; a former holder is none of them.
    """
    found: dict[str, list[UUID]] = session.read.links.readers(keys)
    return {"readers": {key: [str(person) for person in who] for key, who in found.items()}}


def control_code(session: Session, person_id: UUID, typed: str) -> dict[str, Any]:
    """Return the control code of an account's last bill for its owner; None for anybody else.

    It proves ownership, so neither guests, nor a former holder, nor whoever knew the number alone
    get it.
    """
    number = resolve(session, typed)
    links = session.read.links.of_person(person_id, [number]) if number else []
    kept = session.read.proofs.sealed_code(number) if links else None
    if kept is None:
        return {"control_code": None}
    tenure, sealed = kept
    if not any(link.tenure == tenure and has_proven(link) for link in links):
        return {"control_code": None}
    subject = tenure_id(links[0].number, tenure)
    return {"control_code": session.vault.reveal(subject, sealed, "control_code")}


def access_of(link: Link, tenure: Tenure) -> dict[str, Any]:
    """Return an access: the account's key, the role, and the days and state of the tenure."""
    return {
        "number": link.number,
        "account": key_of(link.number, link.tenure),
        "role": link.role,
        "since": iso(tenure.since),
        "until": iso(tenure.until),
        "state": tenure.state,
    }


def suffices(link: Link, tenure: Tenure, need: Need) -> bool:
    """Whether an access is enough to read, to pay, or to share the account."""
    if need == "pay":
        return link.role != "viewer" and tenure.state == "open"
    return need == "read" or has_proven(link)


def revealed(
    session: Session, number: str, tenure: int, details: ContractDetails
) -> tuple[str | None, str | None]:
    """Return address and holder in clear; None for what has been erased."""
    subject = tenure_id(number, tenure)
    return (
        session.vault.reveal(subject, details.address, "address"),
        session.vault.reveal(subject, details.holder, "holder"),
    )


def masked(session: Session, tenure: Tenure) -> tuple[str, str]:
    """Return address and holder masked; erased data looks like data that cannot be shown."""
    address, holder = revealed(session, tenure.number, tenure.tenure, tenure.details)
    return mask_address(address or ""), mask_holder(holder or "", tenure.details.payer_kind)


def house_of_account(session: Session, key: str) -> str | None:
    """Return where an account is, without the flat; None for one that is erased, or not known."""
    number, ordinal = number_of(key), tenure_of(key)
    tenure: Tenure | None = session.read.tenures.of([(number, ordinal)]).get((number, ordinal))
    if tenure is None:
        return None
    address, _ = revealed(session, number, ordinal, tenure.details)
    return house_of(address or "") or None


def iso(day: date | None) -> str | None:
    """Return a day as text; None stays."""
    return None if day is None else day.isoformat()


def _tenures(session: Session, links: Sequence[Link]) -> dict[tuple[str, int], Tenure]:
    found: dict[tuple[str, int], Tenure] = session.read.tenures.of(
        [(link.number, link.tenure) for link in links]
    )
    return found


def _hides(link: Link, beside: Sequence[Link]) -> bool:
    """Whether a link rests on the number alone: the person's own, or that of who invited him.

    ``beside`` are the links to the same tenure.
    """
    if link.invited_by is None:
        return link.proven_by == "number"
    return not any(has_proven(other) for other in beside if other.person_id == link.invited_by)


def _linked(session: Session, link: Link, tenure: Tenure, *, hides: bool) -> dict[str, Any]:
    details = tenure.details
    if hides:
        shown: tuple[str | None, str | None] = masked(session, tenure)
    else:
        shown = revealed(session, link.number, link.tenure, details)
    address, holder = shown
    return {
        **access_of(link, tenure),
        "address": address,
        "holder": holder,
        "residents": details.residents,
        "total_area": details.total_area,
        "living_area": details.living_area,
        "heated_area": details.heated_area,
        "els": None if hides else details.els,
        "services": list(details.services),
        "payee": details.payee,
        "linked_at": link.linked_at,
    }
