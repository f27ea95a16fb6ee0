"""The RPCs of payments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.payments import application, callback, schemas
from services.payments.acquirer import RbsAcquirer
from services.payments.checkout import Checkout
from services.payments.domain import Line
from shared.rpc.server import RpcClientProvider, SettingsProvider, StoreProvider, rpc


class PaymentsService:
    """Orders over several accounts, paid on the acquirer's page."""

    name = "payments"

    store = StoreProvider()
    services = RpcClientProvider()
    settings = SettingsProvider()

    @rpc(schemas.Start)
    def start(self, person_id: UUID, lines: list[dict[str, Any]]) -> dict[str, Any]:
        """{payment_id, total, redirect_url, state}; see `Checkout.start`."""
        checkout = Checkout(
            self.store,
            RbsAcquirer(self.settings),
            self.store.clock,
            self._foreign_accounts,
            f"{self.settings.url.rstrip('/')}/payments/{{payment_id}}",
        )
        return checkout.start(person_id, [Line(**line) for line in lines])

    @rpc(schemas.Payment)
    def payment(self, person_id: UUID, payment_id: UUID, refresh: bool) -> dict[str, Any]:
        """One payment of one's own; `refresh` asks the acquirer first."""
        if refresh:
            callback.refresh_own(self.store, RbsAcquirer(self.settings), person_id, payment_id)
        query = application.OwnPayment(person_id=person_id, payment_id=payment_id)
        return self._query(lambda session: application.own_payment(session, query))

    @rpc(schemas.History)
    def history(self, person_id: UUID, before: str | None, limit: int) -> dict[str, Any]:
        """{payments, next}, the newest first."""
        query = application.History(person_id=person_id, before=before, limit=limit)
        return self._query(lambda session: application.history(session, query))

    @rpc(schemas.AcquirerCallback)
    def acquirer_callback(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        """{accepted: true}; Forbidden for a forged one, Unavailable to be called back again."""
        return callback.receive_callback(
            self.store, RbsAcquirer(self.settings), self.settings.acquirer_secret, parameters
        )

    def _query(self, handler: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.store.query(handler)
        return answer

    def _foreign_accounts(self, person_id: UUID, numbers: list[str]) -> list[str]:
        answer = self.services.call("accounts", "owns", person_id=str(person_id), numbers=numbers)
        return [str(number) for number in answer["foreign"]]
