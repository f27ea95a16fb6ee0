"""A company made up at random: whatever the ledger says of it, a clerk says who keeps its books.

The same at full size: ``python -m tests.simulation --accounts 10000 --months 24``.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Database
from tests.simulation.company import Company, make_company
from tests.simulation.comparison import Judge
from tests.simulation.installation import Installation, QuickTerminal
from tests.simulation.reference_model import Entry

pytestmark = pytest.mark.nodes

ACCOUNTS, MONTHS, SEED = 60, 6, 20261123


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return make_company(tmp_path_factory.mktemp("town"), ACCOUNTS, MONTHS, SEED)


@pytest.fixture(scope="module")
def installation(module_database: Database, company: Company) -> Installation:
    settings = module_database.settings
    made = Installation(settings, module_database.store("ledger"), QuickTerminal(settings))
    for book in company.books:
        made.take(book)
    return made


def test_every_figure_is_that_of_the_clerk(installation: Installation, company: Company) -> None:
    verdict = Judge(installation, company, SEED, moments=4).judge()
    assert verdict.differences == []
    assert verdict.accounts == ACCOUNTS
    assert verdict.figures > ACCOUNTS * 9


def test_the_company_has_seen_everything(company: Company) -> None:
    entries: list[Entry] = [entry for _, mine, _ in company.lives() for entry in mine]
    whats = {entry.what for entry in entries}
    assert whats == {
        *("open", "charge", "adjust", "fine", "correct_fine", "waive", "pay", "reverse"),
    }
    forms = {(book.encoding, bool(book.columns)) for book in company.books if book.totals.rows}
    assert forms == {("utf-8", True), ("cp1251", True), ("utf-8", False)}
    bills = [entry.given[2].values() for entry in entries if entry.what == "charge"]
    assert any(sum(line) < 0 for lines in bills for line in lines), "money back"
    assert any(not any(map(any, lines)) for lines in bills), "a bill of nothing"
    paid: list[Any] = [entry.given for entry in entries if entry.what == "pay"]
    assert any(purpose for *_, purpose in paid)
    assert any(penalty is None for _, _, penalty, _ in paid)


def test_a_kopeck_more_in_one_account_is_noticed(
    installation: Installation, company: Company, module_database: Database
) -> None:
    with module_database.owner("ledger") as owner:
        owner.execute(
            "UPDATE balances SET advance = advance + 1 WHERE number = "
            "(SELECT min(number) FROM balances)"
        )
        try:
            verdict = Judge(installation, company, SEED, moments=1).judge()
        finally:
            owner.execute(
                "UPDATE balances SET advance = advance - 1 WHERE number = "
                "(SELECT min(number) FROM balances)"
            )
    assert verdict.differing == 2, "the account, and the audit"
