"""Accounts on PostgreSQL: import, concurrent linking, nothing personal in clear."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from services import terminal
from services.accounts import cli, jobs
from services.accounts.application import linked_accounts, ownership, resolve
from services.accounts.limiting import Trier
from services.accounts.linking import (
    Linking,
    LookUpAccount,
    ProveAccount,
    UnlinkAccount,
    unlink_account,
)
from services.accounts.policy import load_policy
from services.accounts.proof import KEY_PURPOSE, ProofSeal
from services.accounts.sharing import Invite, Sharing
from shared.errors import Conflict, Forbidden, NotFound
from tests.staff_logins import OPERATOR

pytestmark = pytest.mark.nodes

DEMO = Path(__file__).parents[2] / "deploy" / "demo" / "accounts.csv"
FIRST, SECOND = "0100000001", "0100000002"
HOME = UUID(int=1)
IP = ip_address("192.0.2.7")


class AccountsHarness:
    """The store, and the use cases as the service calls them."""

    def __init__(self, database: Any) -> None:
        self.database = database
        self.store = database.store("accounts")
        self.linking = Linking(load_policy({}))
        self.limits = load_policy({}).limits.invitations_per_person
        self.seal = ProofSeal(self.store.hash_key(KEY_PURPOSE))

    def link(self, person_id: UUID, number: str, proof: str) -> bool:
        found = self.store.query(lambda session: resolve(session, number))
        command = ProveAccount(
            trier=Trier(person_id=person_id, network=HOME),
            number=found,
            fact=self.seal.of_answer(found or "", proof),
        )
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
    look_up = LookUpAccount(trier=Trier(person_id=person_id, network=HOME), number=" 0100-000 001 ")
    found = harness.store.transact(harness.linking.look_up, look_up)
    limit = found.pop("rate_limit")
    assert (limit["policy"], limit["limit"] - limit["remaining"]) == ("lookup_by_person", 1)
    assert found == {
        "number": FIRST,
        "address": "г. Примерск, ул. Образцовая",
        "holder": "П. П. О.",
        "linked": False,
        "proof": ["control_code"],
    }
    assert harness.link(person_id, "51 ад 600037", "BNEV-QRPG")
    assert harness.link(person_id, SECOND, "803J-9DDD")
    assert harness.store.transact(harness.linking.look_up, look_up)["linked"]
    first, second = harness.store.query(lambda session: linked_accounts(session, person_id))
    assert first["holder"] == "Примерова Полина Образцовна"
    assert first["address"] == "г. Примерск, ул. Образцовая, д. 4, кв. 1"
    assert (first["residents"], first["total_area"]) == (3, "54.2")
    assert second["number"] == SECOND
    harness.store.execute(unlink_account, UnlinkAccount(person_id=person_id, number=FIRST))
    owned = harness.store.query(lambda session: ownership(session, person_id, [FIRST, SECOND]))
    assert (owned["owned"], owned["foreign"]) == ([SECOND], [FIRST])
    assert owned["access"][SECOND]["account"] == SECOND


def test_the_rpcs_refuse_an_unknown_number_as_they_refuse_a_wrong_fact(
    harness: AccountsHarness,
) -> None:
    from services.accounts.service import AccountsService

    service, person_id = AccountsService(), uuid4()
    service.store, service.settings = harness.store, harness.database.settings
    refusals = []
    for number, proof in (("0999999999", "4500,00"), (FIRST, "1,00"), ("счёт", "")):
        with pytest.raises(Forbidden) as refusal:
            service.link(person_id=person_id, number=number, proof=proof, ip=IP)
        refusals.append(refusal.value.as_wire())
    assert refusals[0]["code"] == "link_refused"
    assert refusals == [refusals[0]] * 3
    with pytest.raises(NotFound) as missing:
        service.lookup(person_id=person_id, number="0999999999", ip=IP)
    assert missing.value.code == "account_not_found"
    linked = service.link(person_id=person_id, number=f" {FIRST}", proof="bnev qrpg", ip=IP)
    limit = linked.pop("rate_limit")
    assert (limit["policy"], limit["limit"] - limit["remaining"]) == ("proof_by_person", 3)
    assert linked == {"number": FIRST}
    assert [account["number"] for account in service.linked(person_id=person_id)["accounts"]] == [
        FIRST
    ]
    made = harness.rows("SELECT kind, sum(made) AS made FROM attempts GROUP BY kind ORDER BY kind")
    assert [tuple(row.values()) for row in made] == [
        ("lookup_by_network", 1),
        ("lookup_by_person", 1),
        ("lookup_by_total", 1),
        ("proof_by_network", 3),
        ("proof_by_person", 3),
        ("proof_by_total", 3),
        ("proof_of_account", 1),
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


def test_concurrent_attempts_of_a_person_stay_within_the_limit(harness: AccountsHarness) -> None:
    person_id = uuid4()

    def attempt(_: int) -> str:
        try:
            return "linked" if harness.link(person_id, FIRST, "XXXX-XXXX") else "refused"
        except Forbidden as refusal:
            return refusal.code

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(attempt, range(26)))
    assert sorted(set(answers)) == ["refused", "too_many_attempts"]
    assert answers.count("refused") == 20


def test_a_crowd_of_guessers_never_stops_the_right_proof(harness: AccountsHarness) -> None:
    owner, guessers = uuid4(), [uuid4() for _ in range(40)]
    assert harness.link(uuid4(), FIRST, "BNEV-QRPG")

    def guess(person_id: UUID) -> None:
        for _ in range(3):
            assert not harness.link(person_id, FIRST, "XXXX-XXXX")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(guess, guessers))
    assert harness.link(owner, FIRST, "BNEV-QRPG")
    (noticed,) = harness.rows(
        "SELECT count(*) AS events FROM events WHERE topic = 'accounts.proofs_guessed.v1'"
    )
    assert noticed["events"] == 1
    (logged,) = harness.rows("SELECT count(*) AS tries FROM attempts_log WHERE outcome = 'refused'")
    assert logged["tries"] == 120


def test_parallel_links_of_a_cabinet_leave_ten(harness: AccountsHarness) -> None:
    person_id = uuid4()
    with DEMO.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter=";"))

    def link(row: dict[str, str]) -> str:
        try:
            return str(harness.link(person_id, row["number"], row["proof"]))
        except Conflict as refusal:
            return refusal.code

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(link, [*rows, *rows[:10]]))
    assert len(answers) == 50
    assert answers.count("True") == 10
    assert set(answers) == {"True", "account_limit_reached"} | ({"already_linked"} & set(answers))
    linked = harness.store.query(lambda session: linked_accounts(session, person_id))
    assert len(linked) == 10


def test_an_invitation_is_accepted_by_one_of_many_at_once(harness: AccountsHarness) -> None:
    from services.accounts.service import AccountsService

    service, owner = AccountsService(), uuid4()
    service.store, service.settings = harness.store, harness.database.settings
    assert harness.link(owner, FIRST, "BNEV-QRPG")
    invited = service.invite(person_id=owner, number=FIRST, email="g@example.org", role="viewer")
    issued = service.issue_invitation(invitation_id=UUID(invited["access_id"]))
    assert (issued["email"], issued["valid_days"]) == ("g@example.org", 7)

    def accept(_: int) -> str:
        try:
            service.accept_invitation(person_id=uuid4(), token=issued["token"])
        except Conflict as refusal:
            return refusal.code
        return "accepted"

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(accept, range(12)))
    assert sorted(set(answers)) == ["accepted", "invitation_ended"]
    assert answers.count("accepted") == 1
    assert len(service.access_list(person_id=owner, number=FIRST)["access"]) == 2


def test_expired_attempts_are_deleted(harness: AccountsHarness) -> None:
    class Services:
        store = harness.store

    harness.link(uuid4(), FIRST, "XXXX-XXXX")
    assert jobs.forget_attempts(Services()) == 0
    assert len(harness.rows("SELECT 1 FROM attempts")) == 4
    harness.store.transact(
        lambda session, _: session.cursor.execute(
            "UPDATE attempts SET opened_at = opened_at - interval '25 hours'"
        ),
        None,
    )
    jobs.forget_attempts(Services())
    assert harness.rows("SELECT 1 FROM attempts") == []
    assert len(harness.rows("SELECT 1 FROM attempts_log")) == 1
    harness.store.transact(
        lambda session, _: session.cursor.execute(
            "UPDATE attempts_log SET at = at - interval '91 days'"
        ),
        None,
    )
    jobs.forget_attempts(Services())
    assert harness.rows("SELECT 1 FROM attempts_log") == []


def test_nothing_personal_stands_in_clear(harness: AccountsHarness) -> None:
    owner = uuid4()
    harness.link(owner, FIRST, "BNEV-QRPG")
    guest = Invite(person_id=owner, number=FIRST, email="canary@example.org", role="viewer")
    harness.store.execute(Sharing(harness.limits).invite, guest)
    tables = (
        "events", "commands", "tenures", "links", "proofs", "attempts", "imports",
        "invitations", "attempts_log", "spent_proofs",
    )  # fmt: skip
    for table in tables:
        (dump,) = harness.rows(
            f"SELECT coalesce(string_agg(t::text, ' '), '') AS text FROM {table} AS t"
        )
        for personal in ("Пример", "Образц", "BNEV", "canary"):
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
