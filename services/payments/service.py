"""The RPCs of payments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.payments import callback, faster_payments, schemas, views
from services.payments.acquirers import CallbackRequest
from services.payments.checkout import Checkout
from services.payments.configured import acquirers_of, limits_of, return_url_of
from services.payments.events import Line
from shared.config import GATEWAY
from shared.rpc.server import RpcClientProvider, SettingsProvider, StoreProvider, rpc


class PaymentsService:
    """Orders over several accounts, paid on the acquirer's page."""

    name = "payments"

    store = StoreProvider()
    services = RpcClientProvider()
    settings = SettingsProvider()

    @rpc(schemas.Start, callers=(GATEWAY,))
    def start(
        self, person_id: UUID, lines: list[dict[str, Any]], acquirer: str | None
    ) -> dict[str, Any]:
        """Return {payment_id, total, redirect_url, state}; see `Checkout.start`."""
        checkout = Checkout(
            self.store,
            acquirers_of(self.settings),
            self.store.clock,
            self._find_unlinked,
            return_url_of(self.settings),
            limits_of(self.settings),
        )
        return checkout.start(person_id, [Line(**line) for line in lines], acquirer)

    @rpc(schemas.Payment, callers=(GATEWAY, "notifications"))
    def payment(self, person_id: UUID, payment_id: UUID, refresh: bool) -> dict[str, Any]:
        """Return one payment of a person; `refresh` polls the acquirer first."""
        if refresh:
            callback.refresh_own(self.store, acquirers_of(self.settings), person_id, payment_id)
        query = views.OwnPayment(person_id=person_id, payment_id=payment_id)
        return self._query(lambda session: views.own_payment(session, query))

    @rpc(schemas.FasterPayment, callers=(GATEWAY,))
    def faster_payment(self, person_id: UUID, payment_id: UUID) -> dict[str, Any]:
        """Return {payload} of the QR code of an open payment; None where there is none."""
        query = views.OwnPayment(person_id=person_id, payment_id=payment_id)
        return faster_payments.code_of(self.store, acquirers_of(self.settings), query)

    @rpc(schemas.History, callers=(GATEWAY,))
    def history(self, **query: Any) -> dict[str, Any]:
        """Return {payments, next}, the newest first; see `views.History`."""
        wanted = views.History(**query)
        return self._query(lambda session: views.history(session, wanted))

    @rpc(schemas.AcquirerCallback, callers=(GATEWAY,))
    def acquirer_callback(
        self, acquirer: str, parameters: Mapping[str, str], body: str, remote_address: str
    ) -> dict[str, Any]:
        """Return {accepted: true}; see `receive_callback`."""
        request = CallbackRequest(parameters=parameters, body=body, remote_address=remote_address)
        return callback.receive_callback(self.store, acquirers_of(self.settings), acquirer, request)

    def _query(self, handler: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.store.query(handler)
        return answer

    def _find_unlinked(self, person_id: UUID, numbers: list[str]) -> list[str]:
        answer = self.services.call("accounts", "owns", person_id=str(person_id), numbers=numbers)
        return [str(number) for number in answer["foreign"]]
