"""``saldo staff``: who is added, changed and removed, in the database and at the broker."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from services import staff_administration
from services.cli import app
from services.staff_logins import drop_login
from shared.bus.administration import BrokerAdministrationError, User
from shared.bus.permissions import Rights, rights_of_staff
from tests.conftest import Database
from tests.staff_logins import signed_in, staff_name

pytestmark = pytest.mark.nodes

NAME = staff_name("newcomer")
BY = ("--reason", "order 17")


class Broker:
    """Stands in for the administration of the broker."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[str, Rights]] = {}
        self.fails = False

    def put_user(self, name: str, password: str, rights: Rights) -> None:
        if self.fails:
            raise BrokerAdministrationError("RabbitMQ's management API does not respond")
        self.known[name] = (password, rights)

    def remove_user(self, name: str) -> None:
        self.known.pop(name, None)

    def users(self) -> list[User]:
        return [User(name, ()) for name in self.known]


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()
    monkeypatch.setattr(staff_administration, "BrokerAdministration", lambda *_: made)
    return made


@pytest.fixture
def env(database: Database) -> Iterator[dict[str, str]]:
    """The environment of an administrator's terminal."""
    settings = database.settings
    yield {
        "SALDO_AMQP_URL": "amqp://saldo:secret@127.0.0.1:1/",
        "SALDO_AMQP_ADMIN_URL": "http://saldo:secret@127.0.0.1:1",
        "SALDO_DATABASE_URL": settings.database_url,
        "SALDO_ROLE_PREFIX": settings.database_role_of("ledger").removesuffix("ledger"),
        "SALDO_SECRET_LEDGER": f"k1:{'00' * 32}",
        "SALDO_SECRET": "00" * 32,
        "COLUMNS": "200",
    }
    with database.owner("ledger") as owner:
        drop_login(owner, NAME)


@pytest.fixture
def saldo(env: dict[str, str], broker: Broker) -> Any:
    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["staff", *words], env=env)

    return run


def permissions(saldo: Any, name: str = NAME) -> set[tuple[str, str, int | None]]:
    listed = json.loads(saldo("list", "--json").stdout)
    return {
        (grant["service"], grant["permission"], grant["up_to"])
        for member in listed
        if member["name"] == name
        for grant in member["grants"]
    }


def settings_in(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.removeprefix("export ").split("=", 1) for line in lines)
    return {name: value.strip("'") for name, value in pairs}


def test_a_clerk_has_the_bus_and_no_database(saldo: Any, broker: Broker, tmp_path: Path) -> None:
    file = tmp_path / "staff" / "clerk.env"
    done = saldo("add", NAME, "--role", "clerk", "--env", str(file), *BY)
    assert done.exit_code == 0, (done.output, done.exception)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    given = settings_in(file)
    password, rights = broker.known[f"staff.{NAME}"]
    assert rights == rights_of_staff(NAME, ["clerk"])
    assert given == {
        "SALDO_AMQP_URL": f"amqp://staff.{NAME}:{password}@127.0.0.1:1/",
        "SALDO_ROLE_PREFIX": given["SALDO_ROLE_PREFIX"],
    }
    assert password not in done.output
    for verb in (("audit",), ("export", str(tmp_path / "all.csv")), ("replay", "--all")):
        refused = CliRunner().invoke(app, ["ledger", *verb], env=given)
        assert "nobody has signed in to the database" in " ".join(refused.stderr.split()), verb
    assert ("ledger", "adjust", 50_000_00) in permissions(saldo)
    assert ("helpdesk", "answer", None) in permissions(saldo)
    assert not {right for right in permissions(saldo) if right[1] == "approve"}


def test_an_auditor_has_a_login_and_nothing_at_the_bus(
    database: Database, saldo: Any, broker: Broker
) -> None:
    done = saldo("add", NAME, "--role", "auditor", "--json", *BY)
    assert done.exit_code == 0, (done.output, done.exception)
    given = json.loads(done.stdout)["settings"]
    assert given.keys() == {"SALDO_DATABASE_URL", "SALDO_ROLE_PREFIX"}
    assert broker.known == {}
    with psycopg.connect(given["SALDO_DATABASE_URL"]) as connection:
        assert connection.execute("SELECT count(*) FROM ledger.events").fetchone() == (0,)


def test_an_operator_works_at_his_own_terminal(database: Database, saldo: Any) -> None:
    given = json.loads(saldo("add", NAME, "--role", "operator", "--json", *BY).stdout)["settings"]
    assert given["SALDO_SECRET_LEDGER"] == f"k1:{'00' * 32}"
    assert "SALDO_SECRET" not in given
    own = CliRunner().invoke(app, ["ledger", "trial-balance", "--json"], env=given)
    assert own.exit_code == 0, (own.output, own.exception)
    writes = ["ledger", "replay", "--all", "--json"]
    rebuilt = CliRunner().invoke(app, writes, env={**given, "SALDO_SECRET": "00" * 32})
    assert rebuilt.exit_code == 0, (rebuilt.output, rebuilt.exception)
    with database.owner("ledger") as owner:
        row = owner.execute("SELECT recorded_by, result FROM commands").fetchone()
    assert row
    assert row[0] == f"staff.{NAME}"
    assert json.loads(row[1])["by"] == f"staff:{NAME}"


def test_an_auditor_is_told_that_he_may_not_write(saldo: Any) -> None:
    given = json.loads(saldo("add", NAME, "--role", "auditor", "--json", *BY).stdout)["settings"]
    refused = CliRunner().invoke(app, ["ledger", "replay", "--all"], env=given)
    assert refused.exit_code == 2
    sentence = f"staff.{NAME} may not write the database of ledger"
    assert sentence in " ".join(refused.stderr.split())


def test_nothing_is_added_when_the_broker_refuses(
    database: Database, saldo: Any, broker: Broker
) -> None:
    broker.fails = True
    failed = saldo("add", NAME, "--role", "operator", *BY)
    assert failed.exit_code == 2
    assert "does not respond" in failed.stderr
    broker.fails = False
    assert permissions(saldo) == set()
    with database.owner("ledger") as owner:
        assert not drop_login(owner, NAME)
    assert saldo("add", NAME, "--role", "operator", *BY).exit_code == 0
    assert permissions(saldo)


def test_adding_again_gives_a_new_password_and_keeps_limits(saldo: Any, broker: Broker) -> None:
    saldo("add", NAME, "--role", "clerk", *BY)
    before = broker.known[f"staff.{NAME}"]
    assert saldo("may", NAME, "adjust", "--up-to", "100000,00", *BY).exit_code == 0
    saldo("add", NAME, "--role", "clerk", *BY)
    assert broker.known[f"staff.{NAME}"] != before
    assert ("ledger", "adjust", 100_000_00) in permissions(saldo)


def test_another_role_takes_away_what_the_first_gave(
    database: Database, saldo: Any, broker: Broker
) -> None:
    saldo("add", NAME, "--role", "operator", *BY)
    assert saldo("add", NAME, "--role", "approver", *BY).exit_code == 0
    assert permissions(saldo) == {
        (service, permission, None)
        for service in ("ledger", "payments")
        for permission in ("approve", "read")
    }
    with database.owner("ledger") as owner:
        assert not drop_login(owner, NAME)
    assert f"staff.{NAME}" in broker.known
    assert saldo("add", NAME, "--role", "auditor", *BY).exit_code == 0
    assert broker.known == {}


def test_a_permission_is_given_limited_and_taken(saldo: Any) -> None:
    saldo("add", NAME, "--role", "clerk", *BY)
    both = saldo("may", NAME, "approve", "--up-to", "10,00", *BY)
    assert "--service: approve is a permission in ledger, payments" in both.output
    limited = ("approve", "--service", "ledger", "--up-to", "10,00")
    assert saldo("may", NAME, *limited, *BY).exit_code == 0
    assert ("ledger", "approve", 10_00) in permissions(saldo)
    assert saldo("may", NAME, "close", "--service", "helpdesk", "--not", *BY).exit_code == 0
    assert ("helpdesk", "close", None) not in permissions(saldo)
    dry = saldo("may", NAME, "write-off", "--not", "--dry-run", *BY)
    assert dry.exit_code == 0
    assert ("ledger", "write-off", 50_000_00) in permissions(saldo)


def test_nobody_raises_his_own_limit(database: Database, env: dict[str, str], saldo: Any) -> None:
    with signed_in(database, "boss", "administrator") as boss:
        words = ("may", boss.name, "adjust", "--up-to", "1,00", *BY)
        own = {**env, "SALDO_DATABASE_URL": boss.url}
        refused = CliRunner().invoke(app, ["staff", *words], env=own)
        assert refused.exit_code == 2
        assert "nobody_grants_himself" in refused.stderr
        saldo("add", NAME, "--role", "clerk", *BY)
        others = ["staff", "may", NAME, "adjust", "--up-to", "1,00", *BY]
        assert CliRunner().invoke(app, others, env=own).exit_code == 0
    assert ("ledger", "adjust", 1_00) in permissions(saldo)


def test_who_is_removed_has_nothing_left(database: Database, saldo: Any, broker: Broker) -> None:
    given = json.loads(saldo("add", NAME, "--role", "operator", "--json", *BY).stdout)["settings"]
    session = psycopg.connect(given["SALDO_DATABASE_URL"])
    assert saldo("remove", NAME, "--dry-run", *BY).exit_code == 0
    assert permissions(saldo)
    assert saldo("remove", NAME, *BY).exit_code == 0
    assert permissions(saldo) == set()
    assert broker.known == {}
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    again = saldo("remove", NAME, *BY)
    assert (again.exit_code, "There is nobody called" in again.stderr) == (2, True)


def test_the_list_says_who_granted_what(saldo: Any) -> None:
    saldo("add", NAME, "--role", "operator", *BY)
    listed = saldo("list")
    assert listed.exit_code == 0, listed.output
    for word in (NAME, "bus, database", "write-off", "50 000,00"):
        assert word in listed.stdout.replace("\N{NO-BREAK SPACE}", " ")
    [member] = [found for found in json.loads(saldo("list", "--json").stdout) if found["broker"]]
    assert {grant["reason"] for grant in member["grants"]} == {"order 17"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("add", "ledger", "--role", "clerk", *BY), "no name for one of the staff"),
        (("add", "Иванова", "--role", "clerk", *BY), "no name for one of the staff"),
        (("add", NAME, "--role", "boss", *BY), "--role: the roles are clerk"),
        (("add", NAME, "--role", "clerk", "--reason", " "), "--reason"),
        (("may", NAME, "adjust", *BY), "There is nobody called"),
        (("may", NAME, "close", *BY), "--service: close is a permission in"),
        (("may", NAME, "fly", *BY), "there is no such permission"),
        (("may", NAME, "read", "--service", "ledger", "--up-to", "1,00", *BY), "--up-to is for"),
        (("may", NAME, "adjust", "--up-to", "-1,00", *BY), "--up-to"),
        (("may", NAME, "adjust", "--up-to", "1,00", "--not", *BY), "--up-to is for"),
        (("remove", NAME, *BY), "There is nobody called"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(
    saldo: Any, words: tuple[str, ...], sentence: str
) -> None:
    refused = saldo(*words)
    assert refused.exit_code == 2, (refused.output, refused.exception)
    assert sentence in " ".join(refused.stderr.split())
