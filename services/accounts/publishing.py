"""The published events of accounts; none has a holder, an address or a bill."""

from __future__ import annotations

from services.accounts.domain import (
    AccountLinked,
    AccountUnlinked,
    ContractAmended,
    ContractRegistered,
)
from shared.bus import Publication
from shared.eventstore import Recorded


def publish(recorded: Recorded) -> Publication | None:
    """Return the public form of an event; the subject is the account number."""
    match recorded.event:
        case ContractRegistered() as event:
            return Publication(
                type="contract_registered",
                subject=event.number,
                data={"number": event.number, "payer_kind": event.details.payer_kind},
            )
        case ContractAmended() as event:
            return Publication(
                type="contract_amended",
                subject=event.number,
                data={
                    "number": event.number,
                    "payer_kind": event.details.payer_kind,
                    "changed": list(event.changed),
                    **_effective(event),
                },
            )
        case AccountLinked() as event:
            return Publication(
                type="account_linked",
                subject=event.number,
                data={
                    "number": event.number,
                    "person_id": str(event.person_id),
                    "other_person_ids": [str(other) for other in event.other_person_ids],
                },
            )
        case AccountUnlinked() as event:
            return Publication(
                type="account_unlinked",
                subject=event.number,
                data={"number": event.number, "person_id": str(event.person_id)},
            )
    return None


def _effective(event: ContractAmended) -> dict[str, str]:
    return {} if event.effective_on is None else {"effective_on": event.effective_on.isoformat()}
