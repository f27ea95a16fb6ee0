"""Service discovery: finds the parts of a service by the layout that all services share.

Small services leave files out, so a missing optional module is no error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from types import ModuleType
from typing import Any, cast

from shared.bus import Job, Published, Reaction, Services, Task
from shared.bus.listen import BATCH
from shared.bus.readable_losses import Handler, NoHandler, ReadableLosses
from shared.bus.recovering import recover
from shared.clock import Clock
from shared.config import SERVICES, Settings
from shared.eventstore import Recorded, Session
from shared.eventstore.key_jobs import (
    destroy_keys,
    destroy_keys_again,
    forget_destroyed,
    move_keys,
)
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.sealed_columns import BASE, SealedColumn
from shared.retention import load_retention


class UnknownServiceError(Exception):
    """No service has this name."""


def check_names(names: Sequence[str]) -> list[str]:
    """Return the names, or all services if there are none; raises UnknownServiceError."""
    for name in names:
        if name not in SERVICES:
            raise UnknownServiceError(
                f"{name} is not a service; the services are {', '.join(SERVICES)}"
            )
    return list(names) or list(SERVICES)


def open_store(
    name: str, settings: Settings, *, clock: Clock | None = None, **options: Any
) -> PostgresStore:
    """Open the store of a service."""
    return PostgresStore(
        settings,
        name,
        import_module(f"services.{name}.domain").EVENTS,
        import_module(f"services.{name}.readmodel").ReadModel,
        clock=clock,
        **options,
    )


def migrations_of(name: str) -> Traversable:
    """Return the directory of a service's SQL migrations."""
    return files(f"services.{name}").joinpath("migrations")


def publisher_of(name: str) -> Callable[[Recorded], Published]:
    """Return the function that converts a service's domain events to published ones."""
    publish: Callable[[Recorded], Published] = import_module(f"services.{name}.publishing").publish
    return publish


def reactions_of(name: str) -> Mapping[str, Mapping[str, Reaction]]:
    """Return the reactions of a service: upstream service -> key of the contract -> reaction."""
    module = _optional(f"services.{name}.reactions")
    return module.REACTIONS if module else {}


def batch_of(name: str) -> int:
    """Return how many messages a service processes in one transaction."""
    module = _optional(f"services.{name}.reactions")
    return int(getattr(module, "BATCH", BATCH))


MOST_SWEPT = 1000
"""Rows that are deleted in one transaction."""


def _forget(services: Services) -> int:
    """Delete what a service has kept for its time; return how much of it there was."""
    kept = load_retention()

    def forget(session: Session, _: None) -> int:
        destroyed = forget_destroyed(session.cursor, session.now - kept.destroyed_keys, MOST_SWEPT)
        return destroyed + session.security.sweep(session.now - kept.security_log, MOST_SWEPT)

    return services.store.transact(forget, None)


def _again(store: PostgresStore) -> int:
    """Destroy keys that a restored dump has brought back; return 0, so that the next run waits."""
    destroy_keys_again(store)
    return 0


def recovery_of(name: str) -> Handler:
    """Return what a service does about events that its log has lost."""
    module = _optional(f"services.{name}.lost_events")
    return ReadableLosses(name, cast(Handler, module) if module else NoHandler())


_OF_EVERY_SERVICE = (
    Job("destroy_keys", every=5.0, run=lambda services: destroy_keys(services.store)),
    Job("move_keys", every=60.0, run=lambda services: move_keys(services.store)),
    Job("destroy_keys_again", every=3600.0, run=lambda services: _again(services.store)),
    Job("forget", every=3600.0, run=_forget),
)


def jobs_of(name: str) -> Sequence[Job]:
    """Return the jobs of a service; every service has those of keys and of retention."""
    module = _optional(f"services.{name}.jobs")
    # First: the others ask whether something is lost that is not brought back.
    recovering = Job("recover", every=2.0, run=partial(recover, handler=recovery_of(name)))
    return (recovering, *_OF_EVERY_SERVICE, *(module.JOBS if module else ()))


def tasks_of(name: str, settings: Settings) -> Sequence[Task]:
    """Return the lasting work of each worker process of a service."""
    module = _optional(f"services.{name}.tasks")
    return module.tasks(settings) if module else ()


def sealed_columns_of(name: str) -> Sequence[SealedColumn]:
    """Return what a service stores under its key ring."""
    module = _optional(f"services.{name}.sealed")
    return (*BASE, *(module.SEALED if module else ()))


def _optional(name: str) -> ModuleType | None:
    return import_module(name) if find_spec(name) else None
