"""What is held about a person: all of it to read, and to have erased."""

from __future__ import annotations

from typing import Any

from gateway.operations import API, Call, Idempotency, Operation
from gateway.schemas import personal_data as shapes
from gateway.schemas.base import Notice
from gateway.web import route

TAG = "Me"
HELD_SECONDS = 20.0
"""Every service is asked for all that it holds."""


class PersonalDataRoutes:
    """Routes of the signed-in person about his own data."""

    @route(
        Operation(
            method="GET",
            path=f"{API}/me/data",
            tag=TAG,
            summary="All that is held about the person.",
            description="A copy, to keep or to take elsewhere. It is whole, or refused: while a "
            "service does not answer, try again.",
            result=shapes.HeldData,
            refusals={404: ("person_not_found",)},
        )
    )
    def held_data(self, call: Call) -> Any:
        held = call.ask("identity", "held_about", deadline=HELD_SECONDS, person_id=call.person_id)
        return {"person_id": call.person_id, "held": held}

    @route(
        Operation(
            method="POST",
            path=f"{API}/me/erasure",
            tag=TAG,
            summary="Withdraw the consent: the cabinet is erased for good.",
            description="E-mail, name, telephone, password, sessions, questions and waiting "
            "letters go, and accounts are unlinked; what is owed on them does not change. Records "
            "of payments stay without a name, as the law on accounting requires. The same e-mail "
            "may register again.",
            idempotency=Idempotency.OPTIONAL,
            body=shapes.Erase,
            result=Notice,
            refusals={
                401: ("session_expired",),
                403: ("reauthentication_required",),
                404: ("person_not_found",),
                422: ("wrong_current_password",),
                429: ("too_many_attempts",),
            },
        )
    )
    def erase_me(self, call: Call) -> Any:
        call.command(
            "identity",
            "withdraw_consent",
            person_id=call.person_id,
            session_id=call.signed_in.session_id,
            password=call.body["current_password"],
        )
        return {"message": call.notice("person_erased")}
