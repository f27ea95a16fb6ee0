"""What a vault seals: bound to its subject, its field and its key; the vault of unit tests."""

from __future__ import annotations

from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag

from shared.privacy import (
    KeyDestroyedError,
    MemoryVault,
    key_id,
    new_key,
    open_field,
    seal_field,
    seal_with,
)

ANNA, BORIS = UUID(int=1), UUID(int=2)


def test_a_sealed_field_opens_as_nothing_else() -> None:
    key = new_key()
    sealed = seal_field(key, "Анна", ANNA, "full_name")
    assert open_field(key, sealed, ANNA, "full_name") == "Анна"
    for subject, field in ((BORIS, "full_name"), (ANNA, "phone"), (ANNA, "")):
        with pytest.raises(InvalidTag):
            open_field(key, sealed, subject, field)


def test_a_sealed_field_names_its_key_and_gives_nothing_of_it_away() -> None:
    key = new_key()
    sealed = seal_field(key, "Анна", ANNA, "full_name")
    assert sealed.startswith(f"v2.{key_id(key)}.")
    assert key_id(key) != key_id(new_key())
    assert len(key_id(key)) == 8


def test_what_a_destroyed_key_has_sealed_is_gone_though_the_subject_has_a_new_one() -> None:
    sealed = seal_field(new_key(), "Анна", ANNA, "full_name")
    assert open_field(new_key(), sealed, ANNA, "full_name") is None


def test_a_sealed_field_whose_version_is_taken_away_does_not_open() -> None:
    key = new_key()
    sealed = seal_field(key, "Анна", ANNA, "full_name")
    with pytest.raises(InvalidTag):
        open_field(key, sealed.rpartition(".")[2], ANNA, "full_name")


def test_what_was_sealed_before_fields_were_bound_still_opens() -> None:
    key = new_key()
    assert open_field(key, seal_with(key, "Анна", ANNA.bytes), ANNA, "full_name") == "Анна"


def test_the_vault_of_unit_tests_makes_keeps_and_destroys_keys() -> None:
    vault = MemoryVault()
    sealed = vault.seal(ANNA, "Анна", "full_name")
    vault.new_keys([ANNA, BORIS])
    assert vault.keys.keys() == {ANNA, BORIS}
    assert vault.reveal(ANNA, sealed, "full_name") == "Анна"
    vault.destroy(ANNA)
    assert vault.reveal(ANNA, sealed, "full_name") is None
    with pytest.raises(KeyDestroyedError):
        vault.seal(ANNA, "another", "full_name")
