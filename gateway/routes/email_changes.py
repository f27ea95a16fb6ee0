"""Changing the e-mail address of a cabinet."""

from __future__ import annotations

from typing import Any

from gateway.operations import API, Access, Call, Idempotency, Link, Operation
from gateway.schemas import email_changes as shapes
from gateway.schemas.base import Notice
from gateway.web import route

TAG = "E-mail change"
PATH = f"{API}/me/email-change"


class EmailChangeRoutes:
    """Routes of another address: requested, then confirmed by the links of two letters."""

    @route(
        Operation(
            method="GET",
            path=PATH,
            tag=TAG,
            summary="The change of address that is under way, if there is one.",
            description="`pending` is null where there is none.",
            result=shapes.EmailChange,
            refusals={404: ("person_not_found",)},
        )
    )
    def pending_email_change(self, call: Call) -> Any:
        return call.ask("identity", "pending_email_change", person_id=call.person_id)

    @route(
        Operation(
            method="POST",
            path=PATH,
            tag=TAG,
            summary="Start a change of address; a link is sent to both mailboxes.",
            description="The address changes once both have confirmed, within a day. With `number` "
            "and `proof` of an account of one's own the old mailbox need not confirm: the change "
            "waits three days in which it can refuse. A change under way is replaced. The "
            "response is the same for an address that is somebody else's.",
            body=shapes.RequestEmailChange,
            status=202,
            result=shapes.EmailChangeRequested,
            refusals={
                401: ("session_expired",),
                403: ("reauthentication_required",),
                404: ("person_not_found",),
                409: ("email_change_of_staff",),
                422: (
                    "email_invalid",
                    "email_unchanged",
                    "proof_refused",
                    "wrong_current_password",
                ),
                429: ("too_many_attempts",),
            },
            links=(Link(to="confirm_email_change"),),
        )
    )
    def request_email_change(self, call: Call) -> Any:
        started = call.command(
            "identity",
            "request_email_change",
            person_id=call.person_id,
            session_id=call.signed_in.session_id,
            email=call.body["email"],
            current_password=call.body["current_password"],
            number=call.body.get("number"),
            proof=call.body.get("proof"),
            ip=call.ip,
        )
        delayed = "_with_delay" if started["due_at"] else ""
        return {**started, "message": call.notice(f"email_change_requested{delayed}")}

    @route(
        Operation(
            method="DELETE",
            path=PATH,
            tag=TAG,
            summary="Cancel the change of address that is under way.",
            description="Its links are void. Without one there is nothing to do, and it succeeds. "
            "One that staff began is refused by the old mailbox alone.",
            result=Notice,
            refusals={409: ("email_change_of_staff",)},
        )
    )
    def cancel_email_change(self, call: Call) -> Any:
        call.command("identity", "cancel_email_change", person_id=call.person_id)
        return {"message": call.notice("email_change_cancelled")}

    @route(
        Operation(
            method="POST",
            path=f"{API}/email-changes/confirm",
            tag=TAG,
            summary="Confirm a change of address with the token of a link.",
            description="Each mailbox has a link of its own, which serves once. When the address "
            "changes, the sessions on other devices end.",
            access=Access.PUBLIC,
            idempotency=Idempotency.OPTIONAL,
            body=shapes.FollowEmailLink,
            result=shapes.EmailChangeConfirmed,
            refusals={
                404: ("email_link_not_found", "person_not_found"),
                409: ("email_taken",),
                429: ("too_many_attempts",),
            },
        )
    )
    def confirm_email_change(self, call: Call) -> Any:
        confirmed = call.command(
            "identity", "confirm_email_change", token=call.body["token"], ip=call.ip
        )
        return {**confirmed, "message": call.notice(f"email_change_{confirmed['status']}")}

    @route(
        Operation(
            method="POST",
            path=f"{API}/email-changes/refuse",
            tag=TAG,
            summary="Refuse a change of address with the token of a link.",
            description="When the old mailbox refuses, all sessions of the person end: whoever "
            "asked for the change knows the password.",
            access=Access.PUBLIC,
            idempotency=Idempotency.OPTIONAL,
            body=shapes.FollowEmailLink,
            result=Notice,
            refusals={404: ("email_link_not_found",), 429: ("too_many_attempts",)},
        )
    )
    def refuse_email_change(self, call: Call) -> Any:
        call.command("identity", "refuse_email_change", token=call.body["token"], ip=call.ip)
        return {"message": call.notice("email_change_refused")}
