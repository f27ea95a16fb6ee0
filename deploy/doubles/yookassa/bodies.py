"""The bodies of calls, checked as the API checks them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from deploy.doubles.yookassa.objects import invalid
from deploy.doubles.yookassa.payments import NewPayment

_VALUE: Final = re.compile(r"([0-9]{1,10})\.([0-9]{2})", re.ASCII)
_LONGEST_DESCRIPTION: Final = 128
_LONGEST_REFUND_DESCRIPTION: Final = 250
_LONGEST_URL: Final = 2048
_MOST_METADATA: Final = 16
_LONGEST_NAME, _LONGEST_TEXT = 32, 512


def read_json(body: bytes) -> dict[str, Any]:
    """Return the object of a body; refuse anything else."""
    try:
        read = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise invalid("The body is no JSON") from error
    if not isinstance(read, dict):
        raise invalid("The body is no object")
    return read


def new_payment_of(body: Mapping[str, Any]) -> NewPayment:
    """Return the payment that a body describes."""
    confirmation = _member(body, "confirmation", dict)
    if confirmation.get("type") != "redirect":
        raise invalid("Only redirect is simulated", "confirmation.type")
    return NewPayment(
        amount=amount_of(body),
        capture=_member(body, "capture", bool, True),
        description=_text(body, "description", _LONGEST_DESCRIPTION),
        metadata=_metadata(body),
        return_url=_web_address(confirmation),
    )


def amount_of(body: Mapping[str, Any]) -> int:
    """Return the sum of a body, in kopecks."""
    amount = _member(body, "amount", dict)
    match = _VALUE.fullmatch(str(amount.get("value")))
    if match is None or int(match[1] + match[2]) == 0:
        raise invalid("A sum like 4500.00", "amount.value")
    if amount.get("currency") != "RUB":
        raise invalid("Only RUB", "amount.currency")
    return int(match[1] + match[2])


def refund_of(body: Mapping[str, Any]) -> tuple[str, int, str]:
    """Return the payment, the sum and the description of a refund."""
    description = _text(body, "description", _LONGEST_REFUND_DESCRIPTION)
    return _member(body, "payment_id", str), amount_of(body), description


def _metadata(body: Mapping[str, Any]) -> dict[str, str]:
    metadata: dict[str, Any] = _member(body, "metadata", dict, {})
    fits = len(metadata) <= _MOST_METADATA and all(
        len(name) <= _LONGEST_NAME and isinstance(value, str) and len(value) <= _LONGEST_TEXT
        for name, value in metadata.items()
    )
    if not fits:
        raise invalid("Up to 16 short texts", "metadata")
    return metadata


def _web_address(confirmation: Mapping[str, Any]) -> str:
    url = _text(confirmation, "return_url", _LONGEST_URL)
    if urlsplit(url).scheme not in {"http", "https"}:
        raise invalid("An address like https://shop.example", "confirmation.return_url")
    return url


def _text(body: Mapping[str, Any], name: str, longest: int) -> str:
    text: str = _member(body, name, str, "")
    if len(text) > longest:
        raise invalid(f"Up to {longest} characters", name)
    return text


def _member(body: Mapping[str, Any], name: str, kind: type, default: Any = None) -> Any:
    value = body.get(name, default)
    if not isinstance(value, kind):
        raise invalid("Missing, or of a wrong type", name)
    return value
