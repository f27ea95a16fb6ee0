"""The acquirer's callbacks, passed on to payments unchanged."""

from __future__ import annotations

from typing import Any

from gateway.operations import ACQUIRER_TIMEOUT, API, Access, Call, Operation
from gateway.schemas.payments import CallbackAccepted
from gateway.web import route


def _callback(method: str) -> Operation:
    return Operation(
        method=method,
        path=f"{API}/acquirer/callback",
        tag="Acquirer",
        summary="The acquirer's callback; 200 once it has been processed.",
        description="For the acquirer alone: it signs its parameters. Whatever they say, the "
        "payment is decided by what the acquirer reports when it is asked.",
        access=Access.PUBLIC,
        result=CallbackAccepted,
        free_parameters=True,
        refusals={403: ("callback_forged",), 503: ("acquirer_unavailable",)},
    )


class AcquirerRoutes:
    """A callback is a GET or a form by POST; payments reads its parameters and its signature."""

    @route(_callback("GET"))
    def acquirer_callback_by_query(self, call: Call) -> Any:
        return _pass_on(call)

    @route(_callback("POST"))
    def acquirer_callback_by_form(self, call: Call) -> Any:
        return _pass_on(call)


def _pass_on(call: Call) -> Any:
    return call.command(
        "payments", "acquirer_callback", deadline=ACQUIRER_TIMEOUT, parameters=dict(call.query)
    )
