"""The acquirer's callbacks: passed on to payments as they come."""

from __future__ import annotations

from typing import Any

from gateway.operations import ACQUIRER_WAITS, API, Access, Call, Operation
from gateway.schemas.payments import CallbackAccepted
from gateway.web import route


def _callback(method: str) -> Operation:
    return Operation(
        method=method,
        path=f"{API}/acquirer/callback",
        tag="Acquirer",
        summary="The acquirer's notice; 200 only after it has been taken care of.",
        access=Access.PUBLIC,
        answer=CallbackAccepted,
        free_parameters=True,
    )


class AcquirerRoutes:
    """A callback is a GET or a form by POST; payments reads its parameters and its signature."""

    @route(_callback("GET"))
    def acquirer_notice_in_query(self, call: Call) -> Any:
        return _pass_on(call)

    @route(_callback("POST"))
    def acquirer_notice_in_form(self, call: Call) -> Any:
        return _pass_on(call)


def _pass_on(call: Call) -> Any:
    return call.command(
        "payments", "acquirer_callback", deadline=ACQUIRER_WAITS, parameters=dict(call.query)
    )
