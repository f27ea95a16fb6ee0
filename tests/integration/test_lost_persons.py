"""What must not live again once the database of identity or of accounts was put back."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from services import terminal
from services.accounts import cli
from services.accounts import lost_events as of_accounts
from services.accounts.cabinet import Cabinet, cabinet_id
from services.helpdesk import lost_events as of_helpdesk
from services.identity import lost_events as of_identity
from shared.eventstore.lost_events import Fate, LostEvent
from tests.conftest import Database
from tests.integration.test_accounts import DEMO
from tests.integration.test_identity import IP, OWN, Identity

pytestmark = pytest.mark.nodes

NUMBER = "0100000001"


@pytest.fixture
def identity(database: Database) -> Identity:
    return Identity(database)


def lost(type_: str, position: int = 9, **data: Any) -> LostEvent:
    return LostEvent(
        epoch="1",
        position=position,
        version=1,
        type=type_,
        subject="s",
        occurred_at=datetime(2026, 11, 23, 9, 0, tzinfo=UTC),
        correlation_id="c",
        data=data,
    )


def protect(identity: Identity, *events: LostEvent, whole: bool = True) -> None:
    services: Any = SimpleNamespace(store=identity.store)
    of_identity.protect(services, events, whole=whole)


def person_of(identity: Identity) -> str:
    with identity.database.owner("identity") as owner:
        (person_id,) = owner.execute("SELECT person_id FROM persons").fetchone()
    return str(person_id)


def sign_in(identity: Identity, password: str = OWN) -> str:
    return identity.outcome(
        "sign_in", email="anna@example.org", password=password, device="Firefox", ip=IP
    )


def sessions(identity: Identity) -> int:
    with identity.database.owner("identity") as owner:
        (count,) = owner.execute("SELECT count(*) FROM sessions").fetchone()
    return int(count)


def test_sessions_end_where_something_is_lost(identity: Identity) -> None:
    identity.member()
    protect(identity)
    assert sessions(identity) == 1
    protect(identity, lost("profile_changed", person_id=person_of(identity)))
    assert sessions(identity) == 0
    assert sign_in(identity) == "done"


def test_sessions_end_where_nobody_knows_what_is_lost(identity: Identity) -> None:
    identity.member()
    protect(identity, whole=False)
    assert sessions(identity) == 0


def test_link_of_a_letter_opens_nothing_any_more(identity: Identity) -> None:
    identity.member()
    token = identity.reset_token(email="anna@example.org", ip=IP)
    protect(identity, lost("password_reset_requested", reset_id=str(uuid4())))
    refused = identity.outcome(
        "confirm_password_reset", token=token, new_password="другая длинная фраза 2", ip=IP
    )
    assert refused == "password_reset_not_found"


def test_old_password_of_a_lost_change_opens_nothing(identity: Identity) -> None:
    identity.member()
    person_id = person_of(identity)
    protect(identity, lost("password_changed", person_id=person_id))
    assert sign_in(identity) == "wrong_credentials"
    # The letter with the link to choose another one is due.
    with identity.database.owner("identity") as owner:
        (due,) = owner.execute(
            "SELECT count(*) FROM password_resets WHERE person_id = %s", (person_id,)
        ).fetchone()
    assert due == 1


def test_erased_person_is_erased_again(identity: Identity) -> None:
    identity.member()
    person_id = person_of(identity)
    protect(identity, lost("person_erased", person_id=person_id))
    with identity.database.owner("identity") as owner:
        (erased,) = owner.execute("SELECT erased FROM persons").fetchone()
    assert erased
    assert sign_in(identity) == "wrong_credentials"
    protect(identity, lost("person_erased", person_id=person_id))


def test_person_whose_key_is_gone_is_erased_again(identity: Identity) -> None:
    """The keys lie apart, and were not put back: nobody can read whom the log brings back."""
    identity.member()
    person_id = person_of(identity)
    with identity.database.keys_owner("identity") as owner:
        owner.execute("DELETE FROM data_keys WHERE subject = %s", (person_id,))
    protect(identity, lost("person_erased", person_id=person_id))
    with identity.database.owner("identity") as owner:
        (erased,) = owner.execute("SELECT erased FROM persons").fetchone()
    assert erased
    assert sign_in(identity) == "wrong_credentials"


def test_person_who_is_not_known_needs_no_protection(identity: Identity) -> None:
    protect(
        identity,
        lost("person_erased", person_id=str(uuid4())),
        lost("password_changed", person_id=str(uuid4())),
    )


def test_access_that_had_ended_is_ended_again_and_given_ones_are_given(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "load_settings", lambda: database.settings)
    store = database.store("accounts")
    services: Any = SimpleNamespace(store=store)
    anna, boris = str(uuid4()), str(uuid4())

    def linked(person_id: str, position: int) -> LostEvent:
        return lost(
            "account_linked", position, number=NUMBER, person_id=person_id, other_person_ids=[]
        )

    given = [linked(anna, 4), linked(boris, 5)]
    assert {one.fate for one in of_accounts.bring_back(services, given)} == {Fate.STAFF}
    imported = CliRunner().invoke(cli.app, ["import", str(DEMO), "--reason", "demo company"])
    assert imported.exit_code == 0, imported.output
    assert [one.fate for one in of_accounts.bring_back(services, given)] == [Fate.BROUGHT_BACK] * 2
    ended = lost("account_unlinked", 6, number=NUMBER, person_id=boris, ended_by="owner")
    of_accounts.protect(services, [*given, ended], whole=True)

    def links(person_id: str) -> int:
        cabinet = cabinet_id(UUID(person_id))
        return store.query(lambda session: len(session.load(Cabinet, cabinet).links))

    assert (links(anna), links(boris)) == (1, 0)
    # What was given and taken within the lost tail is not given again.
    fates = [one.fate for one in of_accounts.bring_back(services, [*given, ended])]
    assert fates == [Fate.NOTHING, Fate.NOTHING, Fate.BROUGHT_BACK]
    assert (links(anna), links(boris)) == (1, 0)


def test_numbers_of_lost_questions_are_not_given_again(database: Database) -> None:
    store = database.store("helpdesk")
    services: Any = SimpleNamespace(store=store)

    def last() -> int:
        return store.query(
            lambda session: session.cursor.execute("SELECT last FROM question_counter").fetchone()
        )["last"]

    of_helpdesk.protect(services, [], whole=True)
    assert last() == 0
    asked = [
        lost("question_asked", question_id=str(uuid4()), person_id=str(uuid4())) for _ in range(3)
    ]
    of_helpdesk.protect(services, asked, whole=True)
    assert last() >= 3
