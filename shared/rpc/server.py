"""The methods that a service offers by RPC, and what is injected into it.

- A method names the callers that it serves, and knows them by the broker's user, never by a header.
- Arguments are keywords, loaded by a marshmallow schema before the method runs.
- Who called, and for what, is bound to the context of the call (:mod:`shared.rpc.serving`).

How requests arrive and replies leave is in :mod:`shared.rpc.consumer`. Both import nameko; only
``services/<name>/service.py`` and the server process import this module.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import wraps
from typing import Any

from marshmallow import RAISE, Schema, ValidationError
from nameko.extensions import DependencyProvider
from nameko.rpc import Rpc

from shared import context, telemetry
from shared.bus.messages import Publish
from shared.bus.principals import principal_of
from shared.config import Settings
from shared.errors import Forbidden, ServiceError, ValidationFailed
from shared.eventstore import Store
from shared.eventstore.postgres import PostgresStore
from shared.rpc.callers import Callers, callers_of
from shared.rpc.client import RpcClient
from shared.rpc.consumer import CONFIG_KEY, RobustRpcConsumer
from shared.rpc.serving import note_refused
from shared.staff import granted


@dataclass(frozen=True)
class ServerContext:
    """The dependencies of a service in a server process, under ``CONFIG_KEY``."""

    settings: Settings
    client: RpcClient
    store: PostgresStore
    publish: Publish


class Method(Rpc):
    """An RPC method: ``@rpc(RequestSchema, callers=...)`` on one that takes the schema's fields."""

    rpc_consumer = RobustRpcConsumer()

    def __init__(
        self, request: type[Schema], callers: Callers, together: str = "", **kwargs: Any
    ) -> None:
        self._request = request
        self.callers = callers
        self.together = together
        self._schema = request(unknown=RAISE)
        super().__init__(expected_exceptions=(ServiceError,), **kwargs)

    def setup(self) -> None:
        super().setup()
        self.open_counters()

    def open_counters(self) -> None:
        """Begin the series of the method at zero."""
        labels = (self.container.service_name, self.method_name)
        self._ended = {
            outcome: telemetry.RPC_SERVED.labels(*labels, outcome)
            for outcome in (telemetry.OK, telemetry.FAILED)
        }
        self._seconds = telemetry.RPC_SERVED_SECONDS.labels(*labels)

    def count(self, outcome: str, seconds: float) -> None:
        """Count a call that was served, and how long it took."""
        counter = self._ended.get(outcome)
        if counter is None:
            labels = (self.container.service_name, self.method_name, outcome)
            counter = self._ended[outcome] = telemetry.RPC_SERVED.labels(*labels)
        counter.inc()
        self._seconds.observe(seconds)

    def load(self, arguments: Any) -> dict[str, Any]:
        """Return the arguments of a call; raises ValidationFailed ``invalid_request``."""
        try:
            return dict(self._schema.load(arguments))
        except ValidationError as error:
            raise ValidationFailed(
                "invalid_request",
                "Some arguments are missing or have the wrong form; see fields.",
                fields=error.messages,
            ) from None


def rpc(
    request: type[Schema], *, callers: Collection[str], together: str = ""
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Expose a method by RPC; the schema loads its keyword arguments.

    ``callers`` are names of services, ``"gateway"``, and ``staff(permission)``. Anybody else is
    refused with Forbidden ``caller_not_served``, staff without the permission with
    ``staff_may_not``. ``together`` names a method of the class that takes the arguments of many
    such calls and returns the result of each, or the ServiceError with which it is refused; it
    must not depend on who acts.
    """
    served = callers_of(callers)

    def expose(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def serve(service: Any, **arguments: Any) -> Any:
            _check_staff(service, served)
            return method(service, **arguments)

        return Method.decorator(request, served, together)(serve)  # type: ignore[no-any-return]

    return expose


def _check_staff(service: Any, callers: Callers) -> None:
    """Raise Forbidden ``staff_may_not`` if one of the staff calls who lacks the permission."""
    caller = principal_of(context.current().caller)
    if caller is None or caller.kind != "staff" or "*" in callers.permissions:
        return
    store, needed = service.server_context.store, callers.permissions
    if not store.look(
        lambda session: any(
            granted(session.cursor, caller.name, permission) for permission in needed
        )
    ):
        note_refused(service.name, ", ".join(sorted(needed)), caller)
        raise Forbidden(
            "staff_may_not",
            f"You may not do this: it takes the permission {' or '.join(sorted(needed))}, which "
            "an administrator grants by `saldo staff may`.",
            permissions=sorted(needed),
        )


class StoreProvider(DependencyProvider):
    """Injects the store of the service."""

    def get_dependency(self, worker_ctx: Any) -> Store:
        return _server(self).store


class SettingsProvider(DependencyProvider):
    """Injects the settings."""

    def get_dependency(self, worker_ctx: Any) -> Settings:
        return _server(self).settings


class RpcClientProvider(DependencyProvider):
    """Injects a client for calls to other services."""

    def get_dependency(self, worker_ctx: Any) -> RpcClient:
        return _server(self).client


class ServerContextProvider(DependencyProvider):
    """Injects all of these dependencies."""

    def get_dependency(self, worker_ctx: Any) -> ServerContext:
        return _server(self)


class Nothing(Schema):
    """A request without arguments."""


def _server(provider: DependencyProvider) -> ServerContext:
    found = provider.container.config[CONFIG_KEY]
    if not isinstance(found, ServerContext):
        raise TypeError("the server must be started by `python -m services serve`")
    return found
