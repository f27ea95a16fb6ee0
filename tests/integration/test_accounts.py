"""Accounts on PostgreSQL: import, concurrent linking, nothing personal in clear."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from services import terminal
from services.accounts import cli, jobs
from services.accounts.application import (
    LinkAccount,
    Linking,
    LookUpAccount,
    UnlinkAccount,
    linked_accounts,
    ownership,
    unlink_account,
)
from services.accounts.policy import load_policy
from services.accounts.proof import KEY_PURPOSE, ProofSeal
from shared.errors import Forbidden, NotFound
from tests.staff_logins import OPERATOR

pytestmark = pytest.mark.nodes

DEMO = Path(__file__).parents[2] / "deploy" / "demo" / "accounts.csv"
FIRST, SECOND = "0100000001", "0100000002"


class AccountsHarness:
    """The store, and the use cases as the service calls them."""

    def __init__(self, database: Any) -> None:
        self.database = database
        self.store = database.store("accounts")
        self.linking = Linking(load_policy({}))
        self.seal = ProofSeal(self.store.hash_key(KEY_PURPOSE))

    def link(self, person_id: UUID, number: str, proof: str) -> bool:
        fact = self.seal.of_answer(number, proof)
        command = LinkAccount(person_id=person_id, number=number, fact=fact)
        return bool(self.store.execute(self.linking.link, command)["linked"])

    def rows(self, query: str) -> list[Any]:
        return self.store.query(lambda session: session.cursor.execute(query).fetchall())


@pytest.fixture
def run(database: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setattr(terminal, "load_settings", lambda: database.settings)
    runner = CliRunner()

    def run(*arguments: object) -> Any:
        return runner.invoke(cli.app, ["import", *map(str, arguments)])

    return run


@pytest.fixture
def harness(database: Any, run: Any) -> AccountsHarness:
    result = run(DEMO, "--reason", "demo company")
    assert result.exit_code == 0, result.output
    return AccountsHarness(database)


def imported(result: Any) -> dict[str, Any]:
    return json.loads(result.stdout)


def test_an_import_is_journalled_and_the_same_file_twice_changes_nothing(
    harness: AccountsHarness, run: Any
) -> None:
    again = run(DEMO, "--rows", "40", "--reason", "again", "--json")
    assert again.exit_code == 0
    assert imported(again)["unchanged"] == 40
    (log,) = harness.rows("SELECT count(*) AS events, min(actor) AS actor FROM events")
    assert log == {"events": 40, "actor": OPERATOR}
    journal = harness.rows("SELECT reason, registered, unchanged FROM imports ORDER BY begun_at")
    assert journal == [
        {"reason": "demo company", "registered": 40, "unchanged": 0},
        {"reason": "again", "registered": 0, "unchanged": 40},
    ]
    caused = harness.rows(
        "SELECT reason FROM imports WHERE import_id::text IN (SELECT correlation_id FROM events)"
    )
    assert caused == [{"reason": "demo company"}]


def test_a_dry_run_counts_as_the_import_would_and_writes_nothing(database: Any, run: Any) -> None:
    result = run(DEMO, "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    assert imported(result)["registered"] == 40
    store = database.store("accounts")
    for table in ("events", "tenures", "proofs", "imports", "accounts_keys.data_keys"):
        found = store.query(
            lambda session, table=table: session.cursor.execute(
                f"SELECT count(*) AS found FROM {table}"
            ).fetchone()
        )
        assert found == {"found": 0}, table


def test_a_control_total_that_differs_stops_the_import(database: Any, run: Any) -> None:
    result = run(DEMO, "--rows", "41", "--total", "1,00", "--reason", "r")
    assert result.exit_code == 1
    assert "the file has 40" in result.output
    store = database.store("accounts")
    assert store.log_after(0, 10) == []


@pytest.mark.parametrize(
    "arguments",
    [(DEMO,), (DEMO, "--reason", " "), ("nothing.csv", "--dry-run"), (DEMO, "--total", "1,234")],
)
def test_bad_input_exits_with_2(run: Any, arguments: tuple[object, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_import_never_replaces_its_file_by_the_quarantine(run: Any, tmp_path: Path) -> None:
    header, first, *_ = DEMO.read_text("utf-8").splitlines()
    path = tmp_path / "accounts.csv"
    path.write_text("\n".join([header, first.replace("household", "pensioner")]), "utf-8")
    content = path.read_bytes()
    result = run(path, "--quarantine", path, "--reason", "demo")
    assert result.exit_code == 2
    assert "name another file" in " ".join(result.output.split())
    assert path.read_bytes() == content


def test_refused_rows_exit_with_1_and_the_others_are_loaded(
    harness: AccountsHarness, run: Any, tmp_path: Path
) -> None:
    header, first, second, *_ = DEMO.read_text("utf-8").splitlines()
    path = tmp_path / "next.csv"
    changed = first.replace("кв. 1;3;", "кв. 1;4;").replace("BNEV-QRPG", "NEWC-0DE1")
    refused = second.replace("household", "pensioner")
    path.write_bytes("\n".join([header, changed, refused]).encode("cp1251"))
    result = run(path, "--reason", "November", "--json")
    assert result.exit_code == 1
    summary = imported(result)
    assert (summary["amended"], summary["bills"], summary["refused"]) == (1, 1, 1)
    assert "payer_kind" in Path(summary["quarantine"]).read_text("cp1251")
    person_id = uuid4()
    assert not harness.link(person_id, FIRST, "BNEV-QRPG")
    assert harness.link(person_id, FIRST, "NEWC-0DE1")


def test_an_account_is_looked_up_linked_and_unlinked(harness: AccountsHarness) -> None:
    person_id = uuid4()
    look_up = LookUpAccount(person_id=person_id, number=f" {FIRST} ")
    found = harness.store.transact(harness.linking.look_up, look_up)
    limit = found.pop("rate_limit")
    assert (limit["policy"], limit["limit"] - limit["remaining"]) == ("lookup_by_person", 1)
    assert found == {
        "number": FIRST,
        "address": "г. Примерск, ул. Образцовая",
        "holder": "П. П. О.",
        "linked": False,
    }
    assert harness.link(person_id, FIRST, "BNEV-QRPG")
    assert harness.link(person_id, SECOND, "803J-9DDD")
    assert harness.store.transact(harness.linking.look_up, look_up)["linked"]
    first, second = harness.store.query(lambda session: linked_accounts(session, person_id))
    assert first["holder"] == "Примерова Полина Образцовна"
    assert first["address"] == "г. Примерск, ул. Образцовая, д. 4, кв. 1"
    assert (first["residents"], first["total_area"]) == (3, "54.2")
    assert second["number"] == SECOND
    harness.store.execute(unlink_account, UnlinkAccount(person_id=person_id, number=FIRST))
    owned = harness.store.query(lambda session: ownership(session, person_id, [FIRST, SECOND]))
    assert owned == {"owned": [SECOND], "foreign": [FIRST]}


def test_the_rpcs_refuse_an_unknown_number_as_they_refuse_a_wrong_fact(
    harness: AccountsHarness,
) -> None:
    from services.accounts.service import AccountsService

    service, person_id = AccountsService(), uuid4()
    service.store, service.settings = harness.store, harness.database.settings
    refusals = []
    for number, proof in (("0999999999", "4500,00"), (FIRST, "1,00"), ("счёт", "")):
        with pytest.raises(Forbidden) as refusal:
            service.link(person_id=person_id, number=number, proof=proof)
        refusals.append(refusal.value.as_wire())
    assert refusals[0]["code"] == "link_refused"
    assert refusals == [refusals[0]] * 3
    with pytest.raises(NotFound) as missing:
        service.lookup(person_id=person_id, number="0999999999")
    assert missing.value.code == "account_not_found"
    linked = service.link(person_id=person_id, number=f" {FIRST}", proof="bnev qrpg")
    limit = linked.pop("rate_limit")
    assert (limit["policy"], limit["limit"] - limit["remaining"]) == ("link_by_person", 4)
    assert linked == {"number": FIRST}
    assert [account["number"] for account in service.linked(person_id=person_id)["accounts"]] == [
        FIRST
    ]
    made = harness.rows("SELECT kind, sum(made) AS made FROM attempts GROUP BY kind ORDER BY kind")
    assert [tuple(row.values()) for row in made] == [
        ("link_by_person", 4),
        ("link_to_account", 3),
        ("lookup_by_person", 1),
    ]


def test_concurrent_links_of_an_account_each_name_the_earlier_persons(
    harness: AccountsHarness,
) -> None:
    persons = [uuid4() for _ in range(6)]
    with ThreadPoolExecutor(len(persons)) as pool:
        assert all(pool.map(lambda person_id: harness.link(person_id, FIRST, "BNEV-QRPG"), persons))
    linked = harness.rows(
        "SELECT convert_from(state, 'UTF8')::jsonb -> 'other_person_ids' AS others FROM events"
        " WHERE topic = 'accounts.account_linked.v1' ORDER BY notification_id"
    )
    assert [len(row["others"]) for row in linked] == list(range(6))


def test_concurrent_attempts_stay_within_the_limit(harness: AccountsHarness) -> None:
    def attempt(_: int) -> str:
        try:
            return "linked" if harness.link(uuid4(), FIRST, "1,00") else "refused"
        except Forbidden as refusal:
            return refusal.code

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(attempt, range(16)))
    assert sorted(set(answers)) == ["refused", "too_many_attempts"]
    assert answers.count("refused") == 10


def test_expired_attempts_are_deleted(harness: AccountsHarness) -> None:
    class Services:
        store = harness.store

    harness.link(uuid4(), FIRST, "1,00")
    assert jobs.forget_attempts(Services()) == 0
    assert len(harness.rows("SELECT 1 FROM attempts")) == 2
    harness.store.transact(
        lambda session, _: session.cursor.execute(
            "UPDATE attempts SET opened_at = opened_at - interval '25 hours'"
        ),
        None,
    )
    jobs.forget_attempts(Services())
    assert harness.rows("SELECT 1 FROM attempts") == []


def test_nothing_personal_stands_in_clear(harness: AccountsHarness) -> None:
    harness.link(uuid4(), FIRST, "BNEV-QRPG")
    tables = ("events", "commands", "tenures", "links", "proofs", "attempts", "imports")
    for table in tables:
        (dump,) = harness.rows(
            f"SELECT coalesce(string_agg(t::text, ' '), '') AS text FROM {table} AS t"
        )
        for personal in ("Пример", "Образц", "BNEV"):
            assert personal not in dump["text"], table
            assert personal.encode().hex() not in dump["text"], table


def test_personal_data_of_all_accounts_is_revealed_by_one_query(harness: AccountsHarness) -> None:
    person_id = uuid4()
    assert harness.link(person_id, FIRST, "BNEV-QRPG")
    assert harness.link(person_id, SECOND, "803J-9DDD")

    keys = harness.store.data_keys
    with mock.patch.object(keys, "find", wraps=keys.find) as find:
        linked = harness.store.query(lambda session: linked_accounts(session, person_id))
    assert [account["holder"].split()[0] for account in linked] == ["Примерова", "Примеров"]
    assert find.call_count == 1
