"""Lines of the log: where a restore has parted what was sealed from what the log is now.

A log that was put back goes on differently after the fork. Its checkpoints from there on have an
origin of their own, ``<name>#<epoch>``: to sign both lines under one origin would be what a forger
does. Which epochs there are, and after which position, the log itself says (``LogRestored``), so
that it is sealed; checkpoints of the line that has ended excuse themselves by that alone.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec

from services.ledger.domain.book import RESTORES, LogRestored
from services.ledger.seal.checkpoint import Checkpoint, epoch_of_origin, origin_of

_RESTORED = (
    "SELECT state FROM events WHERE originator_id = %s AND topic = %s ORDER BY originator_version"
)


class Lines:
    """The restores that a log speaks of, oldest first."""

    def __init__(self, cursor: Any) -> None:
        self.restores: list[LogRestored] = []
        for row in cursor.execute(_RESTORED, (RESTORES, LogRestored.topic)).fetchall():
            # One that was changed excuses nothing, and is a finding of its own.
            with suppress(msgspec.MsgspecError):
                self.restores.append(msgspec.json.decode(bytes(row["state"]), type=LogRestored))

    def origin(self, name: str, size: int) -> str:
        """Return the origin of a checkpoint of so many events."""
        later = [one.epoch for one in self.restores if one.after < size]
        return origin_of(name, later[-1] if later else "")

    def ended(self, checkpoint: Checkpoint) -> LogRestored | None:
        """Return the restore that ended the line of a checkpoint; None for one of today's line."""
        place = self._place(epoch_of_origin(checkpoint.origin))
        after = self.restores[place + 1 :]
        return next((one for one in after if checkpoint.size > one.after), None)

    def took(self, checkpoint: Checkpoint, following: Checkpoint | None) -> LogRestored | None:
        """Return the restore that took a checkpoint, but none of its events, from the database.

        A backup may have the events and not yet the checkpoint that was made of them afterwards.
        ``following`` is the next larger one that is stored: of the same line, it proves that the
        backup had all that were made before it. None where no restore explains it.
        """
        place = self._place(epoch_of_origin(checkpoint.origin))
        later = [one for one in self.restores[place + 1 :] if checkpoint.size <= one.after]
        if following is not None and self._place(epoch_of_origin(following.origin)) <= place:
            return None
        return later[0] if later else None

    def _place(self, epoch: str) -> int:
        """Return the place of an epoch; -1 for the first one, and for one of another line."""
        epochs = [one.epoch for one in self.restores]
        return epochs.index(epoch) if epoch in epochs else -1
