"""Retrying parked messages: staff ask for it, and the worker of the service does it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import msgspec

from services.terminal import counting, out, print_json, refused
from shared import context
from shared.bus import parked
from shared.errors import Unavailable
from shared.eventstore.postgres import PostgresStore
from shared.logs import get_logger

log = get_logger(__name__)

POLL_S = 0.3
PATIENCE_S = 30.0
"""How long nothing may become of what was asked for before the verb gives up waiting."""


class Retried(msgspec.Struct):
    """What became of the selected messages: the rest stays parked."""

    service: str
    selected: int
    handled: int = 0
    failed: int = 0
    waiting: int = 0
    seconds: float = 0.0

    @property
    def left(self) -> int:
        """How many stay parked."""
        return self.failed + self.waiting


def retry_one(store: PostgresStore, parked_id: int, why: str, dry_run: bool) -> None:
    """Retry a message; what fails is refused, and stays parked with its new failure."""
    row = store.query(lambda session: parked.find(session.cursor, parked_id))
    if row is None:
        raise not_parked(store.service, parked_id)
    if dry_run:
        out.print(f"would retry {row['type']} {row['position']}")
        return
    _ask(store, parked.Selection(id=parked_id), why)
    _wait(store, [parked_id], lambda _: None)
    left = store.query(lambda session: parked.find(session.cursor, parked_id))
    if left is None:
        out.print(f"message {parked_id} was handled")
    elif left["error_id"] != row["error_id"]:
        raise refused(
            f"message {parked_id} failed again: {left['reason']}, {left['error_id']} in the log"
        )
    else:
        raise refused(
            f"message {parked_id} waits behind an earlier one of the same subject; retry or drop "
            "that one first"
        )


def retry_selected(
    store: PostgresStore, selection: parked.Selection, why: str, dry_run: bool, json: bool
) -> int:
    """Retry the selected messages in order, print a summary; return how many stay parked.

    Those that were parked behind them in the meantime are retried too.
    """
    total = store.query(lambda session: parked.count(session.cursor, selection))
    if dry_run:
        out.print(f"would retry {total} messages of {store.service}")
        return 0
    retried, began = Retried(store.service, total), time.monotonic()
    with counting(f"retrying parked messages of {store.service}", total) as advance:
        while asked := _ask(store, selection, why):
            _wait(store, list(asked), advance)
            handled = _count(store, asked, retried)
            selection = selection._replace(after=max(asked))
            if not handled:
                break
    retried.seconds = round(time.monotonic() - began, 1)
    if json:
        print_json(retried)
    else:
        out.print(
            f"{retried.handled} messages were handled; {retried.failed} failed and "
            f"{retried.waiting} wait behind an earlier one: they stay parked; "
            f"{retried.seconds:.1f} s",
            soft_wrap=True,
        )
    return retried.left


def _ask(store: PostgresStore, selection: parked.Selection, why: str) -> Mapping[int, str]:
    """Ask for the selected messages; return the last failure of each by its id."""
    with store.session() as session:
        asked = parked.ask(session.cursor, selection, context.current().actor)
    if asked:
        log.warning("parked_retry_asked", service=store.service, messages=len(asked), why=why)
    return asked


def _wait(store: PostgresStore, ids: list[int], advance: Callable[[int], None]) -> None:
    """Wait until something has become of each message.

    Raises Unavailable when nothing moves: the request stays.
    """
    left, moved_at = len(ids), time.monotonic()
    while left:
        time.sleep(POLL_S)
        now = store.query(lambda session: parked.outstanding(session.cursor, ids))
        if now < left:
            advance(left - now)
            left, moved_at = now, time.monotonic()
        elif time.monotonic() - moved_at > PATIENCE_S:
            raise Unavailable(
                "retry_waits",
                f"The worker of {store.service} has not retried {left} of {len(ids)} messages: it "
                "does not run, or waits for another service (its log says retry_waits). It "
                "retries them when it can; `saldo bus parked` shows what stays.",
            )


def _count(store: PostgresStore, asked: Mapping[int, str], retried: Retried) -> int:
    """Count what became of the messages; return how many were handled."""
    left = store.query(lambda session: parked.failures(session.cursor, list(asked)))
    failed = sum(error_id != asked[parked_id] for parked_id, error_id in left.items())
    handled = len(asked) - len(left)
    retried.handled += handled
    retried.failed += failed
    retried.waiting += len(left) - failed
    return handled


def not_parked(service: str, parked_id: int) -> ValueError:
    """Return the refusal of an id that is not parked."""
    return ValueError(f"{service} has no parked message {parked_id}.")
