"""A password of a role reaches the database as what it is checked by, never as itself."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from shared.database import connect_as_owner
from shared.eventstore.privileges import make_login
from tests.conftest import Database

pytestmark = pytest.mark.nodes

ROLE, PASSWORD = "saldo_of_this_test", "ключ'of-this-test"


def test_no_statement_has_the_password_of_a_role(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log of a server has statements that took long, and pg_stat_activity those of others."""
    said: list[str] = []
    execute = psycopg.Connection.execute

    def recorded(connection: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        text = query.as_string(connection) if isinstance(query, sql.Composable) else str(query)
        said.append(text)
        return execute(connection, query, *arguments, **options)

    url = database.settings.database_url
    with connect_as_owner(url) as owner:
        with monkeypatch.context() as patch:
            patch.setattr(psycopg.Connection, "execute", recorded)
            for _ in ("made", "set anew"):
                make_login(owner, ROLE, PASSWORD)
        try:
            assert [
                text.split()[0] for text in said if ROLE in text and "ROLE" in text.split()
            ] == [
                "CREATE",
                "ALTER",
            ]
            assert not [text for text in said if "of-this-test" in text]
            with psycopg.connect(make_conninfo(url, user=ROLE, password=PASSWORD)) as own:
                assert own.execute("SELECT current_user").fetchone() == (ROLE,)
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(make_conninfo(url, user=ROLE, password="another"))
        finally:
            owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(ROLE)))
