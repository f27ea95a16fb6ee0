"""Fixtures: a small company, built once for the run and copied; a log that was sealed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.config import Settings
from tests.conftest import Database
from tests.integration.ledger.sealed_ledger import SealedLedger, build_sealed_ledger
from tests.integration.ledger.small_company import (
    BuiltCompany,
    SmallCompany,
    Template,
    built_small_company,
    copied_company,
)


@pytest.fixture(scope="session")
def built_company(base_settings: Settings, template: Template) -> Iterator[BuiltCompany]:
    """A company that no test opens: the others are copies of its database."""
    with built_small_company(base_settings, template) as built:
        yield built


@pytest.fixture(scope="module")
def shared_company(base_settings: Settings, built_company: BuiltCompany) -> Iterator[SmallCompany]:
    """A company for the tests of a module that change nothing."""
    with copied_company(base_settings, built_company) as copy:
        yield copy


@pytest.fixture
def company(base_settings: Settings, built_company: BuiltCompany) -> Iterator[SmallCompany]:
    """A company of the test's own."""
    with copied_company(base_settings, built_company) as copy:
        yield copy


@pytest.fixture
def ledger(database: Database) -> SealedLedger:
    """A sealed log of the test's own."""
    return build_sealed_ledger(database)


@pytest.fixture(scope="module")
def shared_ledger(module_database: Database) -> SealedLedger:
    """A sealed log for the tests of a module that change nothing."""
    return build_sealed_ledger(module_database)
