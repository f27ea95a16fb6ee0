"""The published events for other systems: the history, and what is new, by long poll."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from datetime import time as clock_time
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from werkzeug.wrappers import Response

from gateway.cursors import decode_cursor, encode_cursor
from gateway.operations import API, SERVICE_TIMEOUT, Access, Call, Operation
from gateway.problems import Refusal
from gateway.schemas import events as shapes
from gateway.subscriptions import Subscriber, Subscriptions
from gateway.web import route
from shared.books import with_books
from shared.bus.epochs import EPOCH, FIRST_EPOCH, from_wire
from shared.bus.grants import types_of
from shared.config import SERVICES, Settings
from shared.logs import get_logger

log = get_logger("gateway.routes.events")

TAG = "Events"
MOST_BYTES = 2**20
SCAN_SECONDS = 2.0
"""How long a request goes on through events of other types, where it found none of its own."""
_PLACE = re.compile(rf"([0-9]{{1,18}})\.([0-9]{{1,18}})(?:\.({EPOCH}))?")


class Place(NamedTuple):
    """A place in a log: the last position that was read, and the last published one up to there.

    ``epoch`` is that of the position; empty where the client did not say.
    """

    position: int
    published: int
    epoch: str = ""


class Found(NamedTuple):
    """What was read: the events, where to continue, and whether to do so at once."""

    events: list[Any]
    place: Place
    more: bool


class EventRoutes:
    """The route of subscribers."""

    settings: Any
    subscriptions: Any

    @route(
        Operation(
            method="GET",
            path=f"{API}/events",
            tag=TAG,
            summary="Published events of one service, in the order of its log.",
            description="The same events as on the bus, each as a CloudEvent in JSON: an attribute "
            "`x` is the header `cloudEvents_x`, `saldoposition` is `saldo_position`, and `data` is "
            "the body. Ask with `wait` again and again, each time `after` the `next` of the page "
            "before: nothing is left out or returned twice. Where the log has lost what you read, "
            "by a failover or a restore, you get 409 `position_not_in_log`. Identifiers of persons "
            "are left out without a grant for them; the number of a personal account is none.",
            access=Access.SUBSCRIBER,
            query=shapes.EventsQuery,
            result=shapes.EventPage,
            refusals={
                400: ("invalid_cursor", "two_beginnings"),
                403: ("events_not_granted",),
                404: ("events_unknown",),
                409: ("position_not_in_log",),
                429: ("too_many_reads", "too_many_waits"),
                503: ("events_busy", "log_not_confirmed"),
            },
        )
    )
    def events(self, call: Call) -> Response:
        subscriptions: Subscriptions = self.subscriptions
        subscriber: Subscriber = call.subscriber
        subscriptions.count_read(call, subscriber.name)
        reading = Reading(call, subscriber, subscriptions, self.settings.books)
        found = reading.page(_beginning(call, reading.service, self.settings))
        log.info(
            "events_read",
            subscriber=subscriber.name,
            service=reading.service,
            events=len(found.events),
            position=found.place.position,
        )
        return _response(reading.service, found)

    @route(
        Operation(
            method="GET",
            path=f"{API}/events/epochs",
            tag=TAG,
            summary="The epochs of one service's log.",
            description="A new epoch begins where the end of the log may have been lost, by a "
            "failover or a restore; the positions after it are given once more. An epoch has the "
            "positions after its `after`, up to the `after` of the next one, and the last one up "
            "to `head`. What you have of an epoch beyond that is not in the log any more.",
            access=Access.SUBSCRIBER,
            query=shapes.EpochsQuery,
            result=shapes.Epochs,
            refusals={
                403: ("events_not_granted",),
                404: ("events_unknown",),
                429: ("too_many_reads",),
                503: ("log_not_confirmed",),
            },
        )
    )
    def epochs(self, call: Call) -> Response:
        subscriptions: Subscriptions = self.subscriptions
        subscriber: Subscriber = call.subscriber
        subscriptions.count_read(call, subscriber.name)
        service: str = call.query["service"]
        visible_types(subscriber, service, self.settings.books)
        history = call.ask(service, "log_history", deadline=SERVICE_TIMEOUT)
        body = msgspec.json.encode({"service": service, **history})
        return Response(body, content_type="application/json")


def visible_types(
    subscriber: Subscriber, service: str, books: Collection[str] = ()
) -> frozenset[str]:
    """Return the types that a subscriber may see of a service or a book. Raises 404 or 403."""
    if service not in with_books(SERVICES, books):
        raise Refusal(404, "events_unknown")
    visible = subscriber.grants.visible(service)
    if not visible:
        raise Refusal(403, "events_not_granted")
    return visible


class Reading:
    """One request of a subscriber: what it may see of a service, and the reading of it."""

    def __init__(
        self,
        call: Call,
        subscriber: Subscriber,
        subscriptions: Subscriptions,
        books: Collection[str] = (),
    ) -> None:
        self._call = call
        self._subscriber = subscriber
        self._subscriptions = subscriptions
        self.service: str = call.query["service"]
        self._types = self._granted(books)

    def _granted(self, books: Collection[str]) -> list[str] | None:
        """Return the types to read; None for all. Raises 404 or 403."""
        visible = visible_types(self._subscriber, self.service, books)
        published = types_of(self.service)
        asked = self._call.query["types"]
        wanted = frozenset(asked.split(",")) if asked else visible
        if not wanted <= frozenset(published):
            raise Refusal(404, "events_unknown")
        if not wanted <= visible:
            raise Refusal(403, "events_not_granted")
        return None if wanted == frozenset(published) else sorted(wanted)

    def page(self, place: Place) -> Found:
        """Return the next events, or wait for them as long as was asked."""
        found = self._read_on(place)
        wait = self._call.query["wait"]
        if found.events or found.more:
            return found
        if not wait:
            return found
        with self._subscriptions.waiting(self._call, self._subscriber.name):
            until = time.monotonic() + wait
            ends = self._subscriptions.ends
            while not (found.events or found.more) and ends.wait_beyond(
                self.service, (before := found.place).position, until
            ):
                found = self._read_on(before)
                if found.place == before:
                    ends.forget(self.service)
        return found

    def _read_on(self, place: Place) -> Found:
        """Read pages until one has events, the log ends, or it takes too long."""
        until = time.monotonic() + SCAN_SECONDS
        found = self._read(place)
        while not found.events and found.more and time.monotonic() < until:
            found = self._read(found.place)
        return found

    def _read(self, place: Place) -> Found:
        page = self._call.ask(
            self.service,
            "events_after",
            deadline=SERVICE_TIMEOUT,
            after=place.position,
            predecessor=place.published,
            epoch=place.epoch,
            limit=self._call.query["limit"],
            types=self._types,
            persons=self._subscriber.grants.persons,
            max_bytes=MOST_BYTES,
        )
        reached = place.position if page["next"] is None else page["next"]
        if place.position > page["head"]:  # of no epoch in particular
            raise self._not_in_log(place.position)
        place = Place(reached, page["published"], page["epoch"])
        return Found(page["events"], place, page["more"])

    def _not_in_log(self, position: int) -> Refusal:
        """Return the refusal of a position beyond the log that names no epoch.

        It may be of any line that has ended. What all of them share with the log is its first
        epoch, up to where the second one begins.
        """
        history = from_wire(self._call.ask(self.service, "log_history", deadline=SERVICE_TIMEOUT))
        later = history.epochs[1:]
        return Refusal(
            409,
            "position_not_in_log",
            epoch="",
            position=position,
            fork=later[0].after if later else history.head,
            fork_epoch=history.epochs[0].name,
            current=history.current.name,
            head=history.head,
        )


def _beginning(call: Call, service: str, settings: Settings) -> Place:
    """Return where the client wants to begin. Raises 400."""
    after, position, since = (call.query[name] for name in ("after", "position", "since"))
    epoch = call.query["epoch"] or ""
    if sum(value is not None for value in (after, position, since)) > 1:
        raise Refusal(400, "two_beginnings")
    if since is not None:
        moment = _instant(since, settings).isoformat()
        position = call.ask(service, "events_position", since=moment)["position"]
    if position is not None:
        return Place(position, position, epoch)
    cursor = decode_cursor(_subject(service), "after", after)
    if cursor is None:
        return Place(0, 0)
    numbers = _PLACE.fullmatch(str(cursor))
    if numbers is None:
        raise Refusal(
            400, "invalid_cursor", errors=[{"parameter": "after", "message": "field_cursor"}]
        )
    # A cursor of before there were epochs is of the first one.
    return Place(int(numbers[1]), int(numbers[2]), numbers[3] or FIRST_EPOCH)


def _instant(moment: str, settings: Settings) -> datetime:
    """Return an instant, or the beginning of a day in the installation's time zone."""
    if "T" in moment:
        return datetime.fromisoformat(moment).astimezone(UTC)
    zone = ZoneInfo(settings.timezone)
    return datetime.combine(date.fromisoformat(moment), clock_time(), zone)


def _subject(service: str) -> str:
    return f"events {service}"


def _response(service: str, found: Found) -> Response:
    """Return the page; the bodies of the events go into it as they are."""
    position, published, epoch = found.place
    page = {
        "service": service,
        "events": [cloud_event(event["headers"], event["body"]) for event in found.events],
        "position": position,
        "epoch": epoch,
        "more": found.more,
        "next": encode_cursor(_subject(service), f"{position}.{published}.{epoch}"),
    }
    return Response(msgspec.json.encode(page), content_type="application/json")


def cloud_event(headers: Mapping[str, Any], body: str) -> dict[str, Any]:
    """Return a message of the bus in the JSON format of CloudEvents: each header an attribute.

    Names of attributes have letters and digits alone: ``saldo_position`` is ``saldoposition``.
    """
    attributes = {
        name.removeprefix("cloudEvents_").replace("_", ""): value for name, value in headers.items()
    }
    return {
        **attributes,
        "datacontenttype": "application/json",
        "data": msgspec.Raw(body.encode()),
    }
