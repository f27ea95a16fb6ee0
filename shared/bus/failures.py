"""Failures of reactions: whether the message is to blame, and what is told of them."""

from __future__ import annotations

from typing import Any

import psycopg

from shared.bus.waiting import NotYet
from shared.database_errors import is_transient
from shared.errors import Unavailable
from shared.ids import new_id
from shared.logs import get_logger, trace_of

log = get_logger(__name__)


def is_outage(error: BaseException) -> bool:
    """Return whether a node or a service is unavailable, or somebody holds what is needed."""
    if isinstance(error, Unavailable):
        return True
    return is_transient(error) and not is_conflict(error)


def is_conflict(error: BaseException) -> bool:
    """Return whether somebody else was faster: decide again on fresh state."""
    if isinstance(error, psycopg.errors.ForeignKeyViolation):
        return True  # a row of the read model is ahead of its stream
    return isinstance(error, psycopg.errors.UniqueViolation)


def failure_of(error: BaseException) -> str:
    """Return the type of a failure as it is shown to staff; that of NotYet is its cause's."""
    cause = error.__cause__ if isinstance(error, NotYet) else None
    return type(cause or error).__name__


def noted(event: str, error: BaseException, **fields: Any) -> str:
    """Log a failure for good, without its text, which may quote data; return its id."""
    error_id = str(new_id())
    log.error(event, **fields, error_id=error_id, error=failure_of(error), trace=trace_of(error))
    return error_id
