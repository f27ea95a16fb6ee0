"""Who sees an account: the list, invitations, and their end."""

from __future__ import annotations

from typing import Any

from gateway.operations import API, Access, Call, Idempotency, Link, Operation
from gateway.problems import Refusal
from gateway.schemas import access as shapes
from gateway.web import route
from shared.account_spelling import clean_number

TAG = "Access"


class AccessRoutes:
    """Routes of access to accounts."""

    @route(
        Operation(
            method="GET",
            path=f"{API}/accounts/<account:number>/access",
            tag=TAG,
            summary="«Кто видит этот счёт»: everybody who has access to a linked account.",
            description="Names and e-mails are masked. Owners see open invitations, too.",
            result=shapes.AccessList,
            refusals={404: ("account_not_linked",)},
        )
    )
    def access_list(self, call: Call) -> Any:
        found = call.ask("accounts", "access_list", person_id=call.person_id, number=_number(call))
        person_ids = [one["person_id"] for one in found["access"]]
        names = call.ask("identity", "names", person_ids=person_ids)["names"]
        nobody = {"name": None, "email": None}
        access = [{**one, **names.get(one["person_id"], nobody)} for one in found["access"]]
        return {**found, "access": access}

    @route(
        Operation(
            method="POST",
            path=f"{API}/accounts/<account:number>/invitations",
            tag=TAG,
            summary="Invite somebody to an account by e-mail.",
            description="The letter has a link that works once, for a week. A viewer reads, a "
            "payer pays, too; neither can invite others. Only an owner invites.",
            idempotency=Idempotency.OPTIONAL,
            body=shapes.Invite,
            status=202,
            result=shapes.Invited,
            refusals={
                403: ("owner_only",),
                404: ("account_not_linked",),
                409: ("account_closed", "already_invited", "invitation_limit_reached"),
                422: ("email_invalid",),
                429: ("too_many_attempts",),
            },
            links=(
                Link(
                    to="withdraw_access",
                    parameters={"number": "number", "access_id": "access_id"},
                ),
            ),
        )
    )
    def invite(self, call: Call) -> Any:
        invited = call.command(
            "accounts",
            "invite",
            person_id=call.person_id,
            number=_number(call),
            email=call.body["email"],
            role=call.body["role"],
        )
        return {**invited, "message": call.notice("invitation_sent")}

    @route(
        Operation(
            method="DELETE",
            path=f"{API}/accounts/<account:number>/access/<uuid:access_id>",
            tag=TAG,
            summary="End an access that an owner gave, or an open invitation.",
            description="Whoever loses the access is told by letter. Another owner has proven the "
            "account, and stays.",
            status=204,
            refusals={
                403: ("owner_only",),
                404: ("access_not_found", "account_not_linked"),
            },
        )
    )
    def withdraw_access(self, call: Call) -> None:
        call.command(
            "accounts",
            "withdraw",
            person_id=call.person_id,
            number=_number(call),
            access_id=str(call.path["access_id"]),
        )

    @route(
        Operation(
            method="POST",
            path=f"{API}/invitations/preview",
            tag=TAG,
            summary="What an invitation gives, before it is accepted.",
            description="The token is the last part of the letter's link; looking does not use it "
            "up.",
            access=Access.PUBLIC,
            body=shapes.InvitationToken,
            result=shapes.InvitationPreview,
            refusals={404: ("invitation_not_found",), 409: ("invitation_ended",)},
        )
    )
    def preview_invitation(self, call: Call) -> Any:
        return call.ask("accounts", "invitation", token=call.body["token"])

    @route(
        Operation(
            method="POST",
            path=f"{API}/invitations/accept",
            tag=TAG,
            summary="Accept an invitation: the account enters the cabinet.",
            description="It counts among the accounts of the cabinet. The link works once.",
            idempotency=Idempotency.OPTIONAL,
            body=shapes.InvitationToken,
            status=201,
            result=shapes.InvitationAccepted,
            refusals={
                404: ("invitation_not_found",),
                409: ("account_limit_reached", "already_linked", "invitation_ended"),
            },
            location=f"{API}/accounts/{{number}}",
            links=(
                Link(to="account", parameters={"number": "number"}),
                Link(to="access_list", parameters={"number": "number"}),
            ),
        )
    )
    def accept_invitation(self, call: Call) -> Any:
        accepted = call.command(
            "accounts", "accept_invitation", person_id=call.person_id, token=call.body["token"]
        )
        return {**accepted, "message": call.notice("invitation_accepted")}


def _number(call: Call) -> str:
    """Return the account of the path. Raises Refusal 404 for what can be none."""
    number = clean_number(call.path["number"])
    if number is None:
        raise Refusal(404, "account_not_linked")
    return number
