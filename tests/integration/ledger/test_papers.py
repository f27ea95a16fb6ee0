"""``saldo ledger reconciliation | certificate | court-pack``: the papers of an account."""

from __future__ import annotations

import hashlib
import io
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2
import pytest

from services.ledger.penalties import rules as penalty_rules
from services.ledger.seal import verifier
from tests.integration.ledger.sealed_ledger import KEYS
from tests.integration.ledger.small_company import NUMBERS, SmallCompany, net, pay
from tests.staff_terminal import staff_amqp_url

pytestmark = pytest.mark.nodes

NUMBER = NUMBERS[0]
LAST_DAY = "2026-06-30"
BY_RPC_ALONE = {"SALDO_DATABASE_URL_LEDGER": "", "SALDO_STAFF_DATABASE_URL": ""}


def text_of(path: Path) -> str:
    pages = pypdfium2.PdfDocument(path.read_bytes())
    return " ".join(" ".join(page.get_textpage().get_text_bounded() for page in pages).split())


def attached(path: Path, name: str) -> Any:
    with pikepdf.open(io.BytesIO(path.read_bytes())) as document:
        return json.loads(document.attachments[name].get_file().read_bytes())


def debtor(company: SmallCompany) -> str:
    """Return an account that is late with its bills."""
    return max(NUMBERS, key=lambda number: net(company.run_json("balance", number)))


def accrued_and_sealed(company: SmallCompany) -> str:
    """Accrue penalties by the rules, seal the log; return an instant after all of it."""
    assert company.run("accrue", "--reason", "monthly").exit_code == 0
    company.seal()
    return datetime.now(UTC).isoformat()


@pytest.mark.parametrize("elsewhere", [{}, BY_RPC_ALONE])
def test_act_is_the_turnover_of_its_days(
    shared_company: SmallCompany, tmp_path: Path, elsewhere: dict[str, str]
) -> None:
    paper = tmp_path / "act.pdf"
    days = ("--from", "2026-03-01", "--to", LAST_DAY)
    words = ("reconciliation", NUMBER, *days, "--output", str(paper), "--json")
    result = shared_company.run(*words, **elsewhere)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    sheet = shared_company.run_json("turnover", *days, "--account", NUMBER)
    assert found["totals"] == sheet["total"]
    assert found["totals"]["closing"] == net(
        shared_company.run_json("balance", NUMBER, "--as-of", LAST_DAY)
    )
    text = text_of(paper)
    assert "Акт сверки взаимных расчётов" in text
    assert f"Лицевой счёт {NUMBER}" in text
    shown = shared_company.run("reconciliation", NUMBER, *days)
    names = [row["name"].lower() for row in found["services"]]
    assert all(name in shown.stdout.lower() for name in names)


def test_certificate_is_made_only_where_it_is_true(company: SmallCompany, tmp_path: Path) -> None:
    number = debtor(company)
    paper = tmp_path / "certificate.pdf"
    words = ("certificate", number, "--output", str(paper))
    debt = company.run(*words, "--json")
    owed = json.loads(debt.stdout)["owed"]
    assert (debt.exit_code, paper.exists()) == (1, False)
    assert owed > 0
    assert company.run(*words, "--debt").exit_code == 0
    assert "Справка о задолженности" in text_of(paper)
    paper.unlink()
    pay(company, number, company.store.clock.today(), owed)
    for elsewhere in ({}, BY_RPC_ALONE):
        paid = company.run(*words, "--lang", "en", **elsewhere)
        assert paid.exit_code == 0, paid.output
        assert "nothing is owed on the account" in text_of(paper)
        assert company.run(*words, "--debt", **elsewhere).exit_code == 1
    tomorrow = company.store.clock.today() + timedelta(days=1)
    assert "today or of a past day" in company.refused(*words, "--on", tomorrow.isoformat())
    assert "no such account" in company.refused("certificate", "99")


def test_pack_is_the_same_whatever_is_recorded_after_its_instant(
    company: SmallCompany, tmp_path: Path
) -> None:
    number = debtor(company)
    as_of = accrued_and_sealed(company)
    first, again = tmp_path / "first.pdf", tmp_path / "again.pdf"
    words = ("court-pack", number, "--as-of", as_of, "--output")
    before = company.run(*words, str(first))
    assert before.exit_code == 0, before.output
    pay(company, number, date(2026, 4, 1), 1_000_00)
    pay(company, NUMBERS[1], date(2026, 4, 1), 1_000_00)
    company.seal()
    company.run("accrue", "--reason", "after it")
    company.seal()
    assert company.run(*words, str(again)).exit_code == 0
    assert (
        hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(again.read_bytes()).digest()
    )
    note = tmp_path / "checkpoint.txt"
    with pikepdf.open(first) as pdf:
        note.write_bytes(pdf.attachments["checkpoint.txt"].get_file().read_bytes())
    company.as_owner(
        "ALTER TABLE checkpoints DISABLE TRIGGER ALL",
        "DELETE FROM checkpoints WHERE number < (SELECT max(number) FROM checkpoints)",
    )
    assert company.run(*words, str(again)).exit_code == 0
    assert first.read_bytes() != again.read_bytes(), "another checkpoint is the first"
    assert company.run(*words, str(again), "--checkpoint", str(note)).exit_code == 0
    assert first.read_bytes() == again.read_bytes()
    note.write_text("nonsense", encoding="utf-8")
    company.refused(*words, str(again), "--checkpoint", str(note))
    later = ("court-pack", number, "--as-of", datetime.now(UTC).isoformat(), "--output")
    assert company.run(*later, str(again)).exit_code == 0
    assert first.read_bytes() != again.read_bytes()


def test_pack_has_the_sums_of_the_ledger(company: SmallCompany) -> None:
    as_of = accrued_and_sealed(company)
    for number in NUMBERS:
        found = company.run_json("court-pack", number, "--as-of", as_of)
        balance = company.run_json("balance", number, "--as-of", found["day"])
        certified = json.loads(company.run("certificate", number, "--json").stdout)
        assert found["debt"]["total"] == net(balance)
        assert max(0, found["debt"]["total"]) == certified["owed"]
        assert found["totals"]["closing"] == net(balance), "all of the penalty is accrued"
        assert sum(debt["unpaid"] for debt in found["debts"]) == balance["principal"]
        penalty, segments = (
            found["penalty"],
            [one for debt in found["debts"] for one in debt["segments"]],
        )
        assert penalty["by_rules"] == sum(segment["amount"] for segment in segments)
        assert penalty["by_rules"] - penalty["paid"] - penalty["waived"] == penalty["owed"]
        assert all(debt["basis"] for debt in found["debts"] if debt["segments"])
        sums = ("opening", "closing", "charged", "recalculated", "concession", "penalty", "paid")
        for column in sums:
            assert sum(row[column] for row in found["services"]) == found["totals"][column]
        assert sum(one["amount"] for one in found["payments"]) == found["totals"]["paid"]
        for one in found["payments"]:
            parts = sum(part["amount"] for part in one["parts"])
            assert parts + one["penalty"] + one["ahead"] == one["amount"]


def test_pack_proves_each_entry_of_the_account(
    company: SmallCompany, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number = debtor(company)
    as_of = accrued_and_sealed(company)
    paper = tmp_path / "pack.pdf"
    found = company.run_json("court-pack", number, "--as-of", as_of, "--output", str(paper))
    history = company.run_json("replay", number)
    events = found["log"]["events"]
    assert [event["version"] for event in events] == list(range(1, len(history) + 1))
    assert [event["position"] for event in events] == [step["position"] for step in history]
    assert attached(paper, "pack.json")["debt"] == found["debt"]
    proofs = tmp_path / "proofs.json"
    proofs.write_text(json.dumps(attached(paper, "proofs.json")), encoding="utf-8")
    key = str(KEYS.signer.verifier)
    assert verifier.main([str(proofs), "--key", key]) == 0
    printed = capsys.readouterr().out
    assert all(f"at position {event['position']}:" in printed for event in events)
    changed = proofs.read_text(encoding="utf-8").replace('"size": ', '"size": 1')
    proofs.write_text(changed, encoding="utf-8")
    assert verifier.main([str(proofs), "--key", key]) == 1
    text = text_of(paper).replace(" ", "")
    for fact in (found["rules"], key, "Страница1/", "6.Какэтопроверить"):
        assert fact in text
    assert all(event["leaf_hash"] in text for event in events)


def test_pack_is_refused_where_it_could_not_stay_the_same(
    company: SmallCompany, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = debtor(company)
    company.seal()
    before = datetime.now(UTC).isoformat()
    pack = ("court-pack", number, "--json", "--as-of")
    assert "nothing says which rules were in force" in company.refused(*pack, before)
    ahead = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert "still to come" in company.refused(*pack, ahead)
    assert "instant with its zone" in company.refused(*pack, "2026-10-31")
    assert "not sealed yet" in company.refused(*pack, _accrued(company))
    as_of = accrued_and_sealed(company)
    assert company.run(*pack, as_of).exit_code == 0
    assert "--output" in company.refused("court-pack", number, "--as-of", as_of)
    shipped = penalty_rules._SHIPPED.read_text(encoding="utf-8")
    changed = tmp_path / "rules.yaml"
    changed.write_text(shipped.replace("2019-06-17: 7.50", "2019-06-17: 7.60"), encoding="utf-8")
    assert changed.read_text(encoding="utf-8") != shipped
    other = {penalty_rules.PATH_VARIABLE: str(changed)}
    refused = company.refused(*pack, as_of, **other)
    assert "was last accrued by the rules" in refused
    kept = tmp_path / "kept.yaml"
    kept.write_text(shipped, encoding="utf-8")
    assert company.run(*pack, as_of, "--rules", str(kept), **other).exit_code == 0
    assert "recorded by then" in company.refused(*pack, "2020-01-01T00:00:00+00:00")


def _accrued(company: SmallCompany) -> str:
    assert company.run("accrue", "--reason", "monthly").exit_code == 0
    return datetime.now(UTC).isoformat()


def test_pack_needs_a_login_of_the_database(company: SmallCompany) -> None:
    as_of = accrued_and_sealed(company)
    refused = company.run(
        "court-pack", NUMBER, "--json", "--as-of", as_of,
        **BY_RPC_ALONE, SALDO_AMQP_URL=staff_amqp_url("ivanova"),
    )  # fmt: skip
    assert refused.exit_code == 2
