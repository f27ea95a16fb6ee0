"""The event store: an append-only log per service, and the unit of work on it.

Reading order: :mod:`events`, :mod:`aggregate`, :mod:`session` (the unit of work), :mod:`recorder`
(the log in PostgreSQL), :mod:`postgres` and :mod:`memory` (the two stores), :mod:`migrations` (the
tables and the roles).
"""

from shared.eventstore.aggregate import Aggregate, NeedsHistoryError
from shared.eventstore.events import Event, EventTypes, Recorded
from shared.eventstore.memory import MemoryStore
from shared.eventstore.session import ReadModel, Session, Store, Vault

__all__ = [
    "Aggregate",
    "Event",
    "EventTypes",
    "MemoryStore",
    "NeedsHistoryError",
    "ReadModel",
    "Recorded",
    "Session",
    "Store",
    "Vault",
]
