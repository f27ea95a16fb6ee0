"""Reading several services at once: one that cannot be read is named, and the rest is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Generic, NamedTuple, TypeVar

import psycopg

from services.terminal import opened_store
from shared.config import ConfigurationError
from shared.database_errors import is_transient
from shared.errors import Unavailable
from shared.eventstore.postgres import PostgresStore

R = TypeVar("R")


class Reachable(NamedTuple, Generic[R]):
    """What was read by service, the stores it was read from, and why others were not read."""

    found: dict[str, R]
    stores: dict[str, PostgresStore]
    unreachable: dict[str, str]


def read_each(
    stack: ExitStack, names: Sequence[str], read: Callable[[PostgresStore], R]
) -> Reachable[R]:
    """Return what is read of each service; the stack closes the stores."""
    reachable = Reachable[R]({}, {}, {})
    for name in names:
        try:
            store = stack.enter_context(opened_store(name))
            reachable.found[name] = read(store)
            reachable.stores[name] = store
        except (Unavailable, psycopg.Error) as error:
            if isinstance(error, psycopg.Error) and not is_transient(error):
                raise
            reachable.unreachable[name] = "its database does not answer"
        except ConfigurationError as error:  # whoever has signed in may read some services only
            reachable.unreachable[name] = str(error)
    return reachable


def sentences(unreachable: Mapping[str, str]) -> list[str]:
    """Return why services were not read: one sentence for all with the same reason."""
    reasons = dict.fromkeys(unreachable.values())
    return [
        f"{', '.join(name for name, why in unreachable.items() if why == reason)}: {reason}"
        for reason in reasons
    ]
