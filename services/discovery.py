"""Service discovery: finds the parts of a service by the layout that all services share.

Small services leave files out, so a missing optional module is no error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from shared.books import SPLIT, service_of, with_books
from shared.clock import Clock
from shared.config import SERVICES, Settings

# What only workers need: staff verbs open stores, and start at once without the bus.
if TYPE_CHECKING:
    from shared.bus import Job, Published, Reaction, Task
    from shared.bus.readable_losses import Handler
    from shared.eventstore import Recorded
    from shared.eventstore.postgres import PostgresStore
    from shared.eventstore.sealed_columns import SealedColumn


class UnknownServiceError(Exception):
    """No service has this name."""


def check_names(names: Sequence[str], books: Sequence[str] = ()) -> list[str]:
    """Return the names, or all services and books if there are none; raises UnknownServiceError.

    ``books`` are the logs of the ledger's further ones, which a name may be of, too.
    """
    known = with_books(SERVICES, books)
    for name in names:
        if name not in known:
            raise UnknownServiceError(
                f"{name} is not a service; the services are {', '.join(known)}"
            )
    return list(names or known)


def open_store(
    name: str, settings: Settings, *, clock: Clock | None = None, **options: Any
) -> PostgresStore:
    """Open the store of a service, or of a book of the ledger."""
    from shared.eventstore.postgres import PostgresStore

    return PostgresStore(
        settings,
        name,
        _module(name, "domain").EVENTS,
        _module(name, "readmodel").ReadModel,
        clock=clock,
        **options,
    )


def migrations_of(name: str) -> Traversable:
    """Return the directory of a service's SQL migrations."""
    return files(f"services.{service_of(name)}").joinpath("migrations")


def publisher_of(name: str) -> Callable[[Recorded], Published]:
    """Return the function that converts a service's domain events to published ones."""
    publish: Callable[[Recorded], Published] = _module(name, "publishing").publish
    return publish


def reactions_of(name: str, books: Sequence[str] = ()) -> Mapping[str, Mapping[str, Reaction]]:
    """Return the reactions of a service: upstream -> key of the contract -> reaction.

    Those to the ledger are to each of its ``books``, too.
    """
    module = _optional(name, "reactions")
    reactions: dict[str, Mapping[str, Reaction]] = dict(module.REACTIONS) if module else {}
    if SPLIT in reactions:
        reactions |= dict.fromkeys(books, reactions[SPLIT])
    return reactions


def batch_of(name: str) -> int:
    """Return how many messages a service processes in one transaction."""
    from shared.bus.listen import BATCH

    module = _optional(name, "reactions")
    return int(getattr(module, "BATCH", BATCH))


def recovery_of(name: str) -> Handler:
    """Return what a service does about events that its log has lost."""
    module = _optional(name, "lost_events")
    from shared.bus.readable_losses import NoHandler, ReadableLosses

    return ReadableLosses(name, cast("Handler", module) if module else NoHandler())


def jobs_of(name: str) -> Sequence[Job]:
    """Return the jobs of a service; every service has those of keys and of retention."""
    from services.housekeeping import jobs_of_every_service

    module = _optional(name, "jobs")
    return (*jobs_of_every_service(recovery_of(name)), *(module.JOBS if module else ()))


def tasks_of(name: str, settings: Settings) -> Sequence[Task]:
    """Return the lasting work of each worker process of a service."""
    module = _optional(name, "tasks")
    return module.tasks(settings) if module else ()


def sealed_columns_of(name: str) -> Sequence[SealedColumn]:
    """Return what a service stores under its key ring."""
    from shared.eventstore.sealed_columns import BASE

    module = _optional(name, "sealed")
    return (*BASE, *(module.SEALED if module else ()))


def _optional(name: str, part: str) -> ModuleType | None:
    module = f"services.{service_of(name)}.{part}"
    return import_module(module) if find_spec(module) else None


def _module(name: str, part: str) -> Any:
    return import_module(f"services.{service_of(name)}.{part}")
