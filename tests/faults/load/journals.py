"""What a subscriber has got, and what of it has taken effect: a line each, in a file."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import msgspec

How = Literal["delivered", "took", "forgot"]


class Got(msgspec.Struct, array_like=True, frozen=True):
    """One line. `how`: `delivered` to a reader of queues or streams; `took` effect; or `forgot`:
    what took effect after the position was undone, because the log has lost it.

    `via` is what brought an effect: queue, history, feed, stream. `digest` is that of the data and
    of what is said of them (`content_digest`).
    """

    how: How
    via: str
    service: str
    epoch: str
    position: int
    predecessor: int
    id: str
    type: str
    digest: str


@dataclass
class Journal:
    """The file of one subscriber, and how far its effects have got, by log."""

    path: Path
    logs: Sequence[str]
    """Those that it reads: of services, and of further books of the ledger."""
    positions: dict[str, int] = field(init=False)
    epochs: dict[str, str] = field(init=False)
    ends: dict[tuple[str, str], int] = field(default_factory=dict)
    """Where epochs have ended, as forks have told: what was lost may come again."""
    past: set[tuple[str, str]] = field(default_factory=set)
    """The epochs that a service has left: whatever of them is in its log has taken effect."""

    def __post_init__(self) -> None:
        self.positions, self.epochs = dict.fromkeys(self.logs, 0), dict.fromkeys(self.logs, "")
        self._file = self.path.open("ab")
        self._lock = threading.Lock()

    def delivered(self, via: str, headers: Mapping[str, Any], body: bytes) -> None:
        self._write(_got("delivered", via, headers, body))

    def take(self, via: str, headers: Mapping[str, Any], body: bytes) -> None:
        """Let an event take effect, unless it has."""
        got = _got("took", via, headers, body)
        end = self.ends.get((got.service, got.epoch), got.position)
        if self.positions[got.service] < got.position <= end:
            self._write(got)
            self.positions[got.service] = got.position
            self.epochs[got.service] = got.epoch

    def forget(self, service: str, position: int, epoch: str) -> None:
        """Undo what took effect after a position: the log of the service has lost it."""
        self._write(Got("forgot", "", service, epoch, position, 0, "", "", ""))
        self.positions[service], self.epochs[service] = position, epoch
        self.ends[service, epoch] = position

    def close(self) -> None:
        self._file.close()

    def _write(self, got: Got) -> None:
        with self._lock:
            self._file.write(msgspec.json.encode(got) + b"\n")
            self._file.flush()


def content_digest(headers: Mapping[str, Any], body: bytes) -> str:
    """Return a digest of type, subject, instant and data, whatever the order of JSON's members."""
    said = (
        str(headers["cloudEvents_type"]),
        str(headers.get("cloudEvents_subject", "")),
        datetime.fromisoformat(str(headers["cloudEvents_time"])).timestamp(),
        msgspec.json.decode(body),
    )
    return sha256(msgspec.json.encode(said, order="sorted")).hexdigest()[:16]


def _got(
    how: Literal["delivered", "took"], via: str, headers: Mapping[str, Any], body: bytes
) -> Got:
    return Got(
        how,
        via,
        str(headers["cloudEvents_source"]).removeprefix("/saldo/"),
        str(headers.get("saldo_epoch", "")),
        int(headers["saldo_position"]),
        int(headers["saldo_predecessor"]),
        str(headers["cloudEvents_id"]),
        str(headers["cloudEvents_type"]),
        content_digest(headers, body),
    )
