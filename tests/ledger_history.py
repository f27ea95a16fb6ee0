"""The history of an account whose events were recorded by nobody but the test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from shared.eventstore import Event, Recorded


def history_of(
    account_id: UUID, events: Sequence[Event], instant_of: Callable[[int], datetime]
) -> list[Recorded]:
    """Return events as the log does, each at its version's position; ``instant_of`` dates it."""
    return [
        Recorded(
            originator_id=account_id,
            originator_version=version,
            position=version,
            recorded_at=instant_of(version),
            command_id=account_id,
            actor="staff:test",
            correlation_id="",
            event=event,
        )
        for version, event in enumerate(events, 1)
    ]
