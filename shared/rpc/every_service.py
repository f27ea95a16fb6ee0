"""The RPC methods that every service has: whether it works, and its published history."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from marshmallow import Schema, fields, validate

from shared.bus.epochs import as_wire
from shared.bus.history import MAX_PAGE_BYTES, end_of, history_of, page_after
from shared.config import GATEWAY, SERVICES
from shared.rpc.callers import EVERYBODY
from shared.rpc.server import Nothing, ServerContextProvider, rpc


class EventsAfter(Schema):
    """A page of the published history."""

    after = fields.Integer(required=True, strict=True, validate=validate.Range(min=0))
    predecessor = fields.Integer(required=True, strict=True, validate=validate.Range(min=0))
    limit = fields.Integer(load_default=500, strict=True, validate=validate.Range(1, 1000))
    types = fields.List(fields.String(), load_default=None, allow_none=True)
    persons = fields.Boolean(load_default=True, truthy={True}, falsy={False})
    max_bytes = fields.Integer(
        load_default=MAX_PAGE_BYTES, strict=True, validate=validate.Range(1, MAX_PAGE_BYTES)
    )
    epoch = fields.String(load_default="", validate=validate.Length(max=40))


class EventsPosition(Schema):
    """The end of the log, or the position of a time."""

    since = fields.AwareDateTime(load_default=None, allow_none=True)


class ServiceBase:
    """The methods that every service has besides its own."""

    name: str
    server_context = ServerContextProvider()

    @rpc(Nothing, callers=EVERYBODY)
    def health(self) -> dict[str, str]:
        """Return ok if the service can reach its database."""
        store = self.server_context.store
        store.query(lambda session: session.cursor.execute("SELECT 1"))
        return {"status": "ok"}

    @rpc(EventsAfter, callers=(*SERVICES, GATEWAY))
    def events_after(self, after: int, predecessor: int, **choice: Any) -> dict[str, Any]:
        """Return the published events after a position, for a reader that has missed some.

        ``predecessor`` is the position of the last published event that the reader has, and goes
        into the headers of the first one returned. ``next`` is the position to continue after, or
        None at the end of the log; ``published`` is the predecessor to continue with, and ``more``
        says whether to continue at once. ``head`` is the last position of the log, ``epoch`` that
        of ``next``. The rest is as in `page_after`.
        """
        store, publish = self.server_context.store, self.server_context.publish
        page = page_after(store, publish, after, predecessor, **choice)
        return {
            "events": [
                {"headers": envelope.headers, "body": envelope.body.decode()}
                for envelope in page.envelopes
            ],
            "next": page.position if page.position > after else None,
            "published": page.published,
            "more": page.more,
            "head": page.history.head,
            "epoch": page.history.epoch_at(page.position).name,
        }

    @rpc(Nothing, callers=(*SERVICES, GATEWAY))
    def log_history(self) -> dict[str, Any]:
        """Return the epochs of the log, oldest first, and its last position.

        A reader compares its position with them before it goes on. Raises Unavailable
        ``log_not_confirmed`` while the log may have lost its end and nobody has looked yet.
        """
        return as_wire(history_of(self.server_context.store))

    @rpc(EventsPosition, callers=(*SERVICES, GATEWAY))
    def events_position(self, since: datetime | None) -> dict[str, int]:
        """Return the last position of the log, or the last one before an instant."""
        return {"position": end_of(self.server_context.store, since)}


def hosted(service: type[Any], name: str = "") -> type[Any]:
    """Return the service class with the methods of ServiceBase added, under a name if it has one.

    Each book of the ledger is called by its own.
    """
    own = {"__module__": service.__module__, "name": name or service.name}
    return type(service.__name__, (service, ServiceBase), own)
