"""Events that a restore or a failover took from the log of accounts.

An access that had ended is ended again at once. One that was given is given again: the person has
proven it, or an owner has invited him. Contracts come again with their file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from services.accounts.cabinet import Cabinet, NewLink, cabinet_id
from shared.account_key import FIRST
from shared.bus import Services
from shared.errors import Conflict
from shared.eventstore import Session
from shared.eventstore.lost_events import Advice, Fate, Judged, LostEvent
from shared.logs import get_logger

log = get_logger(__name__)

_OF_FILES: Final = frozenset(
    {"contract_registered", "contract_amended", "tenure_opened", "tenure_closed"}
)
_CONTRACTS: Final = Advice("Import the file of contracts again: saldo accounts import FILE")
_NO_CONTRACT: Final = Advice(
    "Import the contract of {number}; then person {person_id} links it again."
)
_INVITATION: Final = Advice(
    "The owner of account {number} invites again: the letter of the invitation {invitation_id} "
    "opens nothing."
)
_REFUSED: Final = Advice("Person {person_id} links the account again, if he may.")
_UNPUBLISHED: Final = (
    _CONTRACTS,
    Advice("Owners withdraw again the invitations that they had withdrawn: these may be open."),
)


class EndAccess(msgspec.Struct, frozen=True, kw_only=True):
    """End the access of a person again."""

    person_id: UUID
    number: str
    tenure: int
    by: str


class GiveAccess(msgspec.Struct, frozen=True, kw_only=True):
    """Give a person an access again."""

    person_id: UUID
    link: NewLink


def judge(session: Session, lost: Sequence[LostEvent]) -> list[Judged]:
    """Return what is to become of lost events."""
    ended = {_access(event.data): event for event in lost if event.type == "account_unlinked"}
    return [_judged(session, event, ended) for event in lost]


def _judged(
    session: Session, event: LostEvent, ended: Mapping[tuple[str, str, int], LostEvent]
) -> Judged:
    if event.type == "account_unlinked":
        return Judged(event=event, fate=Fate.BROUGHT_BACK)
    if event.type == "account_linked":
        later = ended.get(_access(event.data))
        over = later is not None and later.position > event.position
        person_id, number, tenure = _access(event.data)
        cabinet = session.load(Cabinet, cabinet_id(UUID(person_id)))
        known = over or (number, tenure) in cabinet.links
        if not known and not session.read.tenures.of([(number, tenure)]):
            return Judged(event=event, fate=Fate.STAFF, advice=_NO_CONTRACT.about(event.data))
        return Judged(event=event, fate=Fate.NOTHING if known else Fate.BROUGHT_BACK)
    if event.type in _OF_FILES:
        return Judged(event=event, fate=Fate.STAFF, advice=_CONTRACTS)
    if event.type == "invitation_sent":
        return Judged(event=event, fate=Fate.STAFF, advice=_INVITATION.about(event.data))
    return Judged(event=event, fate=Fate.NOTHING)


def bring_back(services: Services, lost: Sequence[LostEvent]) -> Iterator[Judged]:
    """Give the accesses again that are lost; yield what has become of each event."""
    for one in services.store.query(lambda session: judge(session, lost)):
        if one.event.type != "account_linked" or one.fate is not Fate.BROUGHT_BACK:
            yield one
            continue
        try:
            services.store.transact(give_access, _given(one.event.data))
        except Conflict as error:
            log.warning("access_not_given_again", code=error.code)
            yield Judged(event=one.event, fate=Fate.STAFF, advice=_REFUSED.about(one.event.data))
        else:
            yield one


def protect(services: Services, lost: Sequence[LostEvent], *, whole: bool) -> None:
    """End accesses again that had ended, before anybody uses them."""
    for event in lost:
        if event.type == "account_unlinked":
            person_id, number, tenure = _access(event.data)
            command = EndAccess(
                person_id=UUID(person_id),
                number=number,
                tenure=tenure,
                by=event.data.get("ended_by", "person"),
            )
            services.store.transact(end_access, command)


def end_access(session: Session, command: EndAccess) -> None:
    """End an access; does nothing where there is none."""
    session.read.links.lock_cabinet(command.person_id)
    session.read.links.lock_account(command.number)
    cabinet = session.load(Cabinet, cabinet_id(command.person_id))
    by: Any = command.by
    cabinet.end(command.person_id, command.number, command.tenure, by)


def give_access(session: Session, command: GiveAccess) -> None:
    """Give an access; raises Conflict as `Cabinet.take_in` does."""
    session.read.links.lock_cabinet(command.person_id)
    session.read.links.lock_account(command.link.number)
    session.load(Cabinet, cabinet_id(command.person_id)).take_in(command.person_id, command.link)


def _access(data: Mapping[str, Any]) -> tuple[str, str, int]:
    return data["person_id"], data["number"], data.get("tenure", FIRST)


def _given(data: Mapping[str, Any]) -> GiveAccess:
    invited_by = data.get("invited_by")
    # How it was proven is not published: it counts as the weakest proof.
    proven: Any = "invitation" if invited_by else "number"
    return GiveAccess(
        person_id=UUID(data["person_id"]),
        link=NewLink(
            number=data["number"],
            tenure=data.get("tenure", FIRST),
            role=data.get("role", "owner"),
            proven_by=proven,
            other_person_ids=tuple(map(UUID, data["other_person_ids"])),
            invited_by=UUID(invited_by) if invited_by else None,
        ),
    )


def unpublished() -> Sequence[Advice]:
    """Return what staff do about lost events that were never published."""
    return _UNPUBLISHED
