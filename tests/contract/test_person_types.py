"""The types of person are the same in the contract and in the database of identity."""

from __future__ import annotations

import re
from importlib.resources import files

from shared.access_settings import TYPES
from shared.contracts.identity import PersonType


def test_the_database_of_identity_accepts_just_these_types() -> None:
    migrations = sorted(files("services.identity").joinpath("migrations").iterdir(), key=str)
    sql = "\n".join(path.read_text("utf-8") for path in migrations)
    checks = re.findall(r"person_type IN \(([^)]*)\)", sql)
    assert set(re.findall(r"'(\w+)'", checks[-1])) == set(PersonType)


def test_the_setting_of_a_required_second_factor_knows_just_these_types() -> None:
    assert set(PersonType) == TYPES
