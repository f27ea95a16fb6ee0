"""What routes are written in: an operation, a call of it, its reply."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import quote
from uuid import UUID

from marshmallow import Schema
from werkzeug.routing import BaseConverter
from werkzeug.wrappers import Request

from gateway.messages import language_of, notice_text
from gateway.problems import Refusal
from shared.config import Settings

API = "/api/v1"

_CONVERTER = re.compile(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>")


class AccountPart(BaseConverter):
    """The part ``<account:number>`` of a path; any other text is no such path."""

    regex = "[0-9]{1,20}"


class MonthPart(BaseConverter):
    """The part ``<month:period>`` of a path."""

    regex = "[0-9]{4}-(0[1-9]|1[0-2])"


class AcquirerPart(BaseConverter):
    """The part ``<acquirer:name>`` of a path: what an installation calls an acquirer."""

    regex = "[a-z][a-z0-9]{0,15}"


class TokenPart(BaseConverter):
    """The part ``<token:token>`` of a path: the secret of a link in a letter."""

    regex = "[A-Za-z0-9_-]{43}"


PATH_PARTS: Mapping[str, type[BaseConverter]] = {
    "account": AccountPart,
    "month": MonthPart,
    "acquirer": AcquirerPart,
    "token": TokenPart,
}
"""Converters of paths, besides werkzeug's."""

SERVICE_TIMEOUT = 5.0
"""Seconds for a call that concerns our services alone."""

ACQUIRER_TIMEOUT = 20.0
"""Seconds for a call during which a service asks the acquirer."""


class Access(Enum):
    """Who may use an operation."""

    PUBLIC = "public"
    SIGNED_IN = "signed_in"
    ANY_PASSWORD = "any_password"  # noqa: S105 - also with a temporary password (S9)
    UNACCEPTED = "unaccepted"
    """Also while a new version of the rules or the consent waits to be accepted."""
    WITHOUT_FACTOR = "without_factor"
    """Also while a second factor is required and none is set up."""
    SUBSCRIBER = "subscriber"
    """Another system, by a token of its own; no person's session."""


class Idempotency(Enum):
    """How an operation treats the header Idempotency-Key."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


class ServiceCalls(Protocol):
    """The RPC client, as far as the gateway uses it."""

    def call(
        self,
        service: str,
        method: str,
        *,
        deadline: float = ...,
        command_id: UUID | None = ...,
        **arguments: Any,
    ) -> Any: ...


def template_of(path: str) -> str:
    """Return a path of werkzeug as OpenAPI and the metrics write it."""
    return _CONVERTER.sub(r"{\1}", path)


@dataclass(frozen=True, kw_only=True)
class Link:
    """An operation that continues with the result of another."""

    to: str
    """The name of its method."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Its path parameters, each with the member of the result that it takes."""
    body: Mapping[str, str] = field(default_factory=dict)
    """Members of its body, each with the member of the result that it takes."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One path and method of the API, as the server enforces it and OpenAPI describes it."""

    method: str
    path: str
    tag: str
    summary: str
    description: str
    access: Access = Access.SIGNED_IN
    body: type[Schema] | None = None
    query: type[Schema] | None = None
    status: int = 200
    result: type[Schema] | None = None
    media_type: str = "application/json"
    idempotency: Idempotency = Idempotency.NONE
    other_media_types: Sequence[str] = ()
    """Media types of the response besides ``media_type``."""
    receives: Callable[[Request, ServiceCalls, Access, Settings], Mapping[str, Any]] | None = None
    """Of an operation whose body is a file: what passes it on as it comes (`gateway.uploads`)."""
    free_parameters: bool = False
    """Whether the parameters are another system's: any names, in the query or a form, or JSON."""
    refusals: Mapping[int, Sequence[str]] = field(default_factory=dict)
    """The codes of its own refusals by status; ``gateway.refusals`` adds those of every route."""
    asks_services: bool = True
    """Whether a service must respond for it to succeed."""
    tells_limit: bool = False
    """Whether a success says what is left of its limit, as a 429 does."""
    location: str = ""
    """The header Location: the path of what was created, with ``{members}`` of the result."""
    links: Sequence[Link] = ()
    revalidates: bool = False
    """Whether the response has an ETag, and If-None-Match is honoured."""

    @cached_property
    def template(self) -> str:
        """The path as OpenAPI and the metrics write it: ``/payments/{payment_id}``."""
        return template_of(self.path)

    def location_of(self, data: Mapping[str, Any]) -> str:
        """Return the path of what a result says was created."""
        return self.location.format_map(
            {name: quote(str(value), safe="") for name, value in data.items()}
        )


@dataclass(frozen=True, kw_only=True)
class Person:
    """The signed-in person, and the session."""

    person_id: str
    session_id: str
    must_change_password: bool
    must_accept: Sequence[Mapping[str, str]] = ()
    """New versions to accept before anything else: each ``{kind, accepted, version}``."""
    must_add_factor: bool = False
    """Whether the operator requires a second factor, and there is none."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request whose body and query have passed the schemas of the operation."""

    request: Request
    services: ServiceCalls
    ip: str
    command_id: UUID
    path: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    """The JSON of another system (`free_parameters`), as it came."""
    file: Mapping[str, Any] = field(default_factory=dict)
    """What the help desk says of the file that came as the body (`receives`)."""
    person: Person | None = None
    subscriber: Any = None
    """Who asks, where the operation is for other systems (`gateway.subscriptions.Subscriber`)."""

    @property
    def signed_in(self) -> Person:
        """Return the person; operations that are not public always have one."""
        if self.person is None:
            raise Refusal(401, "not_signed_in")
        return self.person

    @property
    def person_id(self) -> str:
        return self.signed_in.person_id

    @property
    def language(self) -> str:
        """The language that the client prefers."""
        return language_of(self.request.accept_languages)

    def notice(self, code: str) -> str:
        """Return a notice in the language that the client prefers."""
        return notice_text(code, self.language)

    def ask(
        self, service: str, method: str, *, deadline: float = SERVICE_TIMEOUT, **arguments: Any
    ) -> Any:
        """Read something from a service."""
        return self.services.call(service, method, deadline=deadline, **arguments)

    def command(
        self, service: str, method: str, *, deadline: float = SERVICE_TIMEOUT, **arguments: Any
    ) -> Any:
        """Send a service a command; repeating the request has no further effect."""
        return self.services.call(
            service, method, deadline=deadline, command_id=self.command_id, **arguments
        )


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The result of a route that sets headers too."""

    data: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
