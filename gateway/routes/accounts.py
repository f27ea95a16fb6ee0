"""«Лицевые» (S11-S18): linking accounts."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from gateway.operations import API, Call, Idempotency, Operation, Reply
from gateway.schemas import accounts as shapes
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
            body=shapes.LookUp,
            result=shapes.Preview,
        )
    )
    def look_up_account(self, call: Call) -> Any:
        return call.command(
            "accounts", "lookup", person_id=call.person_id, number=call.body["number"]
        )

    @route(
        Operation(
            method="GET",
            path=f"{API}/accounts",
            tag=TAG,
            summary="The linked accounts.",
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
            summary="«Добавить лицевой»: link an account by a fact from its last bill.",
            idempotency=Idempotency.OPTIONAL,
            body=shapes.Link,
            status=201,
            result=shapes.Linked,
        )
    )
    def link_account(self, call: Call) -> Any:
        linked = call.command(
            "accounts",
            "link",
            person_id=call.person_id,
            number=call.body["number"],
            proof=call.body["proof"],
        )
        location = f"{API}/accounts/{quote(linked['number'])}"
        data = {**linked, "message": call.notice("account_linked")}
        return Reply(data=data, headers={"Location": location})

    @route(
        Operation(
            method="DELETE",
            path=f"{API}/accounts/<account:number>",
            tag=TAG,
            summary="«Отвязать»; the last account cannot be unlinked (S18).",
            status=204,
        )
    )
    def unlink_account(self, call: Call) -> None:
        call.command(
            "accounts", "unlink", person_id=call.person_id, number=call.path["number"].strip()
        )
