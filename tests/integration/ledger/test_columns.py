"""The lists of columns are those of the database."""

from __future__ import annotations

import pytest

from services.ledger.tables.columns import KEYS, TABLES
from tests.conftest import Database

pytestmark = pytest.mark.nodes

_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod)
  FROM pg_attribute
 WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
 ORDER BY attnum
"""
_KEY = """
SELECT a.attname
  FROM pg_index AS i
  JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
 WHERE i.indrelid = %s::regclass AND i.indisprimary
 ORDER BY a.attnum
"""


@pytest.mark.parametrize("table", TABLES)
def test_a_table_has_the_columns_of_its_list(module_database: Database, table: str) -> None:
    listed = [(column.name, column.type) for column in TABLES[table]]
    with module_database.owner("ledger") as owner:
        for name in (table, f"rebuilt_{table}"):
            assert owner.execute(_COLUMNS, (name,)).fetchall() == listed
            assert [key for (key,) in owner.execute(_KEY, (name,))] == list(KEYS[table])
