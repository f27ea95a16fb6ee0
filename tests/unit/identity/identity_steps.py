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
