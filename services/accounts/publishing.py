"""The published events of accounts; none has a holder, an address or a bill."""

from __future__ import annotations

from typing import Any

from services.accounts.domain import (
    AccountLinked,
    AccountUnlinked,
    ContractAmended,
    ContractRegistered,
    TenureClosed,
    TenureOpened,
)
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
            return _about(
                event.number,
                "account_linked",
                person_id=str(event.person_id),
                other_person_ids=[str(other) for other in event.other_person_ids],
            )
        case AccountUnlinked():
            return _about(event.number, "account_unlinked", person_id=str(event.person_id))
    return None
