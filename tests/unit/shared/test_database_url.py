"""Whom a database URL leads to; a malformed one is refused without quoting it."""

from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict

from shared.config import ConfigurationError
from shared.database import connection_info


@pytest.mark.parametrize(
    "url", ["postgresql:1//u:hunter2@h/db", "hunter2", "postgresql://u:hunter2@[h"]
)
def test_malformed_database_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        connection_info(url, "ledger", statement_timeout_ms=0)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
    assert "database URL of ledger" in str(refused.value)


@pytest.mark.parametrize("hosts", ["db", "db-1,db-2"])
def test_only_a_primary_is_connected_to_unless_the_url_says_otherwise(hosts: str) -> None:
    # Behind one address a proxy may lead to a follower for a moment.
    url = f"postgresql://saldo_ledger@{hosts}/saldo"
    made = conninfo_to_dict(connection_info(url, "ledger", statement_timeout_ms=0))
    assert made["target_session_attrs"] == "primary"
    asked = f"{url}?target_session_attrs=any"
    made = conninfo_to_dict(connection_info(asked, "ledger", statement_timeout_ms=0))
    assert made["target_session_attrs"] == "any"
