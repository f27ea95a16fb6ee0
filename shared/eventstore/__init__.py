"""The event store: an append-only log per service, and units of work upon it.

Reading order: :mod:`events` (what is kept), :mod:`aggregate` (what decides), :mod:`session` (the
unit of work), :mod:`recorder` (the log in PostgreSQL), :mod:`postgres` and :mod:`memory` (the two
stores), :mod:`migrations` (the tables and the roles).
"""

from shared.eventstore.aggregate import Aggregate
from shared.eventstore.events import Event, EventTypes, Recorded
from shared.eventstore.memory import MemoryStore
from shared.eventstore.session import ReadModel, Session, Store, Vault

__all__ = [
    "Aggregate",
    "Event",
    "EventTypes",
    "MemoryStore",
    "ReadModel",
    "Recorded",
    "Session",
    "Store",
    "Vault",
]
