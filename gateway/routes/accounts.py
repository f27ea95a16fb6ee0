"""«Лицевые» (S11-S18): linking accounts."""

from __future__ import annotations

from typing import Any

from gateway.headers import limit_headers
from gateway.operations import API, Call, Idempotency, Link, Operation, Reply
from gateway.ownership import linked_account
from gateway.schemas import linked_accounts as shapes
from gateway.web import route

TAG = "Accounts"


class AccountRoutes:
    """Routes of the linked accounts."""

    @route(
        Operation(
            method="POST",
            path=f"{API}/accounts/lookup",
            tag=TAG,
            summary="«Проверить»: a masked preview of the contract.",
            description="Address and holder are masked, so that a number alone reveals nobody. "
            "Linking needs the control code of the last bill as well.",
            body=shapes.LookUp,
            result=shapes.Preview,
            refusals={404: ("account_not_found",), 429: ("too_many_attempts",)},
            tells_limit=True,
            links=(Link(to="link_account", body={"number": "number"}),),
        )
    )
    def look_up_account(self, call: Call) -> Any:
        preview = call.command(
            "accounts",
            "lookup",
            person_id=call.person_id,
            number=call.body["number"],
            ip=call.ip,
        )
        return Reply(data=preview, headers=limit_headers(preview.get("rate_limit")))

    @route(
        Operation(
            method="GET",
            path=f"{API}/accounts",
            tag=TAG,
            summary="The linked accounts.",
            description="The earliest linked comes first. Address and holder are null once they "
            "have been erased. `role` says what the person may do; who holds an account sees the "
            "days of that holder alone, from `since` to `until`.",
            result=shapes.Accounts,
        )
    )
    def list_accounts(self, call: Call) -> Any:
        return call.ask("accounts", "linked", person_id=call.person_id)

    @route(
        Operation(
            method="POST",
            path=f"{API}/accounts",
            tag=TAG,
            summary="«Добавить лицевой»: link an account by the control code of its last bill.",
            description="An unknown number and a wrong code are refused alike. Wrong ones are "
            "counted per person and network; a right one is not, and what others tried does not "
            "stop it. Others who have linked the same account are told by letter.",
            idempotency=Idempotency.OPTIONAL,
            body=shapes.Link,
            status=201,
            result=shapes.Linked,
            refusals={
                403: ("link_refused",),
                409: ("account_limit_reached", "already_linked"),
                429: ("too_many_attempts",),
            },
            tells_limit=True,
            location=f"{API}/accounts/{{number}}",
            links=(
                Link(to="account", parameters={"number": "number"}),
                Link(to="balance", parameters={"number": "number"}),
                Link(to="unlink_account", parameters={"number": "number"}),
            ),
        )
    )
    def link_account(self, call: Call) -> Any:
        linked = call.command(
            "accounts",
            "link",
            person_id=call.person_id,
            number=call.body["number"],
            proof=call.body["proof"],
            ip=call.ip,
        )
        data = {**linked, "message": call.notice("account_linked")}
        return Reply(data=data, headers=limit_headers(linked.get("rate_limit")))

    @route(
        Operation(
            method="GET",
            path=f"{API}/accounts/<account:number>",
            tag=TAG,
            summary="A linked account.",
            description="Somebody else's account is as absent as one that does not exist.",
            result=shapes.Account,
            refusals={404: ("account_not_linked",)},
        )
    )
    def account(self, call: Call) -> Any:
        return linked_account(call, call.path["number"])

    @route(
        Operation(
            method="DELETE",
            path=f"{API}/accounts/<account:number>",
            tag=TAG,
            summary="«Отвязать»; the last account cannot be unlinked (S18).",
            description="Nothing of the account itself changes; it can be linked again. Whom the "
            "person has invited to it loses access, too.",
            status=204,
            refusals={404: ("account_not_linked",), 409: ("last_account_stays",)},
        )
    )
    def unlink_account(self, call: Call) -> None:
        call.command(
            "accounts", "unlink", person_id=call.person_id, number=call.path["number"].strip()
        )
