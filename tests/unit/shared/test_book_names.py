"""Books: their names, what follows from these, and who may do what with each at the broker."""

from __future__ import annotations

import re

import pytest

from services.discovery import UnknownServiceError, check_names, reactions_of
from services.ledger.seal.keys import DEFAULT_NAME, NAME, environ_of, naming_settings_of, seal_keys
from services.staff_administration import HERE, StaffAdministration
from shared.books import book_of, books_of, is_book, log_of, service_of, with_books
from shared.bus.permissions import (
    RPC_EXCHANGE,
    readers_of,
    rights_of_gateway,
    rights_of_service,
    rights_of_staff,
    rights_of_subscriber,
    upstreams_of,
)
from shared.bus.principals import Principal, principal_of
from shared.config import SERVICES, ConfigurationError, load_settings
from shared.contracts import contracts_of
from shared.errors import Forbidden
from shared.rpc.callers import callers_of

NORTH, SOUTH = "ledger_north", "ledger_south"
BOOKS = (NORTH, SOUTH)


@pytest.mark.parametrize("text", ["north,north", "North", "9", "reader", "moved", "a-b", "a" * 17])
def test_what_is_no_name_of_a_book_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="SALDO_LEDGER_BOOKS"):
        load_settings({"SALDO_LEDGER_BOOKS": text})


def test_books_have_settings_of_their_own() -> None:
    settings = load_settings(
        {
            "SALDO_LEDGER_BOOKS": "north, south",
            "SALDO_DATABASE_URL": "postgresql://owner@first/saldo",
            "SALDO_DATABASE_URL_LEDGER_NORTH": "postgresql://saldo_ledger_north@first/saldo",
            "SALDO_DATABASE_URL_LEDGER_SOUTH": "postgresql://saldo_ledger_south@second/saldo",
            "SALDO_LOGIN_URL_LEDGER_SOUTH": "postgresql://owner@second/saldo",
            "SALDO_DATABASE_URL_SEALER": "postgresql://saldo_sealer@first/saldo",
            "SALDO_DATABASE_URL_SEALER_SOUTH": "postgresql://saldo_sealer@second/saldo",
        }
    )
    assert settings.books == BOOKS
    assert [settings.owner_url_of(log).split("@")[1] for log in ("ledger", *BOOKS)] == [
        "first/saldo",
        "first/saldo",
        "second/saldo",
    ]
    assert [settings.sealer_url_of(log).split("@")[1] for log in BOOKS] == [
        "first/saldo",
        "second/saldo",
    ]
    assert settings.database_role_of(NORTH) == "saldo_ledger_north"


def test_an_installation_that_says_nothing_has_one_book_with_the_names_of_ever() -> None:
    assert load_settings({}).books == books_of("") == ()
    assert list(with_books(SERVICES, ())) == list(SERVICES)
    for service in SERVICES:
        assert rights_of_service(service, ()) == rights_of_service(service)
        assert NORTH not in str(rights_of_service(service))
    assert check_names([]) == list(SERVICES)


def test_a_name_leads_to_the_log_and_back() -> None:
    assert (log_of("north"), log_of("")) == (NORTH, "ledger")
    assert (book_of(NORTH), book_of("ledger")) == ("north", "")
    assert [service_of(name) for name in (NORTH, "ledger", "payments")] == [
        "ledger",
        "ledger",
        "payments",
    ]
    assert is_book(NORTH)
    assert not any(map(is_book, ("ledger", "ledger_", "ledger_a-b", "payments_north")))
    assert list(with_books(("accounts", "ledger"), BOOKS)) == ["accounts", "ledger", *BOOKS]


def test_a_book_is_found_as_a_service_where_the_settings_name_it() -> None:
    assert check_names([NORTH], BOOKS) == [NORTH]
    with pytest.raises(UnknownServiceError):
        check_names([NORTH])
    assert contracts_of(NORTH) == contracts_of("ledger")
    assert set(reactions_of("payments", BOOKS)) == {"accounts", "ledger", *BOOKS}
    assert reactions_of(NORTH, BOOKS) == reactions_of("ledger")


def test_a_book_is_a_caller_like_the_ledger() -> None:
    assert principal_of(NORTH) == Principal("service", NORTH)
    callers_of(("ledger",)).check(principal_of(NORTH))
    with pytest.raises(Forbidden):
        callers_of(("payments",)).check(principal_of(NORTH))


def test_a_book_writes_its_own_exchanges_alone() -> None:
    rights = rights_of_service(NORTH, BOOKS)
    for name in ("log", "events", "stream", "dead", "checkpoints", "from.accounts"):
        assert re.search(rights.configure, f"{NORTH}.{name}")
        assert re.search(rights.write, f"{NORTH}.{name}")
    for other in ("ledger", SOUTH):
        assert not re.search(rights.write, f"{other}.log")
        assert not re.search(rights.configure, f"rpc-{other}")


def test_whoever_hears_and_calls_the_ledger_does_so_with_each_book() -> None:
    payments = rights_of_service("payments", BOOKS)
    callers = (payments, rights_of_gateway(BOOKS), rights_of_staff("anna", ["clerk"], BOOKS))
    for log in ("ledger", *BOOKS):
        assert re.search(payments.read, f"{log}.log")
        assert re.search(payments.configure, f"payments.from.{log}")
        for rights in callers:
            assert re.search(rights.topics[RPC_EXCHANGE].write, f"{log}.balance")
    identity = rights_of_service("identity", BOOKS)
    assert not re.search(identity.read, f"{NORTH}.log")


def test_a_grant_of_the_ledger_is_one_of_each_book() -> None:
    rights = rights_of_subscriber("mart", ["ledger"], personal=(), books=BOOKS)
    for log in ("ledger", *BOOKS):
        assert re.search(rights.read, f"{log}.events")
        assert re.search(rights.read, f"{log}.stream")
        assert re.search(rights.read, f"{log}.checkpoints")
        assert not re.search(rights.read, f"{log}.log")
        assert re.search(rights.topics[f"{log}.events"].read, "payment_posted")


def test_a_book_is_sealed_under_a_name_and_a_key_of_its_own() -> None:
    environ = {
        "SALDO_LEDGER_SEAL_KEY": "A" * 43 + "=",
        "SALDO_LEDGER_NORTH_SEAL_KEY": "B" * 43 + "=",
        "SALDO_LEDGER_WITNESS_DIR": "/witness/first",
    }
    first, north = (environ_of(log, environ) for log in ("ledger", NORTH))
    assert seal_keys(first).origin == DEFAULT_NAME
    assert seal_keys(north).origin == f"{DEFAULT_NAME}/north"
    assert seal_keys(first).signer.verifier != seal_keys(north).signer.verifier
    assert "SALDO_LEDGER_WITNESS_DIR" not in north
    named = environ_of(NORTH, environ | {NAME: "billing.example/ledger"})
    assert seal_keys(named).origin == "billing.example/ledger/north"


def test_a_refusal_names_the_settings_of_the_book() -> None:
    with (
        pytest.raises(ConfigurationError, match="SALDO_LEDGER_SOUTH_SEAL_KEY"),
        naming_settings_of(SOUTH),
    ):
        seal_keys(environ_of(SOUTH, {}))


def test_readers_of_books_are_known_as_those_of_the_ledger() -> None:
    for log in ("ledger", *BOOKS):
        assert list(upstreams_of(log, BOOKS)) == list(reactions_of(log, BOOKS))
        assert list(readers_of(log, BOOKS)) == ["helpdesk", "payments"]
    assert set(upstreams_of("payments", BOOKS)) == set(reactions_of("payments", BOOKS))
    assert set(readers_of("payments", BOOKS)) == {"ledger", *BOOKS, "notifications"}


def test_the_first_book_may_be_in_a_database_of_its_own_too() -> None:
    """As one that has moved is, for whoever signs in."""
    settings = load_settings(
        {
            "SALDO_DATABASE_URL": "postgresql://owner@first/saldo",
            "SALDO_LOGIN_URL_LEDGER": "postgresql://owner@second/saldo",
            "SALDO_STAFF_LOGIN_URL_LEDGER": "postgresql://staff.operator@second/saldo",
        }
    )
    assert settings.owner_url_of("ledger") == "postgresql://owner@second/saldo"
    assert settings.staff_url_of("ledger") == "postgresql://staff.operator@second/saldo"
    assert settings.owner_url_of("accounts") == "postgresql://owner@first/saldo"
    administration = StaffAdministration(settings)
    assert administration._logs("ledger") == ["ledger"]
    assert "ledger" not in administration._logs(HERE)
    assert administration._elsewhere() == ["ledger"]
