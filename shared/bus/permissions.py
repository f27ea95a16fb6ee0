"""What each user of the broker may do there.

RabbitMQ checks three regular expressions against the name of an exchange or a queue: *configure*
(declare, delete), *write* (publish to an exchange; bind something to a queue) and *read* (consume
or purge a queue; bind something to an exchange). For a topic exchange it also checks the routing
key of a message (*write*) and of a binding (*read*); a user for whom an exchange has no such entry
may use any key. The default exchange, through which any queue can be written to, is called
``amq.default``. A queue's ``x-dead-letter-exchange`` and an exchange's ``alternate-exchange`` need
*write* on the exchange that they name.

Routing keys are a first barrier only. Before version 4 the broker does not check those in the
headers ``CC`` and ``BCC``, and in no version the one with which a queue dead-letters. So readers
believe nothing but ``user_id`` (:mod:`shared.bus.principals`), and each RPC names its callers.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from shared.books import service_of, with_books
from shared.bus.grants import Grants
from shared.bus.principals import NAME, Kind, Principal
from shared.config import GATEWAY, SERVICES
from shared.staff import PERMISSIONS

RPC_EXCHANGE = "nameko-rpc"
DEFAULT_EXCHANGE = "amq.default"

UPSTREAMS: Mapping[str, tuple[str, ...]] = {
    "accounts": ("identity",),
    "helpdesk": ("accounts", "identity", "ledger"),
    "ledger": ("accounts", "payments"),
    "payments": ("accounts", "ledger"),
    "notifications": (
        "identity",
        "accounts",
        "payments",
        "helpdesk",
    ),
}
"""Whose events a service reacts to; it may also call them, to fetch what it has missed."""


def upstreams_of(name: str, books: Collection[str] = ()) -> Sequence[str]:
    """Return whose events a service reacts to, or a book of the ledger: those of each book, too."""
    return with_books(UPSTREAMS.get(service_of(name), ()), books)


def readers_of(name: str, books: Collection[str] = ()) -> Sequence[str]:
    """Return who reacts to the events of a service, or of a book of the ledger."""
    service = service_of(name)
    return with_books([one for one, upstreams in UPSTREAMS.items() if service in upstreams], books)


CALLED: Mapping[str, tuple[str, ...]] = {
    "identity": (
        "accounts",
        "helpdesk",
        "notifications",
        "payments",
    ),
    "payments": ("accounts", "identity"),
    "helpdesk": ("accounts",),
    "notifications": ("identity", "helpdesk", "ledger"),
}
"""Whose methods a service calls besides."""

STAFFED = tuple(PERMISSIONS)
"""The services with methods for staff."""

CALLING_ROLES = frozenset({"clerk", "approver", "cashier", "operator"})
"""The roles of staff who call services; an auditor reads the database."""

SUBSCRIBERS_QUEUES = r"^(subscriber\.|evt-)"
"""The queues of all subscribers, as an operator policy names them."""
SUBSCRIBERS_POLICY = "saldo-subscribers"

NOTHING = "^$"
_UUID = "[0-9a-f-]{36}"
_METHOD = "[a-z0-9_]+"


class TopicRights(NamedTuple):
    """Which routing keys of an exchange may be published with (write) and bound by (read)."""

    write: str
    read: str


@dataclass(frozen=True)
class Rights:
    """The rights of a user of the broker in a virtual host, as regular expressions.

    ``topics`` are those on routing keys, by exchange. ``tags`` open the management API. ``limits``
    are RabbitMQ's user limits (``max-connections``, ``max-channels``).
    """

    configure: str = NOTHING
    write: str = NOTHING
    read: str = NOTHING
    topics: Mapping[str, TopicRights] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)

    def owns(self, name: str) -> bool:
        """Return whether the user may declare, and so delete, a queue or exchange of this name."""
        return re.search(self.configure, name) is not None

    def allows_binding(self, source: str, destination: str, routing_key: str) -> bool:
        """Return whether the user may bind a queue or exchange to an exchange."""
        topic = self.topics.get(source)
        return bool(
            re.search(self.write, destination)
            and re.search(self.read, source)
            and (topic is None or re.search(topic.read, routing_key))
        )


def rights_of_service(name: str, books: Collection[str] = ()) -> Rights:
    """Return the rights of a service: its own exchanges and queues, its upstreams, its calls.

    Where the ledger has further ``books``, whoever may hear and call it may do so with each.
    """
    service = service_of(name)
    upstreams = upstreams_of(name, books)
    exchanges = rf"{name}\.(log|events|persons|dead|checkpoints)"
    queues = [rf"rpc-{name}", _reply_queue(name)]
    heard = []
    if upstreams:
        queues.append(rf"{name}\.from\.{_any_of(upstreams)}")
        heard.append(rf"{_any_of(upstreams)}\.(log|events)")
    stream = rf"{name}\.stream"
    declared = [exchanges, stream, *queues]
    called = {*upstreams, *with_books(CALLED.get(service, ()), books)}
    return Rights(
        configure=_one_of(declared),
        write=_one_of([RPC_EXCHANGE, *declared]),
        # Its relay compares the log with the last message of the stream.
        read=_one_of([RPC_EXCHANGE, exchanges, stream, *queues, *heard]),
        topics={
            RPC_EXCHANGE: TopicRights(
                write=_one_of([*_calls_to(called), _ANY_REPLY]),
                read=_one_of([rf"{name}\.\*", _reply_key(name)]),
            )
        },
    )


def rights_of_gateway(books: Collection[str] = ()) -> Rights:
    """Return the rights of the gateway: calls to all services, and their replies."""
    return _caller(GATEWAY, with_books(SERVICES, books))


def rights_of_staff(name: str, roles: Collection[str], books: Collection[str] = ()) -> Rights:
    """Return the rights of one of the staff: calls to the services that have methods for staff.

    What a call may do is decided by the service. An operator also sees queues and connections, and
    may publish to any queue by its name: history is replayed to a subscriber like that.
    """
    if not CALLING_ROLES.intersection(roles):
        return Rights()
    user = _user("staff", name)
    limits = {"max-connections": 10, "max-channels": 20}
    staffed = with_books(STAFFED, books)
    return _caller(user, staffed, limits=limits, operator="operator" in roles)


def rights_of_subscriber(
    name: str,
    grants: Collection[str],
    *,
    persons: bool = False,
    personal: Collection[str] = SERVICES,
    books: Collection[str] = (),
) -> Rights:
    """Return the rights of a subscriber: queues of his own, bound to what he is granted.

    A grant is a service (all of its events) or ``<service>.<type>``. With ``persons`` he also gets
    the events that name persons. ``personal`` are the services that have such events: their stream
    is not for those who may not see persons. The checkpoints of the ledger are for everybody. What
    is granted of the ledger is granted of each of its ``books``.
    """
    user = _user("subscriber", name)
    own = [rf"{re.escape(user)}\..+", rf"evt-{_METHOD}-{_METHOD}--{re.escape(name)}\..+"]
    feeds = ("events", "persons") if persons else ("events",)
    read = [*own, *(rf"{log}\.checkpoints" for log in with_books(("ledger",), books))]
    topics = {}
    granted = {
        log: types
        for service, types in _granted(grants).items()
        for log in with_books((service,), books)
    }
    for service, types in sorted(granted.items()):
        read.append(rf"{service}\.{_any_of(feeds)}")
        if types is None and (persons or service_of(service) not in personal):
            read.append(rf"{service}\.stream")
        keys = ".*" if types is None else _one_of(rf"{one}(\.v[0-9]+)?" for one in sorted(types))
        for feed in feeds:
            topics[f"{service}.{feed}"] = TopicRights(write=NOTHING, read=keys)
    return Rights(
        configure=_one_of(own),
        write=_one_of(own),
        read=_one_of(read),
        topics=topics,
        limits={"max-connections": 20, "max-channels": 100},
    )


def _caller(
    user: str,
    services: Collection[str],
    *,
    limits: Mapping[str, int] | None = None,
    operator: bool = False,
) -> Rights:
    replies = _reply_queue(user)
    return Rights(
        configure=_one_of([replies]),
        write=_one_of([RPC_EXCHANGE, replies, *([re.escape(DEFAULT_EXCHANGE)] * operator)]),
        read=_one_of([RPC_EXCHANGE, replies]),
        topics={
            RPC_EXCHANGE: TopicRights(
                write=_one_of(_calls_to(services)), read=_one_of([_reply_key(user)])
            )
        },
        tags=("monitoring",) if operator else (),
        limits=limits or {},
    )


def _user(kind: Kind, name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name: up to 32 of a-z, 0-9, _ and -, from a letter on")
    return Principal(kind, name).user


def _granted(grants: Collection[str]) -> Mapping[str, frozenset[str] | None]:
    """Return service -> types; None: all of the service. Raises ValueError."""
    for grant in grants:
        service, dot, event = grant.partition(".")
        if service not in SERVICES or (dot and not re.fullmatch(_METHOD, event)):
            raise ValueError(f"a grant is a service or <service>.<type>, not {grant!r}")
    return Grants.stored(grants, persons=False).types


def _reply_queue(user: str) -> str:
    return rf"rpc\.reply-{re.escape(user)}[.-]{_UUID}"


def _reply_key(user: str) -> str:
    return rf"reply\.{re.escape(user)}\.{_UUID}"


_ANY_REPLY = rf"reply\.[a-z][a-z0-9_.-]*\.{_UUID}"


def _calls_to(services: Collection[str]) -> list[str]:
    return [rf"{_any_of(sorted(services))}\.{_METHOD}"] if services else []


def _any_of(names: Collection[str]) -> str:
    return f"({'|'.join(names)})"


def _one_of(patterns: Iterable[str]) -> str:
    return f"^({'|'.join(patterns)})$"
