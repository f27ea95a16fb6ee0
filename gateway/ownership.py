"""Ownership of accounts: an account of somebody else is as absent as one that does not exist."""

from __future__ import annotations

import re
from typing import Any

from gateway.operations import Call
from gateway.problems import Refusal

_NUMBER = re.compile(r"[0-9]{1,20}")


def own_account(call: Call, number: str) -> str:
    """Return the account number, stripped, if the account is linked to the person.

    Raises Refusal 404 ``account_not_linked``, the same for somebody else's account and for one
    that does not exist.
    """
    number = number.strip()
    if not _NUMBER.fullmatch(number):
        raise Refusal(404, "account_not_linked")
    ownership = call.ask("accounts", "owns", person_id=call.person_id, numbers=[number])
    if number not in ownership["owned"]:
        raise Refusal(404, "account_not_linked")
    return number


def linked_account(call: Call, number: str) -> dict[str, Any]:
    """Return a linked account with its contract, as `list_accounts` has it.

    Raises Refusal 404 ``account_not_linked`` like :func:`own_account`.
    """
    linked = call.ask("accounts", "linked", person_id=call.person_id)["accounts"]
    found = next((account for account in linked if account["number"] == number.strip()), None)
    if found is None:
        raise Refusal(404, "account_not_linked")
    return dict(found)
