"""Access to accounts: an account of somebody else is as absent as one that does not exist.

A number may have had several holders, each with an account of his own: what a person reads is that
of his own time (its key, :mod:`shared.account_key`). People see the number alone.

An account is read beside the question whose it is, in one round trip, by the key that nearly all
numbers have; what was read of another key is dropped, and its errors unheard.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from gateway.concurrently import all_of
from gateway.operations import Call
from gateway.problems import Refusal
from shared.account_key import number_of

T = TypeVar("T")

_NUMBER = re.compile(r"[0-9]{1,20}")
_KEYS = frozenset({"number", "account", "other_account"})
"""Members of the ledger's answers that have the key of an account."""


def of_own_account(call: Call, number: str, read: Callable[[str], T]) -> T:
    """Return what is read of an account, given its key, if the person has access to it.

    Raises Refusal 404 ``account_not_linked``, the same for somebody else's account and for one
    that does not exist.
    """
    number = _account_number(number)
    _, found = _beside(partial(_access_to, call, number), number, read)
    return found


def of_linked_account(
    call: Call, number: str, read: Callable[[str], T]
) -> tuple[dict[str, Any], T]:
    """Return a linked account with its contract, as `list_accounts` has it, and what is read of it.

    Raises Refusal 404 ``account_not_linked`` like :func:`of_own_account`.
    """
    number = _account_number(number)
    return _beside(partial(linked_account, call, number), number, read)


def linked_account(call: Call, number: str) -> dict[str, Any]:
    """Return a linked account with its contract; raises like :func:`of_own_account`."""
    return newest_of(linked_accounts(call), number)


def linked_accounts(call: Call) -> list[dict[str, Any]]:
    """Return all accounts of the person; ``account`` is the key of each."""
    accounts: list[dict[str, Any]] = call.ask("accounts", "linked", person_id=call.person_id)[
        "accounts"
    ]
    return accounts


def newest_of(accounts: Sequence[Mapping[str, Any]], number: str) -> dict[str, Any]:
    """Return a person's account with a number: his last one, where he has held it twice.

    Raises Refusal 404 ``account_not_linked``.
    """
    mine = [account for account in accounts if account["number"] == number]
    if not mine:
        raise Refusal(404, "account_not_linked")
    return dict(max(mine, key=lambda one: (one["state"] == "open", one["since"] or "")))


def may_pay(account: Mapping[str, Any] | None) -> bool:
    """Return whether a person may pay an account that he has access to; None: it is not known."""
    return account is None or (account["state"] == "open" and account["role"] != "viewer")


def numbered(answer: T) -> T:
    """Return an answer of the ledger with numbers in place of keys."""
    if isinstance(answer, dict):
        return {  # type: ignore[return-value]
            name: number_of(value) if name in _KEYS and isinstance(value, str) else numbered(value)
            for name, value in answer.items()
        }
    if isinstance(answer, list):
        return [numbered(one) for one in answer]  # type: ignore[return-value]
    return answer


def _account_number(text: str) -> str:
    number = text.strip()
    if not _NUMBER.fullmatch(number):
        raise Refusal(404, "account_not_linked")
    return number


def _access_to(call: Call, number: str) -> dict[str, Any]:
    answer = call.ask("accounts", "owns", person_id=call.person_id, numbers=[number])
    access: dict[str, Any] | None = answer["access"].get(number)
    if access is None:
        raise Refusal(404, "account_not_linked")
    return access


def _beside(
    ask: Callable[[], dict[str, Any]], number: str, read: Callable[[str], T]
) -> tuple[dict[str, Any], T]:
    """Return the person's access to a number, and what is read by its key."""
    asked: list[Callable[[], Any]] = [ask, partial(_attempted, read, number)]
    access, attempted = all_of(asked)
    found = attempted() if access["account"] == number else read(access["account"])
    return access, numbered(found)


def _attempted(read: Callable[[str], T], key: str) -> Callable[[], T]:
    """Return what gives the outcome of a read: its error is raised where it is wanted."""
    try:
        found = read(key)
    except Exception as error:  # noqa: BLE001 - heard only if it is of the right account
        return partial(_raise, error)
    return lambda: found


def _raise(error: Exception) -> Any:
    raise error
