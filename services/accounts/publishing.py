"""The published events of accounts; none has a holder, an address or a bill."""

from __future__ import annotations

from typing import Any

from services.accounts.cabinet import AccountLinked, AccountUnlinked
from services.accounts.domain import (
    ContractAmended,
    ContractRegistered,
    TenureClosed,
    TenureOpened,
)
from services.accounts.guessing import ProofsGuessed
from services.accounts.invitation import InvitationSent
from shared.bus import Publication
from shared.contracts.accounts import DETAILS
from shared.eventstore import Recorded


def publish(recorded: Recorded) -> Publication | None:
    """Return the public form of an event; the subject is the account number."""
    match recorded.event:
        case ContractRegistered(number=number, details=details):
            return _about(number, "contract_registered", payer_kind=details.payer_kind)
        case ContractAmended() as event:
            return _amended(event)
        case TenureOpened() as event:
            return _about(
                event.number,
                "tenure_opened",
                tenure=event.tenure,
                since=event.since.isoformat(),
                payer_kind=event.details.payer_kind,
            )
        case TenureClosed() as event:
            until = event.until.isoformat()
            return _about(event.number, "tenure_closed", tenure=event.tenure, until=until)
        case event:
            return _of_cabinet(event)


def _about(number: str, type_: str, **data: Any) -> Publication:
    return Publication(type=type_, subject=number, data={"number": number, **data})


def _amended(event: ContractAmended) -> Publication | None:
    """Return the public form; services and payee are the operator's own, and stay here."""
    changed = [name for name in event.changed if name in DETAILS]
    if not changed:
        return None
    day = {} if event.effective_on is None else {"effective_on": event.effective_on.isoformat()}
    return _about(
        event.number,
        "contract_amended",
        payer_kind=event.details.payer_kind,
        changed=changed,
        tenure=event.tenure,
        **day,
    )


def _of_cabinet(event: object) -> Publication | None:
    match event:
        case AccountLinked():
            invited = {} if event.invited_by is None else {"invited_by": str(event.invited_by)}
            return _about(
                event.number,
                "account_linked",
                person_id=str(event.person_id),
                other_person_ids=[str(other) for other in event.other_person_ids],
                tenure=event.tenure,
                role=event.role,
                **invited,
            )
        case AccountUnlinked():
            return _about(
                event.number,
                "account_unlinked",
                person_id=str(event.person_id),
                tenure=event.tenure,
                ended_by=event.ended_by,
            )
        case InvitationSent():
            return _about(
                event.number,
                "invitation_sent",
                invitation_id=str(event.invitation_id),
                tenure=event.tenure,
                role=event.role,
                invited_by=str(event.invited_by),
            )
        case ProofsGuessed():
            return _about(
                event.number,
                "proofs_guessed",
                tenure=event.tenure,
                attempts=event.attempts,
                owner_ids=[str(owner) for owner in event.owner_ids],
            )
    return None
