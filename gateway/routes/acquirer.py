"""The acquirers' callbacks, passed on to payments unchanged."""

from __future__ import annotations

from typing import Any

from gateway.operations import ACQUIRER_TIMEOUT, API, Access, Call, Operation
from gateway.schemas.payments import CallbackAccepted
from gateway.web import route


def _callback(method: str, path: str, whose: str) -> Operation:
    return Operation(
        method=method,
        path=f"{API}/acquirer{path}/callback",
        tag="Acquirer",
        summary=f"The callback of {whose}; 200 once it has been processed.",
        description="For the acquirer alone: it signs its parameters, or calls from a network of "
        "its own. Whatever they say, the payment is decided by what the acquirer reports when it "
        "is asked.",
        access=Access.PUBLIC,
        result=CallbackAccepted,
        free_parameters=True,
        refusals={
            403: ("callback_forged",),
            404: ("acquirer_not_found",),
            503: ("acquirer_unavailable",),
        },
    )


class AcquirerRoutes:
    """A callback is a GET, a form or JSON by POST; payments reads it and knows whether it is one.

    Those without a name are of the first acquirer.
    """

    @route(_callback("GET", "", "the first acquirer"))
    def acquirer_callback_by_query(self, call: Call) -> Any:
        return _pass_on(call, "")

    @route(_callback("POST", "", "the first acquirer"))
    def acquirer_callback_by_form(self, call: Call) -> Any:
        return _pass_on(call, "")

    @route(_callback("GET", "/<acquirer:name>", "an acquirer"))
    def named_acquirer_callback_by_query(self, call: Call) -> Any:
        return _pass_on(call, call.path["name"])

    @route(_callback("POST", "/<acquirer:name>", "an acquirer"))
    def named_acquirer_callback_by_form(self, call: Call) -> Any:
        return _pass_on(call, call.path["name"])


def _pass_on(call: Call, acquirer: str) -> Any:
    return call.command(
        "payments",
        "acquirer_callback",
        deadline=ACQUIRER_TIMEOUT,
        acquirer=acquirer,
        parameters=dict(call.query),
        body=call.text,
        remote_address=call.ip,
    )
