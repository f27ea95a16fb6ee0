"""«Лицевые» (S11-S18): linking accounts."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from gateway.operations import API, Answer, Call, Idempotency, Operation
from gateway.schemas import accounts as shapes
from gateway.web import route

TAG = "Accounts"


class AccountRoutes:
    """The accounts of the cabinet."""

    @route(
        Operation(
            method="POST",
            path=f"{API}/accounts/lookup",
            tag=TAG,
            summary="«Проверить»: a masked preview of the contract.",
            body=shapes.LookUp,
            answer=shapes.Preview,
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
            answer=shapes.Accounts,
        )
    )
    def list_accounts(self, call: Call) -> Any:
        return call.ask("accounts", "linked", person_id=call.person_id)

    @route(
        Operation(
            method="POST",
            path=f"{API}/accounts",
            tag=TAG,
            summary="«Добавить лицевой»: link an account with a fact of its last bill.",
            idempotency=Idempotency.OPTIONAL,
            body=shapes.Link,
            status=201,
            answer=shapes.Linked,
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
        data = {**linked, "message": call.told("account_linked")}
        return Answer(data=data, headers={"Location": location})

    @route(
        Operation(
            method="DELETE",
            path=f"{API}/accounts/<number>",
            tag=TAG,
            summary="«Отвязать»; one account always stays (S18).",
            status=204,
        )
    )
    def unlink_account(self, call: Call) -> None:
        call.command(
            "accounts", "unlink", person_id=call.person_id, number=call.path["number"].strip()
        )
