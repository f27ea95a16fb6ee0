"""Support codes: identity is told which person met an error, so that staff find him by the code.

It is told beside the response, which waits for nothing: a code that is lost costs a question.
"""

from __future__ import annotations

from contextvars import copy_context

import eventlet

from gateway.operations import SERVICE_TIMEOUT, ServiceCalls
from shared.errors import ServiceError
from shared.logs import get_logger

log = get_logger("gateway.support_codes")

_SENT_WRONGLY = frozenset({400, 422, 429})
"""The refusals that say themselves all that support could."""


def note(services: ServiceCalls, person_id: str | None, status: int, code: str) -> None:
    """Have identity keep who met an error with this code; of strangers nothing is known."""
    if person_id is not None and status not in _SENT_WRONGLY:
        eventlet.spawn_n(copy_context().run, _tell, services, person_id, code)


def _tell(services: ServiceCalls, person_id: str, code: str) -> None:
    try:
        services.call(
            "identity",
            "note_support_code",
            deadline=SERVICE_TIMEOUT,
            code=code,
            person_id=person_id,
        )
    except ServiceError as error:
        log.warning("support_code_not_noted", support_code=code, reason=error.code)
