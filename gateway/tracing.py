"""The correlation id and the trace context of a request, accepted or new."""

from __future__ import annotations

import os
import re
import secrets
from datetime import datetime
from typing import Any

from shared.context import new_traceparent

CORRELATION_HEADER = "X-Request-Id"
TRACE_HEADER = "traceparent"

_SIGNS = "ABCDEFGHKMNPQRSTUVWXYZ23456789"
"""Without signs that look or sound alike: a support code is read out on the telephone."""
_LENGTH = 8
_FAIR = 256 - 256 % len(_SIGNS)

_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")


def incoming_context(request_id: str, traceparent: str, now: datetime) -> dict[str, Any]:
    """Return the arguments of ``shared.context.bind``; malformed values are replaced.

    The caller's trace continues under a new span (W3C Trace Context).
    """
    trace = _TRACEPARENT.fullmatch(traceparent)
    correlation_id = request_id if _ID.fullmatch(request_id) else new_support_code()
    return {
        "correlation_id": correlation_id,
        "traceparent": (
            f"00-{trace[1]}-{secrets.token_hex(8)}-{trace[2]}"
            if trace
            else new_traceparent(correlation_id)
        ),
        "asked_at": now.timestamp(),
    }


def callers_span(traceparent: str) -> str | None:
    """Return the trace context that a caller has sent; None for none, or a malformed one."""
    return traceparent if _TRACEPARENT.fullmatch(traceparent) else None


def new_support_code() -> str:
    """Return the id of a request that people can read out: eight signs, as ``K7QM2XWD``."""
    signs = ""
    while len(signs) < _LENGTH:
        # Of a byte that would make some signs likelier than others nothing is taken.
        signs += "".join(_SIGNS[byte % len(_SIGNS)] for byte in os.urandom(12) if byte < _FAIR)
    return signs[:_LENGTH]
