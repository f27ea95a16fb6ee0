"""A terminal of one of the staff, whose calls reach the services within this process.

What the broker does is done here: it vouches for the user of the URL. All else is the services'
own: schemas, callers, permissions, and the closed set of errors.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from unittest import mock

import msgspec
import psycopg

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="\nEventlet is deprecated")
    from shared.rpc.every_service import hosted
    from shared.rpc.server import Method

from services import staff_calls
from shared import context
from shared.bus.principals import principal_of
from shared.config import Settings, user_of
from shared.errors import ServiceError, from_wire
from shared.eventstore.postgres import PostgresStore
from shared.rpc.callers import believed


def staff_amqp_url(name: str) -> str:
    """Return the broker's URL of one of the staff; nothing listens there."""
    return f"amqp://staff.{name}:secret@127.0.0.1:1/"


def grant(settings: Settings, service: str, name: str, permission: str, up_to: int | None) -> None:
    """Grant a permission as an administrator does."""
    _change(settings, service, name, permission, up_to, granted=True)


def revoke(settings: Settings, service: str, name: str, permission: str) -> None:
    """Take a permission away as an administrator does."""
    _change(settings, service, name, permission, None, granted=False)


def _change(
    settings: Settings,
    service: str,
    name: str,
    permission: str,
    up_to: int | None,
    *,
    granted: bool,
) -> None:
    with psycopg.connect(
        settings.database_url, autocommit=True, options=f"-c search_path={service}"
    ) as owner:
        owner.execute(
            "INSERT INTO staff_grants (name, permission, up_to, granted, reason) "
            "VALUES (%s, %s, %s, %s, 'test')",
            (name, permission, up_to, granted),
        )


class ServicesHere:
    """Serves calls as the server process does, without a broker; stands in for RpcClient."""

    def __init__(
        self,
        stores: Mapping[str, PostgresStore],
        amqp_url: str,
        settings: Settings | None = None,
    ) -> None:
        self._stores = stores
        self._settings = settings
        self._user = user_of(amqp_url)

    def call(self, service: str, method: str, *, deadline: float = 5.0, **arguments: Any) -> Any:
        """Call a method as the user of the URL."""
        try:
            result = self.serve(service, method, _sent(arguments))
        except ServiceError as error:
            raise from_wire(_sent(error.as_wire())) from error
        return _sent(result)

    def close(self) -> None:
        """Have nothing to close."""

    def serve(self, service: str, method: str, arguments: dict[str, Any]) -> Any:
        """Serve a request as it was decoded; raises what the method raises."""
        serving: Any = hosted(_class_of(service))()
        serving.store = self._stores[service]
        serving.services = ServicesHere(self._stores, f"amqp://{service}:secret@127.0.0.1:1/")
        serving.settings = self._settings
        serving.server_context = SimpleNamespace(store=serving.store)
        (entrypoint,) = getattr(type(serving), method).nameko_entrypoints
        assert isinstance(entrypoint, Method)
        caller = principal_of(self._user)
        entrypoint.callers.check(caller)
        assert caller is not None
        loaded = entrypoint.load(arguments)
        with context.bind(**believed(caller, {})):
            return getattr(serving, method)(**loaded)


@contextmanager
def services_here(
    stores: Mapping[str, PostgresStore], settings: Settings | None = None
) -> Iterator[None]:
    """Let the staff CLIs of this process reach these services without a broker."""

    def client(amqp_url: str) -> ServicesHere:
        return ServicesHere(stores, amqp_url, settings)

    with mock.patch.multiple(staff_calls, new_client=client, check_access=mock.DEFAULT):
        yield


def _class_of(service: str) -> type[Any]:
    module = import_module(f"services.{service}.service")
    found: type[Any] = next(
        value
        for value in vars(module).values()
        if isinstance(value, type) and getattr(value, "name", None) == service
    )
    return found


def _sent(value: Any) -> Any:
    return json.loads(msgspec.json.encode(value))
