"""A random company: every figure of the ledger is that of the reference model.

The same at full size: ``python -m tests.simulation --accounts 10000 --months 24``.
"""

from __future__ import annotations

import pytest

from tests.conftest import Database
from tests.simulation.company import Company, make_company
from tests.simulation.comparison import Comparison
from tests.simulation.installation import Installation, QuickTerminal

pytestmark = pytest.mark.nodes

ACCOUNTS, MONTHS, SEED = 60, 6, 20261123


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return make_company(tmp_path_factory.mktemp("simulation"), ACCOUNTS, MONTHS, SEED)


@pytest.fixture(scope="module")
def installation(module_database: Database, company: Company) -> Installation:
    settings = module_database.settings
    made = Installation(settings, module_database.store("ledger"), QuickTerminal(settings))
    for file in company.files:
        made.apply(file)
    return made


def test_every_figure_is_that_of_the_reference_model(
    installation: Installation, company: Company
) -> None:
    report = Comparison(installation, company, SEED, moments=4).run()
    assert report.differences == []
    assert report.accounts == ACCOUNTS
    assert report.figures > ACCOUNTS * 9


def test_simulated_company_has_every_kind_of_entry(company: Company) -> None:
    entries = [entry for _, account in company.accounts() for entry in account.entries]
    kinds = {entry.fact.what for entry in entries}
    assert kinds == {"open", "bill", "adjust", "pay", "reverse", "write_off"}
    forms = {(file.encoding, bool(file.columns)) for file in company.files if file.totals.rows}
    assert forms == {("utf-8", True), ("cp1251", True), ("utf-8", False)}
    bills = [entry.columns.values() for entry in entries if entry.fact.what == "bill"]
    assert any(sum(line) < 0 for lines in bills for line in lines), "a refund"
    assert any(not any(map(any, lines)) for lines in bills), "a bill of zero"
    rows = [row for file in company.files for row in file.read()]
    assert any(row.get("penalty") for row in rows if "charged" in row), "a penalty of the centre's"
    assert any(row["period"] for row in rows if "paid_on" in row)
    assert any(row["penalty"] is None for row in rows if "paid_on" in row)


def test_difference_of_one_kopeck_is_found(
    installation: Installation, company: Company, module_database: Database
) -> None:
    with module_database.owner("ledger") as owner:
        owner.execute(
            "UPDATE balances SET advance = advance + 1 WHERE number = "
            "(SELECT min(number) FROM balances)"
        )
        try:
            report = Comparison(installation, company, SEED, moments=1).run()
        finally:
            owner.execute(
                "UPDATE balances SET advance = advance - 1 WHERE number = "
                "(SELECT min(number) FROM balances)"
            )
    assert report.differing == 2, "the account, and the audit"
