"""Addresses, names, phones, organisation details, passwords and codes."""

from __future__ import annotations

import pytest

from services.identity.contact_details import parse_phone
from services.identity.fingerprints import Fingerprints, new_code, new_temporary_password
from services.identity.organisation_details import inn_is_valid, parse_organisation
from services.identity.password_policy import check_password
from shared.email_address import email_key, parse_email
from shared.errors import ValidationFailed
from shared.ids import new_id


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("anna@example.org", "anna@example.org"),
        ("  Anna.B+x@Example.ORG\n", "Anna.B+x@example.org"),
        ("anna@почта.рф", "anna@xn--80a1acny.xn--p1ai"),
    ],
)
def test_an_address_has_one_form(typed: str, address: str) -> None:
    assert parse_email(typed) == address
    assert email_key(typed) == address.lower()


@pytest.mark.parametrize(
    "typed",
    [
        "", "anna", "@example.org", "anna@", "anna@localhost", "anna@@example.org",
        "an na@example.org", "anna@exa mple.org", "anna@example.org\nBcc: x@example.org",
        ".anna@example.org", "anna@-example.org", f"{'a' * 65}@example.org",
        f"anna@{'a' * 64}.org", f"anna@{'a.' * 130}org", "анна@example.org",
    ],
)  # fmt: skip
def test_invalid_address_is_refused(typed: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        parse_email(typed)
    assert caught.value.code == "email_invalid"
    assert typed == "" or typed not in str(caught.value)


@pytest.mark.parametrize(
    ("inn", "valid"),
    [
        ("7707083893", True), ("7728168971", True), ("500100732259", True),
        ("7707083894", False), ("500100732258", False), ("500100732269", False),
        ("0000000000", False), ("770708389", False), ("770708389x", False), ("٧٧٠٧٠٨٣٨٩٣", False),
    ],
)  # fmt: skip
def test_the_digits_of_an_inn_add_up(inn: str, valid: bool) -> None:
    assert inn_is_valid(inn) is valid


def test_a_sole_trader_has_no_kpp() -> None:
    assert parse_organisation("ИП Смирнов", "500100732259", "").kpp is None


@pytest.mark.parametrize(
    ("typed", "phone"),
    [
        ("8 (916) 123-45-67", "+79161234567"), ("+7 916 123 45 67", "+79161234567"),
        ("79161234567", "+79161234567"), ("9161234567", "+79161234567"),
        ("8 495 123-45-67", "+74951234567"), ("+375 29 123-45-67", "+375291234567"),
    ],
)  # fmt: skip
def test_phone_is_stored_in_e164(typed: str, phone: str) -> None:
    assert parse_phone(typed) == phone


@pytest.mark.parametrize("typed", ["", "123", "+7 916 123", "+0123456789", "8916123456x"])
def test_invalid_phone_is_refused(typed: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        parse_phone(typed)
    assert caught.value.code == "phone_invalid"


def test_a_composed_and_a_decomposed_letter_are_the_same_password() -> None:
    with pytest.raises(ValidationFailed) as caught:
        check_password("мой пароль й", previous="мой пароль й")
    assert caught.value.code == "password_unchanged"


class Keys:
    def __init__(self, key: bytes) -> None:
        self.key = key

    def hash_key(self, purpose: str) -> bytes:
        return self.key + purpose.encode()


def test_fingerprints_are_equal_for_equal_values_only() -> None:
    prints, owner = Fingerprints(Keys(b"1")), new_id()
    assert prints.email(" Anna@Example.org") == prints.email("anna@example.org")
    assert prints.email("anna@example.org") != Fingerprints(Keys(b"2")).email("anna@example.org")
    assert prints.network("2001:db8::1") == prints.network("2001:db8::ffff")
    assert prints.network("192.0.2.1") != prints.network("192.0.2.2")
    assert prints.code(owner, "123456") == prints.code(owner, " 123 456 ")
    assert prints.code(owner, "123456") != prints.code(new_id(), "123456")


def test_codes_and_passwords_have_their_form() -> None:
    codes = {new_code() for _ in range(200)}
    assert all(len(code) == 6 and code.isdecimal() for code in codes)
    assert len(codes) > 190
    password = new_temporary_password()
    assert len(password) == 14
    check_password(password)
