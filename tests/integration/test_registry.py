"""The registry on PostgreSQL: tenures, many rows at once, interruptions, and an upgrade."""

from __future__ import annotations

import itertools
import json
import shutil
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from services import terminal
from services.accounts import cli, contract_import, import_verb
from services.accounts.application import readers
from services.accounts.cabinet import Role
from services.accounts.contract_loading import ContractLoading
from services.accounts.domain import contract_id, tenure_id
from services.accounts.staff_access import StaffLink, link_by_staff
from services.accounts.tenures import Tenure
from services.discovery import migrations_of
from shared import context
from shared.account_key import key_of
from shared.eventstore.migrations import migrate
from shared.eventstore.postgres_session import MIN_COPIED
from tests.bench.registry_file import write_registry

pytestmark = pytest.mark.nodes

HEADER = "number;holder;address;payer_kind;els;services;payee;state;since;closed_on;control_code"
FIRST = "0100000001"
NEWCOMER = "Новосёлов Никита"
SERVICES = ("Отопление", 'ТКО "Чисто"', "a\\b, {c}")
MANY = MIN_COPIED + 100
"""More rows than what is appended one by one."""


def row(number: str = FIRST, **changes: str) -> str:
    fields = {
        "number": number,
        "holder": "Примерова Полина",
        "address": "г. Примерск, ул. Образцовая, д. 4, кв. 1",
        "payer_kind": "household",
        "services": "|".join(SERVICES).replace('"', '""').join('""'),
        "payee": "main\\n",
        "control_code": "BNEV-QRPG",
    }
    return ";".join((fields | changes).get(name, "") for name in HEADER.split(";"))


class Registry:
    """Imports files as staff do, and looks at what has come of them."""

    def __init__(self, database: Any, folder: Path) -> None:
        self.store = database.store("accounts")
        self._folder = folder

    def load(self, *rows: str) -> dict[str, Any]:
        path = self._folder / "registry.csv"
        path.write_text("\n".join((HEADER, *rows, "")), "utf-8")
        return self.load_file(path)

    def load_file(self, path: Path, *options: str, exit_code: int = 0) -> dict[str, Any]:
        arguments = ["import", str(path), "--reason", "a test", "--json", *options]
        result = CliRunner().invoke(cli.app, arguments)
        assert result.exit_code == exit_code, result.output
        return json.loads(result.stdout) if result.stdout else {}

    def tenures(self, number: str = FIRST) -> list[Tenure]:
        return self.store.query(lambda session: session.read.tenures.history(number))

    def reveal(self, tenure: Tenure) -> tuple[str | None, str | None]:
        subject, details = tenure_id(tenure.number, tenure.tenure), tenure.details

        def look(session: Any) -> tuple[str | None, str | None]:
            reveal = session.vault.reveal
            return (
                reveal(subject, details.holder, "holder"),
                reveal(subject, details.address, "address"),
            )

        return self.store.query(look)

    def count(self, table: str) -> int:
        query = f"SELECT count(*) AS found FROM {table}"
        return self.store.query(lambda s: s.cursor.execute(query).fetchone()["found"])

    def link(self, person_id: UUID, number: str, role: Role = "owner") -> None:
        command = StaffLink(
            person_id=person_id, number=number, role=role, reason="a test", dry_run=False
        )
        with context.bind(actor="staff:test", command_id=uuid4()):
            self.store.execute(link_by_staff, command)

    def readers(self, *accounts: str) -> dict[str, list[str]]:
        found = self.store.query(lambda session: readers(session, accounts))
        return found["readers"]

    def versions(self, number: str = FIRST) -> tuple[int, int]:
        """Return the version in the newest row, and that of the stream."""
        history = self.store.query(lambda session: session.history(contract_id(number)))
        return self.tenures(number)[-1].version, history[-1].originator_version


@pytest.fixture
def registry(database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setattr(terminal, "load_settings", lambda: database.settings)
    return Registry(database, tmp_path)


def test_tenures_follow_each_other_in_the_tables(registry: Registry) -> None:
    registry.load(row())
    (first,) = registry.tenures()
    assert (first.details.services, first.details.payee) == (SERVICES, "main\\n")
    registry.load(row(holder=NEWCOMER, since="2026-07-15"))
    former, present = registry.tenures()
    assert (former.until, present.since) == (date(2026, 7, 14), date(2026, 7, 15))
    assert registry.reveal(former)[0] == "Примерова Полина"
    assert registry.reveal(present)[0] == NEWCOMER
    assert registry.load(row(holder=NEWCOMER, payee="other"))["amended"] == 1
    assert registry.tenures()[1].details.payee == "other"
    assert registry.tenures()[0].details.payee == "main\\n"
    assert registry.load(row(holder=NEWCOMER, payee="other", state="closed"))["closed"] == 1
    assert registry.tenures()[1].until is not None
    assert registry.versions() == (5, 5)


def test_closing_and_correcting_at_once_keeps_the_version_of_the_stream(
    registry: Registry,
) -> None:
    registry.load(row())
    registry.load(row(state="closed", payee="other"))
    assert registry.versions() == (3, 3)
    assert registry.load(row(state="open"))["opened"] == 1
    assert registry.versions() == (4, 4)


def test_proof_of_an_open_tenure_is_its_own(registry: Registry) -> None:
    def proofs() -> dict[str, Any]:
        return registry.store.query(lambda session: session.read.proofs.of([FIRST]))

    registry.load(row())
    before = proofs()
    registry.load(row(holder=NEWCOMER))
    assert proofs() == {}
    registry.load(row(holder=NEWCOMER))
    assert proofs() == {}, "the former code stays what the former holder knows"
    registry.load(row(holder=NEWCOMER, control_code="FRESH-C0DE"))
    assert proofs().keys() == before.keys()
    assert proofs() != before
    tenure, sealed = registry.store.query(lambda s: s.read.proofs.sealed_code(FIRST))
    assert tenure == 2
    code = registry.store.query(
        lambda s: s.vault.reveal(tenure_id(FIRST, 2), sealed, "control_code")
    )
    assert code == "FRESH-C0DE"
    registry.load(row(holder=NEWCOMER, control_code="OTHER-C0DE"))
    assert registry.count("proofs") == 2
    registry.load(row(holder=NEWCOMER, state="closed"))
    assert proofs() == {}


def test_els_is_found_while_its_account_is_open(registry: Registry) -> None:
    registry.load(row(els="50АД000001"))

    def number() -> str | None:
        return registry.store.query(lambda s: s.read.tenures.number_of_els("50АД000001"))

    assert number() == FIRST
    registry.load(row(els="50АД000001", state="closed"))
    assert number() is None


def test_els_that_another_row_frees_is_taken_whatever_the_order(
    registry: Registry, tmp_path: Path
) -> None:
    registry.load(row(els="50АД000001"))
    outcome = registry.load(row("0100000000", els="50АД000001"), row(els="50АД000002"))
    assert (outcome["registered"], outcome["amended"], outcome["refused"]) == (1, 1, 0)
    (tmp_path / "again.csv").write_text(f"{HEADER}\n{row('07', els='50АД000002')}\n", "utf-8")
    refused = registry.load_file(tmp_path / "again.csv", exit_code=1)
    assert (refused["registered"], refused["refused"]) == (0, 1)
    reason = Path(refused["quarantine"]).read_text("utf-8").splitlines()[1]
    assert reason.strip('"').endswith(
        "els: another open account has it; close or correct that one first"
    )


def test_many_rows_are_registered_repeated_and_amended(registry: Registry, tmp_path: Path) -> None:
    file = write_registry(tmp_path / "city.csv", MANY)
    assert registry.load_file(file)["registered"] == MANY
    assert [registry.count(table) for table in ("events", "tenures", "proofs")] == [MANY] * 3
    assert registry.count("accounts_keys.data_keys") == MANY
    assert registry.load_file(file)["unchanged"] == MANY
    assert registry.count("events") == MANY
    grown = write_registry(tmp_path / "grown.csv", MANY, residents=3)
    assert registry.load_file(grown)["amended"] == MANY
    (tenure,) = registry.tenures("0000000004")
    assert tenure.details.residents == 3
    assert registry.reveal(tenure)[0] == "Черновикова Чулпан Примеровна"
    assert registry.versions("0000000004") == (2, 2)
    journal = "SELECT DISTINCT correlation_id FROM events"
    assert len(registry.store.query(lambda s: s.cursor.execute(journal).fetchall())) == 2


def test_json_lines_hold_what_a_csv_file_does(registry: Registry, tmp_path: Path) -> None:
    file = write_registry(tmp_path / "city.csv", 20)
    header, *lines = file.read_text("utf-8").splitlines()
    rows = [dict(zip(header.split(";"), line.split(";"), strict=True)) for line in lines]
    for fields in rows:
        fields["residents"] = int(fields["residents"])
        fields["total_area"] = float(fields["total_area"].replace(",", "."))
    json_lines = tmp_path / "city.jsonl"
    json_lines.write_text(
        "".join(json.dumps(fields, ensure_ascii=False) + "\n" for fields in rows), "utf-8"
    )
    assert registry.load_file(json_lines)["registered"] == 20
    assert registry.load_file(file)["unchanged"] == 20


def test_interrupted_import_is_repeated_and_loads_the_rest(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract_import, "BATCH", 50)
    load, batches = ContractLoading.load_rows, itertools.count(1)

    def killed_in_the_third_batch(self: Any, session: Any, command: Any) -> Any:
        number = next(batches)  # the batches of two threads, each with a number of its own
        loaded = load(self, session, command)
        if number == 3:
            raise KeyboardInterrupt
        return loaded

    file = write_registry(tmp_path / "city.csv", 300)
    with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
        patched.setattr(ContractLoading, "load_rows", killed_in_the_third_batch)
        CliRunner().invoke(cli.app, ["import", str(file), "--reason", "killed"])
    done = registry.count("tenures")
    assert 0 < done < 300
    outcome = registry.load_file(file)
    assert (outcome["registered"], outcome["unchanged"]) == (300 - done, done)
    assert [registry.count(table) for table in ("events", "tenures", "proofs")] == [300] * 3


def test_second_import_at_the_same_time_is_refused(registry: Registry, tmp_path: Path) -> None:
    file = write_registry(tmp_path / "city.csv", 3)
    with import_verb.alone(registry.store):
        result = CliRunner().invoke(cli.app, ["import", str(file), "--reason", "second"])
    assert result.exit_code == 2
    assert "Another registry is being imported right now" in result.output
    assert registry.load_file(file)["registered"] == 3


def test_contracts_of_before_are_the_first_tenures(
    database: Any, registry: Registry, tmp_path: Path
) -> None:
    before = tmp_path / "before"
    before.mkdir()
    shutil.copy(str(migrations_of("accounts") / "0001_registry.sql"), before)
    (before / "access.toml").write_text('readable = ["contracts", "imports", "links"]\n')
    settings = database.settings
    url, runtime = settings.database_url, settings.database_url_of("accounts")
    with database.owner("accounts") as owner:
        owner.execute("DROP SCHEMA accounts CASCADE")
        migrate(url, "accounts", runtime, before)
        owner.execute(_CONTRACTS_OF_BEFORE)
        migrate(url, "accounts", runtime, migrations_of("accounts"))
    (tenure,) = registry.tenures()
    assert (tenure.tenure, tenure.since, tenure.state) == (1, None, "open")
    assert (tenure.version, tenure.details.total_area) == (2, "54.20")
    assert registry.tenures("07")[0].version == 1
    assert registry.count("proofs") == 0, "bills of before had other facts"
    assert registry.count("links") == 1
    assert registry.load(row(holder=NEWCOMER))["opened"] == 1
    assert registry.tenures()[0].version == 3


_CONTRACTS_OF_BEFORE = f"""
INSERT INTO contracts (number, payer_kind, holder, address, total_area)
VALUES ('{FIRST}', 'household', 'sealed', 'sealed', 54.20),
       ('07', 'household', 'sealed', 'sealed', NULL);
INSERT INTO links VALUES (gen_random_uuid(), '{FIRST}', 'bill', now(), 4);
INSERT INTO bills VALUES ('{FIRST}', repeat('a', 64), NULL, now());
INSERT INTO events
SELECT e.id::uuid, e.version, e.topic, convert_to(e.state, 'UTF8'), e.place, now(),
       gen_random_uuid(), 'staff:' || session_user, 'before'
  FROM (VALUES
        ('{contract_id(FIRST)}', 1, 'accounts.contract_registered.v1', '{{"number":"{FIRST}"}}', 1),
        ('{contract_id("07")}', 1, 'accounts.contract_registered.v1', '{{"number":"07"}}', 2),
        ('{contract_id(FIRST)}', 2, 'accounts.contract_amended.v1', '{{"number":"{FIRST}"}}', 3)
       ) AS e(id, version, topic, state, place);
"""


def test_whoever_may_read_an_open_account_is_a_reader_and_a_former_holder_is_none(
    registry: Registry,
) -> None:
    anna, boris = UUID(int=1), UUID(int=2)
    second = "0100000002"
    registry.load(row(), row(second))
    registry.link(anna, FIRST)
    registry.link(anna, second)
    registry.link(boris, FIRST, "viewer")
    assert registry.readers(FIRST, second) == {
        FIRST: [str(anna), str(boris)],
        second: [str(anna)],
    }
    registry.load(row(holder=NEWCOMER, since="2026-07-15"), row(second, state="closed"))
    key = key_of(FIRST, 2)
    assert registry.readers(FIRST, second, key) == {}
    registry.link(boris, FIRST)
    assert registry.readers(FIRST, second, key) == {key: [str(boris)]}
