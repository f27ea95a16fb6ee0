"""The personal account in the purpose of a transfer («л/с 0100000001»).

Only a number behind a label counts: any other may be a contract, a bill or a phone.
"""

from __future__ import annotations

import re
from typing import Final

from services.payments.registers.bank_payment import Suspense

_LABEL: Final = (
    r"(?:ЕЛС|Л\s?[/\\.]?\s?СЧ(?:[ЕЁ]Т)?|Л\s?[/\\.]\s?С|ЛС|PERSACC|"
    r"ЛИЦ(?:ЕВО(?:Й|ГО|МУ)|\.)?\s?СЧ(?:[ЕЁ]Т(?:А|У|ОМ)?)?)"
)
_NUMBER: Final = re.compile(
    rf"(?<![\w]){_LABEL}[\s:.=№#N-]*(?:НОМЕР|NO)?[\s:.=№#]*"
    r"(?P<number>[0-9]{1,20})(?![0-9A-ZА-ЯЁ]|[-/.\\][0-9])",
    re.IGNORECASE,
)
_LISTED: Final = re.compile(
    r"\s*(?:[,;+&/]|И|AND)\s*(?P<number>[0-9]{1,20})(?![0-9])", re.IGNORECASE
)
_REGISTER: Final = re.compile(r"РЕЕСТР", re.IGNORECASE)


def account_in(purpose: str) -> tuple[str, str]:
    """Return (account, ""), or ("", why there is none) as a `Suspense`.

    A transfer that mentions a register is the total of many payments: it has no account, whatever
    numbers stand in it.
    """
    if _REGISTER.search(purpose):
        return "", Suspense.REGISTER_TRANSFER.value
    numbers = set()
    for found in _NUMBER.finditer(purpose):
        numbers.add(found["number"])
        # «л/с 0100000001, 0100000002»: a second number of the same length is a second account.
        more = _LISTED.match(purpose, found.end())
        if more is not None and len(more["number"]) == len(found["number"]):
            numbers.add(more["number"])
    if not numbers:
        return "", Suspense.NO_ACCOUNT.value
    if len(numbers) > 1:
        return "", Suspense.AMBIGUOUS.value
    return numbers.pop(), ""
