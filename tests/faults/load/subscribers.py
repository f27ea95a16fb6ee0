"""Subscribers: one by queue, one by the HTTP feed, one by the streams; each keeps what it got.

The first follows `docs/subscribing.md` to the letter: a gap is filled from the history. Each keeps
its lines in a file: what was delivered, and what took effect, in the order in which it did.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import amqp
import msgspec
import psycopg
import requests

from deploy.demo.client import TIMEOUTS
from services.subscriber_administration import SubscriberAdministration, new_credentials
from shared.bus.grants import Grants, types_of, types_with_persons
from shared.bus.principals import Principal
from shared.config import SERVICES, load_settings
from shared.errors import ServiceError
from tests.faults.books import logs_in
from tests.faults.load.beliefs import Notebook
from tests.faults.load.journals import Journal

NAME = "judge"
PREFETCH = 200
POLL_S = 1.0
AGAIN_S = 0.5
LOOK_BACK_S = 20.0
"""A reader of queues or streams looks into the history when nothing of a service has come for so
long. If that has more, it connects anew: it may be to a node whose copy stands still."""
AGAIN_FROM = timedelta(seconds=120)
"""A stream is read again from so long before the last message: a delivery may have been late."""
PAGE = 500
CONFLICT = 409
OUTAGES = (OSError, psycopg.Error, requests.RequestException, ServiceError)


class ForkError(Exception):
    """A log does not have what a reader has read of it; they share what is up to `position`."""

    def __init__(self, service: str, position: int, epoch: str) -> None:
        super().__init__(f"{service} is shared up to {position}")
        self.service = service
        self.position = position
        self.epoch = epoch


@dataclass
class Feed:
    """The history over HTTP."""

    url: str
    token: str

    def pages(
        self, service: str, after: int, epoch: str = ""
    ) -> Iterator[list[tuple[dict[str, Any], bytes]]]:
        """Yield pages of (headers, body) after a position, to the end of the log.

        Raises ForkError where the log does not have the position in that epoch.
        """
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {self.token}"
            query: dict[str, str | int] = {"service": service, "limit": PAGE, "position": after}
            query |= {"epoch": epoch} if epoch else {}
            while True:
                answer = session.get(f"{self.url}/api/v1/events", params=query, timeout=TIMEOUTS)
                if answer.status_code in {429, 503}:
                    time.sleep(float(answer.headers.get("Retry-After", AGAIN_S)))
                    continue
                if answer.status_code == CONFLICT:
                    params = answer.json()["params"]
                    raise ForkError(service, params["fork"], params["fork_epoch"])
                answer.raise_for_status()
                page = answer.json()
                yield [_as_message(event) for event in page["events"]]
                if not page["more"]:
                    return
                query = {"service": service, "limit": PAGE, "after": page["next"]}


def _as_message(event: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    own = {"saldoposition": "saldo_position", "saldopredecessor": "saldo_predecessor",
           "saldoepoch": "saldo_epoch"}  # fmt: skip
    headers = {
        own.get(name, f"cloudEvents_{name}"): value
        for name, value in event.items()
        if name != "data"
    }
    return headers, msgspec.json.encode(event["data"])


class Subscribers:
    """The three of them, added to the house as one subscriber who may see everything."""

    def __init__(self, environment: Mapping[str, str], folder: Path, notebook: Notebook) -> None:
        credentials = self._credentials = new_credentials()
        self._logs = logs_in(environment)
        self._admitting = threading.Lock()
        self._is_admitted = True
        self._admit()
        self._amqp = environment["SALDO_AMQP_URL"]
        self._own_user = (Principal("subscriber", NAME).user, credentials.password)
        self._feed = Feed(environment["SALDO_URL"], credentials.token)
        self._notebook = notebook
        self.journals = {
            kind: Journal(folder / f"subscriber-{kind}.jsonl", self._logs)
            for kind in ("queue", "feed", "stream")
        }
        for kind, journal in self.journals.items():
            notebook.note(
                f"{kind} subscriber",
                "subscriber",
                kind=kind,
                file=journal.path.name,
                services=list(self._logs),
                token=credentials.token,
            )
        self._declare()
        self._begin_whole()

    def close(self) -> None:
        for journal in self.journals.values():
            journal.close()

    def _admit(self) -> None:
        """Add the subscriber, or give it back the user of the broker that this has lost."""
        grants = Grants.parse(SERVICES, persons=True)
        SubscriberAdministration(load_settings()).add(NAME, grants, self._credentials, "faults")

    def _make_again(self) -> None:
        """Do what the operator of an emptied broker does, and its subscriber then, if it was."""
        with self._admitting:
            if not self._is_admitted:
                self._admit()
                self._declare()
                self._notebook.note("queue subscriber", "queues")
                self._is_admitted = True

    def _begin_whole(self) -> None:
        """Empty the queues: what came while some types were bound and others not has gaps."""
        with self._broker() as connection:
            channel = connection.channel()
            for service in self._logs:
                channel.queue_purge(queue_of(service))

    def _declare(self) -> None:
        """Declare the queues before there is any load: what is published from now on is in them."""
        with self._broker() as connection:
            channel = connection.channel()
            for service in self._logs:
                queue, persons = queue_of(service), types_with_persons(service)
                arguments = {"x-queue-type": "quorum"}
                channel.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)
                for type_ in types_of(service):
                    exchange = "persons" if type_ in persons else "events"
                    channel.queue_bind(queue, f"{service}.{exchange}", type_)

    # By queue

    def read_queues(self, stop: threading.Event) -> None:
        """Read all queues until stopped; what was lost is found in the history."""
        journal, heard = self.journals["queue"], dict[str, float]()

        def receive(message: amqp.Message) -> None:
            heard[message.delivery_info["consumer_tag"]] = time.monotonic()
            self._receive("queue", message)
            message.channel.basic_ack(message.delivery_tag)

        while not stop.is_set():
            with self._again(stop, "queue subscriber"), self._reading() as connection:
                for service in self._logs:
                    self._catch_up(service, journal, "history")
                channel = connection.channel()
                channel.basic_qos(0, PREFETCH, a_global=False)
                for service in self._logs:
                    channel.basic_consume(queue_of(service), consumer_tag=service, callback=receive)
                heard.update(dict.fromkeys(self._logs, time.monotonic()))
                self._follow(connection, journal, heard, stop)

    def _follow(
        self,
        connection: amqp.Connection,
        journal: Journal,
        heard: dict[str, float],
        stop: threading.Event,
    ) -> None:
        """Take what comes, until the history has more than a queue or stream that is silent.

        ``heard`` says when each service was last heard of: the others may go on all the time.
        """
        while not stop.is_set():
            _drain(connection)
            for service in self._logs:
                if time.monotonic() - heard[service] > LOOK_BACK_S:
                    before = journal.positions[service]
                    self._catch_up(service, journal, "history")
                    if journal.positions[service] != before:
                        return
                    heard[service] = time.monotonic()

    def _receive(self, kind: str, message: amqp.Message) -> None:
        """Take a message, unless it is of an epoch that the log does not have any more."""
        journal, headers, body = self.journals[kind], message.headers, _bytes(message)
        journal.delivered(kind, headers, body)
        service = str(headers["cloudEvents_source"]).removeprefix("/saldo/")
        epoch, known = str(headers.get("saldo_epoch", "")), journal.epochs[service]
        if (service, epoch) in journal.past:
            return  # a stream has thousands of them, and each would be a look into the history
        is_new = bool(known) and epoch != known
        if is_new or headers["saldo_predecessor"] > journal.positions[service]:
            self._catch_up(service, journal, "history")
        if not is_new or epoch == journal.epochs[service]:
            journal.take(kind, headers, body)
        else:
            journal.past.add((service, epoch))

    def _catch_up(self, service: str, journal: Journal, via: str) -> None:
        """Read the history to its end, first undoing what the log has lost."""
        try:
            self._read_on(service, journal, via)
        except ForkError as fork:
            journal.forget(service, fork.position, fork.epoch)
            self._read_on(service, journal, via)

    def _read_on(self, service: str, journal: Journal, via: str) -> None:
        position, epoch = journal.positions[service], journal.epochs[service]
        for page in self._feed.pages(service, position, epoch):
            for headers, body in page:
                journal.take(via, headers, body)

    # By feed

    def read_feed(self, stop: threading.Event) -> None:
        """Read the feed of each service in turn until stopped."""
        journal = self.journals["feed"]
        while not stop.wait(POLL_S):
            with self._again(stop, "feed subscriber"):
                for service in self._logs:
                    self._catch_up(service, journal, "feed")

    # By stream

    def read_streams(self, stop: threading.Event) -> None:
        """Read the streams until stopped, each from the first message, later from some time before
        the last one that came: a broker that was put back counts offsets anew, but not the time."""
        journal, heard = self.journals["stream"], dict[str, float]()
        came: dict[str, datetime] = {}

        def receive(message: amqp.Message) -> None:
            service = message.delivery_info["consumer_tag"]
            heard[service] = time.monotonic()
            self._receive("stream", message)
            message.channel.basic_ack(message.delivery_tag)
            # Not by the clock alone: a reader that is behind would pass over what it has not read.
            recorded = datetime.fromisoformat(str(message.headers["cloudEvents_time"]))
            came[service] = min(recorded, datetime.now(UTC))

        while not stop.is_set():
            with self._again(stop, "stream subscriber"), self._reading() as connection:
                for service in self._logs:
                    self._catch_up(service, journal, "history")
                channel = connection.channel()
                channel.basic_qos(0, PREFETCH, a_global=False)
                for service in self._logs:
                    since = came.get(service)
                    channel.basic_consume(
                        f"{service}.stream",
                        consumer_tag=service,
                        callback=receive,
                        arguments={"x-stream-offset": since - AGAIN_FROM if since else "first"},
                    )
                heard.update(dict.fromkeys(self._logs, time.monotonic()))
                self._follow(connection, journal, heard, stop)

    @contextmanager
    def _reading(self) -> Iterator[amqp.Connection]:
        self._make_again()
        with self._broker() as connection:
            yield connection

    @contextmanager
    def _broker(self) -> Iterator[amqp.Connection]:
        parts, (user, password) = urlsplit(self._amqp), self._own_user
        connection = amqp.Connection(
            f"{parts.hostname}:{parts.port}",
            user,
            password,
            virtual_host=parts.path.strip("/") or "/",
            connect_timeout=5,
            heartbeat=0,
        )
        try:
            connection.connect()
            yield connection
        finally:
            connection.collect()

    @contextmanager
    def _again(self, stop: threading.Event, who: str) -> Iterator[None]:
        """Let an outage end the block, and wait a little before the next one."""
        try:
            yield
        except (*OUTAGES, amqp.AMQPError) as outage:
            if isinstance(outage, (amqp.AccessRefused, amqp.NotFound)):
                self._is_admitted = False
            self._notebook.counts[f"{who}: {type(outage).__name__}"] += 1
            stop.wait(AGAIN_S)


def queue_of(service: str) -> str:
    """Return the name of the judge's queue of a service."""
    return f"{Principal('subscriber', NAME).user}.{service}"


def _drain(connection: amqp.Connection) -> None:
    """Process what comes within a moment."""
    with suppress(TimeoutError):
        connection.drain_events(timeout=AGAIN_S)


def _bytes(message: amqp.Message) -> bytes:
    body = message.body
    return body.encode() if isinstance(body, str) else bytes(body)
