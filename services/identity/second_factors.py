"""The second factors of persons: what is asked for after the password."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg


class SecondFactors:
    """Reads the second factors within a transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def methods(self, person_id: UUID) -> Sequence[str]:
        """Return the second factors that a person has."""
        return ()
