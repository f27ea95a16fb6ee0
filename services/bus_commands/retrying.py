"""Retrying parked messages: one by its id, or all that are selected, in order."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from time import monotonic
from typing import Any

import msgspec

from services.discovery import reactions_of
from services.terminal import counting, err, out, print_json, refused
from shared.bus import parked
from shared.bus.listen import TRANSIENT
from shared.bus.messages import Message
from shared.bus.reactions import Reactions
from shared.config import ConfigurationError, Settings, load_settings
from shared.eventstore.postgres import PostgresSession, PostgresStore
from shared.ids import new_id
from shared.logs import get_logger
from shared.rpc.client import RpcClient

log = get_logger(__name__)

PAGE = 500
STOPPING = (*TRANSIENT, ConfigurationError)
"""Failures that are no fault of the message: the next one would fare no better."""

Handle = Callable[[PostgresSession, str, Message], None]
"""Runs the reaction of the service to a message of an upstream, in a session."""


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
    with handling(store) as handle:
        try:
            _handle(store, row, handle)
        except (parked.OutOfOrderError, parked.MalformedMessageError) as error:
            raise refused(str(error)) from None
        except STOPPING:
            raise
        except Exception as error:  # noqa: BLE001 - noted with the message, its trace logged
            error_id = _note(store, parked_id, error)
            raise refused(
                f"message {parked_id} failed again: {type(error).__name__}, {error_id} in the log"
            ) from None
    log.warning("parked_retried", service=store.service, parked_id=parked_id, why=why)
    out.print(f"message {parked_id} was handled")


def retry_selected(
    store: PostgresStore, selection: parked.Selection, why: str, dry_run: bool, json: bool
) -> int:
    """Retry the selected messages in order, print a summary; return how many stay parked."""
    total = store.query(lambda session: parked.count(session.cursor, selection))
    if dry_run:
        out.print(f"would retry {total} messages of {store.service}")
        return 0
    retried, began = Retried(store.service, total), monotonic()
    with (
        counting(f"retrying parked messages of {store.service}", total) as advance,
        handling(store) as handle,
    ):
        for row in _selected(store, selection):
            try:
                _retry(store, row, handle, retried)
            except STOPPING:
                err.print(f"Stopped after {retried.handled} handled messages.")
                raise
            advance(1)
    retried.seconds = round(monotonic() - began, 1)
    log.warning("parked_retried", why=why, **msgspec.structs.asdict(retried))
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


def _selected(store: PostgresStore, selection: parked.Selection) -> Iterator[dict[str, Any]]:
    """Yield the selected messages, those that are parked in the meantime included."""

    def page(after: int) -> list[dict[str, Any]]:
        return store.query(
            lambda session: parked.listing(session.cursor, selection, after=after, limit=PAGE)
        )

    rows = page(0)
    while rows:
        yield from rows
        rows = page(rows[-1]["id"])


def _retry(store: PostgresStore, row: dict[str, Any], handle: Handle, retried: Retried) -> None:
    """Retry one of many in a transaction of its own, and count what becomes of it.

    Raises what stops the whole run.
    """
    try:
        found = _handle(store, row, handle)
    except parked.OutOfOrderError:
        retried.waiting += 1
    except STOPPING:
        raise
    except Exception as error:  # noqa: BLE001 - noted with the message, its trace logged
        retried.failed += 1
        _note(store, row["id"], error)
    else:
        retried.handled += found


def _handle(store: PostgresStore, row: dict[str, Any], handle: Handle) -> bool:
    with store.session() as session:
        return parked.retry(
            session.cursor, row["id"], lambda message: handle(session, row["upstream"], message)
        )


def _note(store: PostgresStore, parked_id: int, error: Exception) -> str:
    """Log why a retry failed and note it with the message; return the id of the log entry."""
    error_id, name = str(new_id()), type(error).__name__
    log.error(
        "parked_retry_failed",
        service=store.service,
        parked_id=parked_id,
        error_id=error_id,
        error=name,
        trace="".join(traceback.format_tb(error.__traceback__))[-4000:],
    )
    with store.session() as session:
        parked.note_failure(session.cursor, parked_id, reason=name, error_id=error_id)
    return error_id


@contextmanager
def handling(store: PostgresStore) -> Iterator[Handle]:
    """Yield the function that runs the reactions of a service."""
    known: dict[str, Reactions] = {}
    with closing(_Services(load_settings(), store)) as services:

        def handle(session: PostgresSession, upstream: str, message: Message) -> None:
            if upstream not in known:
                reactions = reactions_of(store.service).get(upstream, {})
                known[upstream] = Reactions(services, store, upstream, reactions)
            known[upstream].handle(session, message)

        yield handle


class _Services:
    """The dependencies of a reaction that staff run: it calls in the name of its service.

    It signs in to the broker only for a call, because most reactions make none.
    """

    def __init__(self, settings: Settings, store: PostgresStore) -> None:
        self.settings = settings
        self.store = store
        self._client: RpcClient | None = None

    def call(self, service: str, method: str, *, deadline: float = 5.0, **kwargs: Any) -> Any:
        if self._client is None:
            url = self.settings.amqp_url_of(self.store.service)
            self._client = RpcClient(url, name="bus-cli")
        return self._client.call(service, method, deadline=deadline, **kwargs)

    def close(self) -> None:
        """Close the connections, if there are any."""
        if self._client is not None:
            self._client.close()


def not_parked(service: str, parked_id: int) -> ValueError:
    """Return the refusal of an id that is not parked."""
    return ValueError(f"{service} has no parked message {parked_id}.")
