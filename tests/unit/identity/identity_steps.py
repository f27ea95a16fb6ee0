"""Steps of the tests of identity."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import ServiceError


def refusal_of(call: Any, *arguments: Any, **named: Any) -> ServiceError:
    """Call, and return the error it raises."""
    with pytest.raises(ServiceError) as caught:
        call(*arguments, **named)
    return caught.value


def another(code: str) -> str:
    """Return a wrong code."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}d}"


def email_links(identity: Any, change_id: str) -> dict[str, Any]:
    """Have both letters of a change of address drawn; return what they hold."""
    links: dict[str, Any] = {}
    for side in ("new", "old"):
        issued = identity.call("issue_email_link", change_id=change_id, side=side)
        own = {f"{side}_{name}": issued[name] for name in ("email", "token", "taken")}
        links |= {**issued, **own}
    return links
