"""What an account is saved as and read from is the list of columns."""

from __future__ import annotations

import inspect

from services.ledger.domain import Account, account_id
from services.ledger.domain.proposal import Proposal
from services.ledger.replay.rebuild import Rebuilt
from services.ledger.tables.book_rows import BOOK_TABLES
from services.ledger.tables.columns import BALANCES, COLUMNS, NAMES, PROPOSALS, TABLES


def test_every_table_of_the_list_is_rebuilt() -> None:
    assert set(Rebuilt().wrong) == {*TABLES, *BOOK_TABLES}


def test_a_snapshot_has_the_columns_of_its_table() -> None:
    id_ = account_id("0100000001")
    assert tuple(Account(id_).snapshot()) == COLUMNS[BALANCES]
    assert tuple(Proposal(id_).snapshot()) == COLUMNS[PROPOSALS]


def test_an_account_is_made_of_the_columns_in_their_order() -> None:
    parameters = list(inspect.signature(Account.from_values).parameters)[1:]
    assert parameters == [name for name in NAMES[BALANCES][1:] if name != "principal"]
