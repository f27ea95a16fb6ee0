"""The administration of the broker, over RabbitMQ's management HTTP API.

For set-up and for operators alone: its URL carries the broker's administrator. It knows users with
their rights, limits and policies, and lists queues, exchanges, bindings and connections.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

import requests

from shared.bus.definitions import queue_limit
from shared.bus.permissions import (
    NOTHING,
    RPC_EXCHANGE,
    SUBSCRIBERS_POLICY,
    SUBSCRIBERS_QUEUES,
    Rights,
    TopicRights,
    rights_of_staff,
    rights_of_subscriber,
)
from shared.bus.principals import principal_of
from shared.errors import Unavailable

TIMEOUT_S = 10.0
CLOSE_ATTEMPTS, CLOSE_AGAIN_S = 4, 0.25
CLOSE_EACH_S = 30.0
"""How long connections are closed one by one at most: the API finds each some seconds late."""
_NO_KEY = TopicRights(write=NOTHING, read=NOTHING)
_LOCAL = ("127.0.0.1", "::1", "localhost")


class BrokerAdministrationError(Unavailable):
    """The broker's management API cannot be used; the text says what to do."""

    def __init__(self, text: str) -> None:
        super().__init__("broker_unavailable", text)


class RefusedError(BrokerAdministrationError):
    """The management API has answered with a status that says so."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class User(NamedTuple):
    """A user of the broker."""

    name: str
    tags: tuple[str, ...]


class BrokerAdministration:
    """The administrator's view of one virtual host of a broker.

    All methods raise BrokerAdministrationError when the broker does not do what they ask. No
    password is in its text.
    """

    def __init__(self, admin_url: str, virtual_host: str = "/") -> None:
        parts = urlsplit(admin_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not parts.username:
            raise BrokerAdministrationError(
                "set SALDO_AMQP_ADMIN_URL to RabbitMQ's management API with its administrator, as "
                "http://user:password@host:15672"
            )
        self._user = unquote(parts.username)
        self._url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
        self.virtual_host = virtual_host
        self._session = requests.Session()
        self._session.auth = (self._user, unquote(parts.password or ""))
        # Proxies of the environment lead away from this machine.
        self._session.trust_env = parts.hostname not in _LOCAL

    # Users

    def put_user(self, name: str, password: str, rights: Rights) -> None:
        """Create a user, or change his password and rights; effective at once.

        Rights that he loses end his connections to the virtual host, and the bindings that they
        had allowed.
        """
        body = {"password": password, "tags": ",".join(rights.tags)}
        self._do("PUT", "users", name, body=body)
        self.put_rights(name, rights)

    def put_rights(self, name: str, rights: Rights) -> None:
        """Give a user who exists these rights and no others in the virtual host.

        Where they change, his connections to it are closed; those to another one stay.
        """
        self._put_limits(name, rights.limits)
        before = self._rights_now(name)
        if before == (rights.configure, rights.write, rights.read, rights.topics):
            return
        self._put_topics(name, rights, before[3] if before else {})
        self._do(
            "PUT", "permissions", self.virtual_host, name,
            body={"configure": rights.configure, "write": rights.write, "read": rights.read},
        )  # fmt: skip
        if before is not None:
            # The broker checks a binding when it is made, and remembers rights per channel.
            self._delete_bindings_beyond(rights)
            self._close_connections_here(name)

    def users(self) -> list[User]:
        """Return all users of the broker."""
        return [User(each["name"], _tags(each["tags"])) for each in self._get("users")]

    def rights(self, name: str) -> Rights | None:
        """Return what a user may do in the virtual host; None: nothing at all."""
        found = self._rights_now(name)
        return Rights(*found) if found else None

    def remove_user(self, name: str) -> None:
        """Remove one of the staff or a subscriber, with his connections and queues.

        Raises ValueError for any other user: services keep their queues.
        """
        principal = principal_of(name)
        if principal is None or principal.kind not in ("staff", "subscriber"):
            raise ValueError(f"{name} is neither one of the staff nor a subscriber")
        own = (
            rights_of_staff(principal.name, ("clerk",))
            if principal.kind == "staff"
            else rights_of_subscriber(principal.name, ())
        )
        self._do("DELETE", "users", name, missing_ok=True)
        self.close_connections(name)
        for kind in ("queues", "exchanges"):
            for each in self._get(kind, self.virtual_host):
                if own.owns(each["name"]):
                    self._do("DELETE", kind, self.virtual_host, each["name"], missing_ok=True)

    def close_connections(self, name: str) -> None:
        """Close all connections of a user, whichever virtual host they are to."""
        for left in reversed(range(CLOSE_ATTEMPTS)):
            try:
                self._do("DELETE", "connections", "username", name, missing_ok=True)
            except RefusedError as refused:
                # RabbitMQ fails where one of them is closing by itself just then.
                if refused.status < 500 or not left:
                    raise
                time.sleep(CLOSE_AGAIN_S)
            else:
                return

    def _close_connections_here(self, name: str) -> None:
        """Close a user's connections to this virtual host, and none that he has to another one."""
        before = {each["name"] for each in self._connections_of(name)}
        deadline = time.monotonic() + CLOSE_EACH_S
        while True:
            found = self._connections_of(name)
            here = [each["name"] for each in found if each["vhost"] == self.virtual_host]
            left = before.intersection(here)
            if not left:
                return
            if len(here) == len(found):
                self.close_connections(name)
                return
            if time.monotonic() > deadline:
                raise BrokerAdministrationError(
                    f"{len(left)} connections of {name} to the virtual host {self.virtual_host} "
                    "stay open, with the rights that he had: close them, as `rabbitmqctl "
                    f"close_all_user_connections {name} rights` does with all that he has"
                )
            for connection in left:
                self._do("DELETE", "connections", connection, missing_ok=True)
            time.sleep(CLOSE_AGAIN_S)

    def _connections_of(self, name: str) -> list[dict[str, Any]]:
        return self._get("connections", "username", name)

    # The virtual host

    def ensure_virtual_host(self) -> None:
        """Create the virtual host if it does not exist, and let the administrator use it."""
        if self._do("GET", "vhosts", self.virtual_host, missing_ok=True) is None:
            self._do("PUT", "vhosts", self.virtual_host)
            everything = {"configure": ".*", "write": ".*", "read": ".*"}
            self._do("PUT", "permissions", self.virtual_host, self._user, body=everything)

    def remove_virtual_host(self) -> None:
        """Delete the virtual host with all that is in it."""
        self._do("DELETE", "vhosts", self.virtual_host, missing_ok=True)

    def set_up(self, users: Mapping[str, tuple[str, Rights]], *, queue_bytes: int) -> None:
        """Create what must be there before the first process connects.

        That is the virtual host, the exchange of the RPCs, the users (name -> password and rights),
        and the limit of each queue of a subscriber.
        """
        self.ensure_virtual_host()
        self._do(
            "PUT", "exchanges", self.virtual_host, RPC_EXCHANGE,
            body={"type": "topic", "durable": True},
        )  # fmt: skip
        self.put_queue_limit(SUBSCRIBERS_POLICY, SUBSCRIBERS_QUEUES, queue_bytes)
        for name, (password, rights) in users.items():
            self.put_user(name, password, rights)

    def import_definitions(self, definitions: Mapping[str, Any]) -> None:
        """Import definitions, as RabbitMQ does at its start from a file."""
        self._do("POST", "definitions", body=definitions)

    def put_queue_limit(self, policy: str, pattern: str, most_bytes: int) -> None:
        """Let queues of this name grow to so many bytes; then their oldest messages are dropped.

        It is an operator policy, which a queue's own arguments cannot exceed.
        """
        self._do(
            "PUT", "operator-policies", self.virtual_host, policy,
            body=queue_limit(pattern, most_bytes),
        )  # fmt: skip

    def queues(self) -> list[dict[str, Any]]:
        """Return the queues of the virtual host, as the management API describes them."""
        return self._get("queues", self.virtual_host)

    def exchanges(self) -> list[dict[str, Any]]:
        """Return the exchanges of the virtual host."""
        return self._get("exchanges", self.virtual_host)

    def bindings(self) -> list[dict[str, Any]]:
        """Return the bindings of the virtual host."""
        return self._get("bindings", self.virtual_host)

    def connections(self) -> list[dict[str, Any]]:
        """Return the connections to the virtual host."""
        return self._get("vhosts", self.virtual_host, "connections")

    def _put_limits(self, name: str, limits: Mapping[str, int]) -> None:
        now: dict[str, int] = {}
        for each in self._get("user-limits", name):
            now |= each["value"]
        for limit in now.keys() - limits.keys():
            self._do("DELETE", "user-limits", name, limit)
        for limit, value in limits.items():
            if now.get(limit) != value:
                self._do("PUT", "user-limits", name, limit, body={"value": value})

    def _rights_now(self, name: str) -> tuple[str, str, str, Mapping[str, TopicRights]] | None:
        found = self._do("GET", "permissions", self.virtual_host, name, missing_ok=True)
        if found is None:
            return None
        topics = {
            each["exchange"]: TopicRights(each["write"], each["read"])
            for each in self._do(
                "GET", "topic-permissions", self.virtual_host, name, missing_ok=True
            )
            or ()
        }
        kept = {exchange: topic for exchange, topic in topics.items() if topic != _NO_KEY}
        return found["configure"], found["write"], found["read"], kept

    def _put_topics(self, name: str, rights: Rights, before: Mapping[str, TopicRights]) -> None:
        """Set the rights on routing keys, before those on exchanges.

        The API can only delete all of a user's at once, and without one any key is allowed. So one
        that he had is replaced by nothing.
        """
        gone = dict.fromkeys(before.keys() - rights.topics.keys(), _NO_KEY)
        for exchange, topic in {**gone, **rights.topics}.items():
            self._do(
                "PUT", "topic-permissions", self.virtual_host, name,
                body={"exchange": exchange, "write": topic.write, "read": topic.read},
            )  # fmt: skip

    def _delete_bindings_beyond(self, rights: Rights) -> None:
        for binding in self.bindings():
            source, target = binding["source"], binding["destination"]
            if not source or not rights.owns(target):
                continue
            if not rights.allows_binding(source, target, binding["routing_key"]):
                self._do(
                    "DELETE", "bindings", self.virtual_host, "e", source,
                    binding["destination_type"][0], target, binding["properties_key"],
                    missing_ok=True,
                )  # fmt: skip

    def _get(self, *path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._do("GET", *path)
        return found

    def _do(self, method: str, *path: str, body: Any = None, missing_ok: bool = False) -> Any:
        """Send a request; return its JSON, True without one, None where nothing was found."""
        where = "/".join(quote(part, safe="") for part in path)
        try:
            response = self._session.request(
                method,
                f"{self._url}/api/{where}",
                json=body,
                timeout=TIMEOUT_S,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # Its text may quote the request.
            raise BrokerAdministrationError(
                f"RabbitMQ's management API at {self._url} does not respond "
                f"({type(error).__name__}): check SALDO_AMQP_ADMIN_URL, and that the plugin "
                "rabbitmq_management is enabled"
            ) from None
        if missing_ok and response.status_code == 404:
            return None
        if not 200 <= response.status_code < 300:
            raise RefusedError(response.status_code, self._refusal(method, where, response))
        return response.json() if response.content else True

    def _refusal(self, method: str, where: str, response: requests.Response) -> str:
        if response.status_code in (401, 403):
            return (
                f"RabbitMQ does not let {self._user} {method} {where}: SALDO_AMQP_ADMIN_URL needs "
                "the password of a user with the tag administrator"
            )
        try:
            reason = str(response.json().get("reason", ""))
        except ValueError:
            reason = ""
        return f"RabbitMQ answered {response.status_code} to {method} {where}: {reason[:200]}"


def _tags(tags: Any) -> tuple[str, ...]:
    # A list since 3.9, text before.
    return tuple(tags if isinstance(tags, list) else [tag for tag in tags.split(",") if tag])
