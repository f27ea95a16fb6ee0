"""The RPC by which callers learn which numbers are of which book."""

from __future__ import annotations

from typing import Any

from services.ledger.tables.book_rules import rules_of
from shared.config import GATEWAY
from shared.rpc.callers import staff
from shared.rpc.server import Nothing, StoreProvider, rpc


class BookRpcs:
    """The rules of the books."""

    store = StoreProvider()

    @rpc(Nothing, callers=("helpdesk", "notifications", "payments", GATEWAY, staff("*")))
    def books(self) -> Any:
        """Return ``{rules: [{prefix, book}]}``; a longer prefix goes before a shorter."""
        return self.store.query(rules_of)
