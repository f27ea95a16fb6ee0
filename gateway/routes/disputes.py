"""Disputed lines of bills, as everybody sees them who may read the account."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.operations import API, Call, Operation
from gateway.ownership import linked_accounts, numbered, of_own_account
from gateway.schemas import disputes as shapes
from gateway.web import route

TAG = "Charges"


class DisputeRoutes:
    """Routes of disputed lines; a line is disputed by a question (`POST /questions`)."""

    @route(
        Operation(
            method="GET",
            path=f"{API}/disputes",
            tag=TAG,
            summary="Lines of bills that somebody does not agree with, and what became of them.",
            description="Of all linked accounts, or of one. Everybody who may read an account sees "
            "its disputed lines of his own time as its holder; the question itself is the asker's.",
            query=shapes.DisputesQuery,
            result=shapes.Disputes,
            refusals={404: ("account_not_linked",)},
        )
    )
    def disputes(self, call: Call) -> Any:
        wanted = call.query["account"]
        if wanted is not None:
            return of_own_account(call, wanted, lambda key: _of_keys(call, [key]))
        keys = [account["account"] for account in linked_accounts(call)]
        return numbered(_of_keys(call, keys)) if keys else {"disputes": []}


def _of_keys(call: Call, keys: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = call.ask(
        "helpdesk", "disputes", person_id=call.person_id, accounts=list(keys)
    )
    return found
