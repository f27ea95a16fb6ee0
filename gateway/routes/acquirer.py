"""The acquirer's notices about orders (RBS callbacks)."""

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
    """Notices come as GET or as a form by POST, signed; payments checks the signature."""

    @route(_callback("GET"))
    def acquirer_notice_in_query(self, call: Call) -> Any:
        return _take_care(call)

    @route(_callback("POST"))
    def acquirer_notice_in_form(self, call: Call) -> Any:
        return _take_care(call)


def _take_care(call: Call) -> Any:
    return call.command(
        "payments", "acquirer_callback", deadline=ACQUIRER_WAITS, parameters=dict(call.query)
    )
