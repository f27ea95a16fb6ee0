"""The published events for other systems: the history, and what is new, by long poll."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
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
from shared.bus.grants import types_of
from shared.config import SERVICES, Settings
from shared.logs import get_logger

log = get_logger("gateway.routes.events")

TAG = "Events"
MOST_BYTES = 2**20
SCAN_SECONDS = 2.0
"""How long a request goes on through events of other types, where it found none of its own."""
_PLACE = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})")


class Place(NamedTuple):
    """A place in a log: the last position that was read, and the last published one up to there."""

    position: int
    published: int


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
            "before: nothing is left out or returned twice. Identifiers of persons are left out "
            "without a grant for them; the number of a personal account is none.",
            access=Access.SUBSCRIBER,
            query=shapes.EventsQuery,
            result=shapes.EventPage,
            refusals={
                400: ("invalid_cursor", "two_beginnings"),
                403: ("events_not_granted",),
                404: ("events_unknown",),
                409: ("position_beyond_log",),
                429: ("too_many_reads", "too_many_waits"),
                503: ("events_busy",),
            },
        )
    )
    def events(self, call: Call) -> Response:
        subscriptions: Subscriptions = self.subscriptions
        subscriber: Subscriber = call.subscriber
        subscriptions.count_read(call, subscriber.name)
        reading = Reading(call, subscriber, subscriptions)
        found = reading.page(_beginning(call, reading.service, self.settings))
        log.info(
            "events_read",
            subscriber=subscriber.name,
            service=reading.service,
            events=len(found.events),
            position=found.place.position,
        )
        return _response(reading.service, found)


class Reading:
    """One request of a subscriber: what it may see of a service, and the reading of it."""

    def __init__(self, call: Call, subscriber: Subscriber, subscriptions: Subscriptions) -> None:
        self._call = call
        self._subscriber = subscriber
        self._subscriptions = subscriptions
        self.service: str = call.query["service"]
        self._types = self._granted()

    def _granted(self) -> list[str] | None:
        """Return the types to read; None for all. Raises 404 or 403."""
        if self.service not in SERVICES:
            raise Refusal(404, "events_unknown")
        published, visible = types_of(self.service), self._subscriber.grants.visible(self.service)
        asked = self._call.query["types"]
        wanted = frozenset(asked.split(",")) if asked else visible
        if not wanted <= frozenset(published):
            raise Refusal(404, "events_unknown")
        if not wanted or not wanted <= visible:
            raise Refusal(403, "events_not_granted")
        return None if wanted == frozenset(published) else sorted(wanted)

    def page(self, place: Place) -> Found:
        """Return the next events, or wait for them as long as was asked."""
        found = self._read_on(place)
        wait = self._call.query["wait"]
        if found.events or found.more:
            return found
        if found.place == place:
            self._check_end(place)
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
            limit=self._call.query["limit"],
            types=self._types,
            persons=self._subscriber.grants.persons,
            max_bytes=MOST_BYTES,
        )
        reached = place.position if page["next"] is None else page["next"]
        return Found(page["events"], Place(reached, page["published"]), page["more"])

    def _check_end(self, place: Place) -> None:
        """Refuse a place that the log has not reached: it is a cursor of another log, or epoch."""
        end = self._call.ask(self.service, "events_position")["position"]
        if end < place.position:
            raise Refusal(409, "position_beyond_log", position=place.position, end=end)


def _beginning(call: Call, service: str, settings: Settings) -> Place:
    """Return where the client wants to begin. Raises 400."""
    after, position, since = (call.query[name] for name in ("after", "position", "since"))
    if sum(value is not None for value in (after, position, since)) > 1:
        raise Refusal(400, "two_beginnings")
    if since is not None:
        moment = _instant(since, settings).isoformat()
        position = call.ask(service, "events_position", since=moment)["position"]
    if position is not None:
        return Place(position, position)
    cursor = decode_cursor(_subject(service), "after", after)
    if cursor is None:
        return Place(0, 0)
    numbers = _PLACE.fullmatch(str(cursor))
    if numbers is None:
        raise Refusal(
            400, "invalid_cursor", errors=[{"parameter": "after", "message": "field_cursor"}]
        )
    return Place(int(numbers[1]), int(numbers[2]))


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
    position, published = found.place
    page = {
        "service": service,
        "events": [cloud_event(event["headers"], event["body"]) for event in found.events],
        "position": position,
        "more": found.more,
        "next": encode_cursor(_subject(service), f"{position}.{published}"),
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
