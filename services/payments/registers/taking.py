"""The worker's job: received payments are accepted for the ledger, or wait in suspense."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.payments.registers.receiving import TakePayments, cover_transfers, take_payments
from shared import context
from shared.bus import Services
from shared.errors import Unavailable
from shared.logs import get_logger

log = get_logger(__name__)

_BATCH: Final = 200


def take_bank_payments(services: Services) -> int:
    """Ask the ledger which accounts it knows, and decide; return how many were decided."""
    with context.bind(actor="service:payments", command_id=None, correlation_id=""):
        due = services.store.look(lambda session: session.read.registers.to_take(_BATCH))
        if due:
            try:
                services.store.transact(take_payments, _decided(services, due))
            except Unavailable as error:
                log.warning("bank_payments_wait", payments=len(due), error=error.code)
                return 0
        covered = services.store.transact(cover_transfers, None)
    return len(due) + covered


def _decided(services: Services, due: Sequence[Mapping[str, Any]]) -> TakePayments:
    numbers = sorted({row["account"] for row in due})
    documented = [row for row in due if row["document"]]
    documents = [
        {
            "account": row["account"],
            "paid_on": row["paid_on"].isoformat(),
            "document": row["document"],
        }
        for row in documented
    ]
    known = services.call("ledger", "known_accounts", numbers=numbers)["known"]
    entered = services.call("ledger", "entered_documents", documents=documents)["entered"]
    return TakePayments(
        payment_ids=tuple(row["payment_id"] for row in due),
        known=frozenset(known),
        entered=frozenset(documented[place]["payment_id"] for place in entered),
    )
