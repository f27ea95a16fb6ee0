"""A refusal stands beside the field that it means."""

from __future__ import annotations

from gateway.cabinet.forms import FIELD_OF_CODE
from gateway.messages import CATALOGUE


def test_every_code_that_means_a_field_is_one_of_the_api() -> None:
    assert FIELD_OF_CODE.keys() - CATALOGUE.keys() == set()
