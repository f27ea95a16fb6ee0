"""A database that a test has used is as new for the next one, or is not used again."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from shared.config import Settings
from tests.databases import Databases, kept_of

pytestmark = pytest.mark.nodes

Template = tuple[Settings, str]


def url_of(settings: Settings, name: str) -> str:
    return urlunsplit(urlsplit(settings.database_url)._replace(path=f"/{name}"))


@pytest.fixture
def own(base_settings: Settings, template: Template) -> Iterator[Databases]:
    """Databases that no other test gets."""
    settings, name = template
    with psycopg.connect(base_settings.database_url, autocommit=True) as owner:
        made = Databases(owner, name, settings.database_url)
        yield made
        made.close()


def test_rows_and_sequences_are_as_after_the_migrations(
    own: Databases, base_settings: Settings, template: Template
) -> None:
    used = own.take()
    with psycopg.connect(url_of(base_settings, used), autocommit=True) as owner:
        owner.execute("UPDATE helpdesk.question_counter SET last = last + 7")
        owner.execute("INSERT INTO helpdesk.closed_accounts VALUES ('0100000001')")
        owner.execute("CREATE TABLE helpdesk.seen (id bigserial PRIMARY KEY, position bigint)")
        owner.execute("GRANT SELECT ON helpdesk.seen TO PUBLIC")
        owner.execute("INSERT INTO helpdesk.seen (position) VALUES (7)")
        owner.execute(
            "SELECT nextval(format('%I.%I', schemaname, sequencename)::regclass) FROM pg_sequences"
        )
        own.give_back(used, url_of(base_settings, used))
        with pytest.raises(psycopg.OperationalError):
            owner.execute("SELECT 1")  # whoever was left there is sent away
    again = own.take()
    assert again == used
    with psycopg.connect(url_of(base_settings, again), autocommit=True) as owner:
        found = kept_of(owner)
    with psycopg.connect(template[0].database_url, autocommit=True) as owner:
        assert found == kept_of(owner)
    own.give_back(again, url_of(base_settings, again))


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE helpdesk.more (one int); CREATE VIEW helpdesk.most AS TABLE helpdesk.more",
        "ALTER TABLE helpdesk.questions RENAME TO answers",
        "ALTER TABLE helpdesk.questions ADD COLUMN more int",
        "DROP INDEX helpdesk.disputes_by_state",
        "CREATE SCHEMA more",
        "GRANT SELECT ON helpdesk.questions TO PUBLIC",
        "ALTER TABLE helpdesk.events DISABLE TRIGGER ALL",
        "ALTER DATABASE {name} SET statement_timeout = 1",
    ],
)
def test_a_database_whose_definitions_were_changed_is_dropped(
    own: Databases, base_settings: Settings, change: str
) -> None:
    used = own.take()
    with psycopg.connect(url_of(base_settings, used), autocommit=True) as owner:
        owner.execute(change.replace("{name}", used).encode())
    own.give_back(used, url_of(base_settings, used))
    fresh = own.take()
    assert fresh != used
    own.give_back(fresh, url_of(base_settings, fresh))
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url_of(base_settings, used))
