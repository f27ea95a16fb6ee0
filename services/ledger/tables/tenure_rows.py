"""The table ``tenures``: whose time of a number begins and ends when."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from services.ledger.domain.tenures import Tenure

# The numbers are sent as one text: psycopg looks at each element of an array.
_OF_NUMBERS = (
    "SELECT number, tenure, since, until FROM tenures "
    "WHERE number = ANY(string_to_array(%s, E'\\n')) ORDER BY number, tenure"
)


def read_tenures(cursor: Any, numbers: Collection[str]) -> dict[str, tuple[Tenure, ...]]:
    """Return the tenures of numbers, in order; a number whose first one is open has none."""
    cursor.execute(_OF_NUMBERS, ("\n".join(numbers),))
    found: dict[str, tuple[Tenure, ...]] = {}
    for row in cursor.fetchall():
        found[row["number"]] = (*found.get(row["number"], ()), Tenure(**row))
    return found
