"""Ownership of accounts: an account of somebody else is as absent as one that does not exist.

An account is read beside the question whether it is the person's, in one round trip; what was read
is dropped, and its errors unheard, where it is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from gateway.concurrently import all_of
from gateway.operations import Call
from gateway.problems import Refusal

T = TypeVar("T")

_NUMBER = re.compile(r"[0-9]{1,20}")


def of_own_account(call: Call, number: str, read: Callable[[str], T]) -> T:
    """Return what is read of an account, given its number stripped, if the person has linked it.

    Raises Refusal 404 ``account_not_linked``, the same for somebody else's account and for one
    that does not exist.
    """
    number = _account_number(number)
    asked: list[Callable[[], Any]] = [partial(_check_owner, call, number), partial(read, number)]
    _, found = all_of(asked)
    return found  # type: ignore[no-any-return]


def of_linked_account(
    call: Call, number: str, read: Callable[[str], T]
) -> tuple[dict[str, Any], T]:
    """Return a linked account with its contract, as `list_accounts` has it, and what is read of it.

    Raises Refusal 404 ``account_not_linked`` like :func:`of_own_account`.
    """
    number = _account_number(number)
    asked: list[Callable[[], Any]] = [partial(linked_account, call, number), partial(read, number)]
    account, found = all_of(asked)
    return account, found


def _account_number(text: str) -> str:
    number = text.strip()
    if not _NUMBER.fullmatch(number):
        raise Refusal(404, "account_not_linked")
    return number


def _check_owner(call: Call, number: str) -> None:
    ownership = call.ask("accounts", "owns", person_id=call.person_id, numbers=[number])
    if number not in ownership["owned"]:
        raise Refusal(404, "account_not_linked")


def linked_account(call: Call, number: str) -> dict[str, Any]:
    """Return a linked account with its contract; raises like :func:`of_own_account`."""
    linked = call.ask("accounts", "linked", person_id=call.person_id)["accounts"]
    found = next((account for account in linked if account["number"] == number), None)
    if found is None:
        raise Refusal(404, "account_not_linked")
    return dict(found)
