"""``saldo ledger export``: events that can be verified, balances and statements."""

from __future__ import annotations

import csv
import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from services.ledger.seal.checkpoint import VerifierKey
from services.ledger.seal.verifier import verify_export
from tests.integration.ledger.small_company import NUMBERS, SmallCompany

pytestmark = pytest.mark.nodes

SUMS = ("principal", "penalty", "advance")


def test_events_are_exported_so_that_the_seal_can_be_verified(
    shared_company: SmallCompany, tmp_path: Path
) -> None:
    note = shared_company.seal()
    key = VerifierKey.parse(shared_company.run_json("key")["key"])
    file = tmp_path / "events.jsonl"
    answer = shared_company.run_json("export", str(file))
    lines = file.read_bytes().splitlines()
    assert answer["rows"] == len(lines) == shared_company.store.recorder.max_notification_id()
    verify_export(lines, note, [key])
    assert list(tmp_path.iterdir()) == [file]


def test_balances_and_statements_are_exported_as_csv(
    shared_company: SmallCompany, tmp_path: Path
) -> None:
    file = tmp_path / "balances.csv"
    shared_company.run_json("export", str(file), "--what", "balances")
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened, delimiter=";"))
    assert [row["number"] for row in rows] == NUMBERS
    for row in rows:
        found = shared_company.run_json("balance", row["number"])
        assert [int(row[name]) for name in SUMS] == [found[name] for name in SUMS]
        assert isinstance(json.loads(row["open_items"]), dict)
    file = tmp_path / "statement"
    words = ["export", str(file), "--format", "jsonl", "--what", "statement"]
    shared_company.run_json(*words, "--account", NUMBERS[1], "--from", "2026-03-01")
    exported = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    shown = shared_company.run_json("statement", NUMBERS[1], "--from", "2026-03-01")["movements"]
    # The terminal has the texts in its own language, a file has the payer's.
    assert [{**one, "text": ""} for one in exported] == [{**one, "text": ""} for one in shown]


def test_an_export_overwrites_no_file_by_default(
    shared_company: SmallCompany, tmp_path: Path
) -> None:
    file = tmp_path / "events.csv"
    file.write_text("mine")
    assert shared_company.run("export", str(file)).exit_code == 2
    assert file.read_text() == "mine"
    assert shared_company.run("export", str(file), "--overwrite").exit_code == 0
    assert file.read_text("utf-8").startswith("notification_id;")


def test_parquet_is_written_or_says_what_it_needs(
    shared_company: SmallCompany, tmp_path: Path
) -> None:
    file = tmp_path / "balances.parquet"
    result = shared_company.run("export", str(file), "--what", "balances")
    if find_spec("pyarrow") is None:
        assert result.exit_code == 2
        assert "pip install 'saldo[parquet]'" in result.stderr
        assert not file.exists()
        return
    assert result.exit_code == 0
    table = import_module("pyarrow.parquet").read_table(file)
    assert table.column("number").to_pylist() == NUMBERS
    assert table.schema.field("principal").type == "int64"
