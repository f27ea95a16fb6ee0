"""I6: each subscriber has every event in order, none twice in effect, none that the log has not.

The history as the API tells it is compared with the raw log (`published`), then each stream and
each subscriber's file with that history: their ids, positions, predecessors and contents.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import amqp
import msgspec

from shared.books import service_of
from tests.faults.checker.evidence import Evidence
from tests.faults.checker.findings import Finding
from tests.faults.checker.published import differences
from tests.faults.load.journals import Got, content_digest
from tests.faults.load.subscribers import Feed

INVARIANT = "I6"

STREAM_S = 20.0
QUIET_S = 1.0
AFTER_NEWEST_S = 0.1
PREFETCH = 500

ALWAYS_PUBLISHED: Mapping[str, frozenset[str]] = {
    "identity": frozenset({"person_registered", "password_changed", "profile_changed",
                           "registration_code_requested"}),
    "accounts": frozenset({"contract_registered", "account_linked", "account_unlinked"}),
    "ledger": frozenset({"account_opened", "charges_posted", "charges_adjusted", "penalty_accrued",
                         "payment_posted", "payment_refunded", "payment_reversed", "import_begun",
                         "import_finished"}),
    "payments": frozenset({"payment_started", "payment_captured", "payment_failed",
                           "payment_completed"}),
    "notifications": frozenset({"letter_sent", "letter_failed"}),
    "helpdesk": frozenset({"question_asked", "question_answered", "message_added",
                           "question_closed"}),
}  # fmt: skip
"""Topics of each log whose every event is published, as the contracts promise."""


class Event(NamedTuple):
    """A published event; `digest` is that of its content. One of a stream has no more than that."""

    position: int
    predecessor: int
    epoch: str
    id: str
    digest: str
    headers: Mapping[str, Any] = {}
    body: bytes = b""


def check(evidence: Evidence) -> Iterator[Finding]:
    """Check what was published against the log, and what arrived against what was published."""
    yield from _forks(evidence)
    notes = {belief.data["kind"]: belief for belief in evidence.about("subscriber")}
    token = next((belief.data["token"] for belief in notes.values()), None)
    if token is None:
        return
    feed = Feed(evidence.environment["SALDO_URL"], token)
    for log in evidence.logs:
        history = _history(feed, log)
        yield from _against_log(evidence, log, history)
        yield from _stream(evidence, log, history)
        for kind, belief in notes.items():
            if evidence.folder is not None and log in belief.data["services"]:
                got = lines_of(evidence, belief.data["file"], log)
                yield from _subscriber(evidence, f"{kind} of {log}", got, history, kind)


def _forks(evidence: Evidence) -> Iterator[Finding]:
    """Each of our own readers has read what is in the log of its upstream, or has stopped."""
    for log in evidence.logs:
        for row in evidence.rows_of(log, f"SELECT * FROM {log}.positions"):
            upstream, epoch, position = row["upstream"], row.get("epoch"), row["position"]
            if not epoch or row["stopped"] or position == 0:
                continue
            ends = evidence.epochs(upstream)
            if position > ends.get(epoch, -1):
                sentence = f"has read to {position} of epoch {epoch}; {upstream} has {ends}"
                yield Finding(INVARIANT, "fork unnoticed", f"{log} from {upstream}", sentence)


def _history(feed: Feed, log: str) -> dict[int, Event]:
    found: dict[int, Event] = {}
    for page in feed.pages(log, 0):
        for headers, body in page:
            position = int(headers["saldo_position"])
            found[position] = Event(
                position,
                int(headers["saldo_predecessor"]),
                str(headers.get("saldo_epoch", "")),
                str(headers["cloudEvents_id"]),
                content_digest(headers, body),
                headers,
                body,
            )
    return found


def _against_log(evidence: Evidence, log: str, history: Mapping[int, Event]) -> Iterator[Finding]:
    facts = {fact.position: fact for fact in evidence.facts(log)}
    for position, fact in facts.items():
        kind = fact.topic.split(".")[1]
        if kind in ALWAYS_PUBLISHED[service_of(log)] and position not in history:
            yield Finding(INVARIANT, "not published", f"{log} {position}", fact.topic)
    before = 0
    for position in sorted(history):
        event = history[position]
        if event.predecessor != before:
            sentence = f"names {event.predecessor} as its predecessor, it is {before}"
            yield Finding(INVARIANT, "chain of the history", f"{log} {position}", sentence)
        before = position
        # What was appended since the snapshot is nobody's fault.
        if position in facts:
            for sentence in differences(facts[position], event.headers, event.body):
                about = f"{log} {position}"
                yield Finding(INVARIANT, "published otherwise than logged", about, sentence)
        elif position <= max(facts, default=0):
            yield Finding(INVARIANT, "published and not in the log", f"{log} {position}")


def lines_of(evidence: Evidence, file: str, service: str | None = None) -> Iterator[Got]:
    """Yield what a subscriber has written down, of one service or of all."""
    assert evidence.folder is not None
    decoder = msgspec.json.Decoder(Got)
    with (evidence.folder / file).open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                got = decoder.decode(line)
                if service in (got.service, None):
                    yield got


def _subscriber(
    evidence: Evidence, who: str, lines: Iterator[Got], history: Mapping[int, Event], kind: str
) -> Iterator[Finding]:
    """Check the effects of one subscriber, and what was delivered to it."""
    last, effects, delivered = 0, dict[int, Got](), list[Got]()
    for got in lines:
        if got.how == "forgot":
            last = got.position
            effects = {place: one for place, one in effects.items() if place <= last}
        elif got.how == "delivered":
            delivered.append(got)
        elif got.position <= last:
            sentence = f"took effect after {last}"
            yield Finding(INVARIANT, "order or repetition", f"{who} {got.position}", sentence)
        else:
            last = got.position
            effects[last] = got
    for position, got in effects.items():
        right = history.get(position)
        if right is None or (right.id, right.digest) != (got.id, got.digest):
            yield _other(who, got, right)
    for position in sorted(history.keys() - effects.keys()):
        yield Finding(INVARIANT, "missing", f"{who} {position}", history[position].id)
    yield from _delivered(evidence, who, delivered, history)
    if kind == "queue" and delivered:
        service, ids = delivered[0].service, {got.id for got in delivered}
        first = min(got.position for got in delivered)
        for position, event in sorted(history.items()):
            is_missing = position > first and event.id not in ids
            if is_missing and not _never_came(evidence, service, position):
                sentence = f"{event.id} never came by the queue"
                yield Finding(INVARIANT, "never delivered", f"{who} {position}", sentence)


def _delivered(
    evidence: Evidence, who: str, delivered: Sequence[Got], history: Mapping[int, Event]
) -> Iterator[Finding]:
    order = _Order()
    for got in delivered:
        right = history.get(got.position)
        is_right = right is not None and (right.id, right.digest) == (got.id, got.digest)
        if not is_right and not evidence.is_ghost(got.service, got.position, got.epoch):
            yield _other(who, got, right)
        has_gap = order.gap_before(got) is not None
        if has_gap and not _never_came(evidence, got.service, got.predecessor):
            sentence = f"arrived before what it names before it, {got.predecessor}"
            yield Finding(INVARIANT, "gap in a delivery", f"{who} {got.position}", sentence)


def _never_came(evidence: Evidence, log: str, position: int) -> bool:
    gone = evidence.may_be_gone(log, position, from_queues=True)
    return gone or evidence.is_refused_at_failover(log, position)


class _Order:
    """Finds what is missing between messages, by how far each epoch has got.

    Older ones come again at any time: what a relay has sent by a node that stood still arrives once
    that goes on, after what was sent by another one.
    """

    def __init__(self) -> None:
        self._farthest: dict[str, int] = {}

    def gap_before(self, got: Event | Got) -> int | None:
        """Return the position after which something is missing before this message; None: nothing.

        What comes before the first message of an epoch is not looked at.
        """
        last = self._farthest.get(got.epoch)
        self._farthest[got.epoch] = max(last or 0, got.position)
        if last is None or got.position <= last or got.predecessor <= last:
            return None
        return last


def _other(who: str, got: Got, right: Event | None) -> Finding:
    sentence = f"{got.id} is not what the log has: {right.id if right else 'nothing'}"
    return Finding(INVARIANT, "not in the log", f"{who} {got.position}", sentence)


def _stream(evidence: Evidence, log: str, history: Mapping[int, Event]) -> Iterator[Finding]:
    """Read the stream of a log to its end, and compare it with the history."""
    found: dict[int, Event] = {}
    order = _Order()
    newest = max(history, default=0)
    url = evidence.environment["SALDO_AMQP_URL"]
    try:
        events = list(_messages(url, f"{log}.stream", newest))
    except (amqp.exceptions.ChannelError, OSError) as error:
        yield Finding(INVARIANT, "stream cannot be read", log, type(error).__name__)
        return
    for event in events:
        is_gone = evidence.may_be_gone(log, event.predecessor)
        last = order.gap_before(event)
        if last is not None and not is_gone:
            sentence = f"comes after {last}, and names {event.predecessor} before it"
            yield Finding(INVARIANT, "gap in the stream", f"{log} {event.position}", sentence)
        right = history.get(event.position)
        if right is None or right.id != event.id or right.digest != event.digest:
            if not evidence.is_ghost(log, event.position, event.epoch):
                sentence = f"{event.id}; the log has {right.id if right else 'nothing'}"
                about = f"{log} {event.position}"
                yield Finding(INVARIANT, "stream has what the log has not", about, sentence)
        else:
            found[event.position] = event
    for position in sorted(history.keys() - found.keys()):
        if evidence.may_be_gone(log, position):
            continue
        yield Finding(INVARIANT, "not in the stream", f"{log} {position}", history[position].id)


def _messages(url: str, queue: str, newest: int) -> Iterator[Event]:
    """Yield the messages of a stream from its first on, until nothing comes after the newest."""
    parts = urlsplit(url)
    connection = amqp.Connection(
        f"{parts.hostname}:{parts.port}",
        parts.username,
        parts.password,
        virtual_host=parts.path.strip("/") or "/",
        connect_timeout=5,
    )
    connection.connect()
    read: list[Event] = []

    def receive(message: amqp.Message) -> None:
        headers = message.headers
        body = message.body
        read.append(
            Event(
                int(headers["saldo_position"]),
                int(headers["saldo_predecessor"]),
                str(headers.get("saldo_epoch", "")),
                str(headers["cloudEvents_id"]),
                content_digest(headers, body.encode() if isinstance(body, str) else bytes(body)),
            )
        )
        message.channel.basic_ack(message.delivery_tag)

    try:
        channel = connection.channel()
        channel.basic_qos(0, PREFETCH, a_global=False)
        channel.basic_consume(queue, callback=receive, arguments={"x-stream-offset": "first"})
        ends = time.monotonic() + STREAM_S
        last = 0
        while time.monotonic() < ends:
            try:
                connection.drain_events(timeout=AFTER_NEWEST_S if last >= newest else QUIET_S)
            except TimeoutError:
                break
            yield from read
            last = max([last, *(one.position for one in read)])
            read.clear()
        yield from read
    finally:
        connection.collect()
