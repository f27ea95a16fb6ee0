"""The rules of the description are those of the services, and any client can apply them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from services.identity import password_policy
from services.identity.contact_details import parse_phone
from services.identity.documents import KINDS
from services.identity.names import MAX_FULL_NAME_LENGTH, parse_full_name
from services.identity.organisation_details import (
    MAX_ORGANISATION_NAME_LENGTH,
    parse_organisation,
)
from services.payments.splits import MAX_LINES, Line, frozen_split
from shared.email_address import parse_email
from shared.errors import ValidationFailed

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="\nEventlet is deprecated")
    from gateway.openapi import describe
    from gateway.schemas import patterns
    from gateway.schemas.payments import MOST_LINES, MOST_OF_LINE, StartPayment
    from gateway.schemas.registrations import Organisation, StartRegistration
    from gateway.service import Gateway

PYTHON_ALONE = re.compile(r"\\[AZzsSdDwWbB]|\(\?P|\(\?[aiLmsux]|\(\?#|\(\?\(")
"""What a pattern of ECMA-262 does not have, or reads otherwise."""

ADDRESSES = {
    "a@b.ru": True, " ivanov@example.org ": True, "a.b+c@sub.example.org": True,
    "почта@example.org": False, "ivanov@почта.рф": True, "ivanov@xn--80a1acny.xn--p1ai": True,
    ".a@b.ru": False, "a..b@b.ru": False, "a.@b.ru": False, "a@b": False, "a@b.r": False,
    "a@-b.ru": False, "a@b-.ru": False, "a b@c.ru": False, "@b.ru": False,
}  # fmt: skip
PHONES = {
    "+79161234567": True, "8 (916) 123-45-67": True, "9161234567": True, "7 916 123 45 67": True,
    "+7 916 123\u201145\u201167": True, "+44 20 7946 0958": True, "+375291234567": True,
    "": False, "916123456": False, "+7916123456": False, "+0123456789": False,
    "+7 916 123-45-67 ext 1": False, "00000000000": False,
}  # fmt: skip
NAMES = {
    "Иванов Иван": True, "Ли": True, "  Ли  ": True, "Я": False, " Я ": False, "a\u0000b": False,
}  # fmt: skip
KPPS = {"620001001": True, " 6200aB001 ": True, "62000100": False, "6200-1001": False}


def _accepts(parse: Callable[[str], Any], text: str) -> bool:
    try:
        parse(text)
    except ValidationFailed:
        return False
    return True


def _matches(pattern: str, text: str) -> bool:
    return re.compile(pattern).fullmatch(text) is not None


def _parse_kpp(text: str) -> Any:
    return parse_organisation("ООО «Три кита»", "7707083893", text)


@pytest.mark.parametrize(
    ("pattern", "parse", "samples"),
    [
        (patterns.EMAIL, parse_email, ADDRESSES),
        (patterns.PHONE, parse_phone, PHONES),
        (patterns.NAME, parse_full_name, NAMES),
        (patterns.KPP, _parse_kpp, KPPS),
    ],
    ids=["email", "phone", "name", "kpp"],
)
def test_a_pattern_and_the_service_agree(
    pattern: str, parse: Callable[[str], Any], samples: dict[str, bool]
) -> None:
    assert {text: _matches(pattern, text) for text in samples} == samples
    assert {text: _accepts(parse, text) for text in samples} == samples


@given(st.from_regex(patterns.PHONE, fullmatch=True))
def test_every_described_phone_number_is_accepted(text: str) -> None:
    assert _accepts(parse_phone, text)


@given(st.from_regex(patterns.EMAIL, fullmatch=True))
def test_every_described_address_is_accepted(text: str) -> None:
    local, _, domain = text.strip().rpartition("@")
    if domain.isascii() and len(local) <= 64 and len(text.strip()) <= 254:
        assert _accepts(parse_email, text)


@given(st.text(st.sampled_from(" \t\n\u00a0\u2028\u3000aЯ😀\u0007\u0085\u001f"), max_size=6))
def test_a_visible_text_is_one_that_strip_leaves_something_of(text: str) -> None:
    control = any(character in text for character in "\u0007\u0085\u001f")
    assert _matches(patterns.TEXT, text) == (not control)
    assert _matches(patterns.VISIBLE, text) == (not control and bool(text.strip()))


def test_lengths_are_those_of_the_services() -> None:
    schemas = describe(Gateway)["components"]["schemas"]
    limits = (password_policy.MIN_LENGTH, password_policy.MAX_LENGTH)
    for schema in ("ChangePassword", "ConfirmPasswordReset"):
        password = schemas[schema]["properties"]["new_password"]
        assert (password["minLength"], password["maxLength"]) == limits
    assert schemas["UpdateProfile"]["properties"]["full_name"]["maxLength"] == MAX_FULL_NAME_LENGTH
    name = schemas["Organisation"]["properties"]["name"]
    assert name["maxLength"] == MAX_ORGANISATION_NAME_LENGTH


def test_the_largest_payment_that_is_described_is_accepted() -> None:
    assert MOST_LINES == MAX_LINES
    lines = [Line(str(number), MOST_OF_LINE, MOST_OF_LINE) for number in range(MAX_LINES)]
    assert len(frozen_split(lines)) == MAX_LINES


def test_documents_are_those_of_identity() -> None:
    [kind] = describe(Gateway)["paths"]["/api/v1/documents/{kind}"]["get"]["parameters"][:1]
    assert sorted(kind["schema"]["enum"]) == sorted(KINDS)


INDIVIDUAL = {"person_type": "individual", "email": "a@b.ru"}
ENTITY = {"name": "ООО «Три кита»", "inn": "7707083893", "kpp": "770701001"}
TRADER = {"name": "ИП Ким", "inn": "500100732259"}
LINE = {"account": "1", "amount": 0, "penalty": 0}
PAID = {**LINE, "account": "2", "penalty": 1}


@pytest.mark.parametrize(
    ("shape", "body", "valid"),
    [
        ("StartRegistration", INDIVIDUAL, True),
        ("StartRegistration", {**INDIVIDUAL, "organisation": None}, True),
        ("StartRegistration", {**INDIVIDUAL, "organisation": ENTITY}, False),
        ("StartRegistration", {**INDIVIDUAL, "person_type": "organisation"}, False),
        ("Organisation", ENTITY, True),
        ("Organisation", {**ENTITY, "kpp": None}, False),
        ("Organisation", TRADER, True),
        ("Organisation", {**TRADER, "kpp": ""}, True),
        ("Organisation", {**TRADER, "kpp": ENTITY["kpp"]}, False),
        ("StartPayment", {"lines": [LINE, PAID]}, True),
        ("StartPayment", {"lines": [LINE]}, False),
    ],
)
def test_rules_that_join_fields_are_told_as_they_hold(
    shape: str, body: dict[str, Any], valid: bool
) -> None:
    components = describe(Gateway)["components"]
    schema = {"$ref": f"#/components/schemas/{shape}", "components": components}
    assert jsonschema_rs.is_valid(schema, body) == valid
    assert _is_taken(shape, body) == valid


def _is_taken(shape: str, body: dict[str, Any]) -> bool:
    """Return whether the shape takes a body, and then the service that it is for."""
    shapes = {
        "StartRegistration": StartRegistration,
        "Organisation": Organisation,
        "StartPayment": StartPayment,
    }
    try:
        members = shapes[shape]().load(body)
        if shape == "Organisation":
            parse_organisation(**members)
        if shape == "StartPayment":
            frozen_split([Line(**line) for line in members["lines"]])
    except (ValidationError, ValidationFailed):
        return False
    return True


def test_every_pattern_is_one_of_ecma_262() -> None:
    found = set(_patterns(describe(Gateway)))
    assert patterns.EMAIL in found
    assert [pattern for pattern in found if PYTHON_ALONE.search(pattern)] == []
    assert [pattern for pattern in found if not pattern.startswith("^")] == []


def _patterns(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield node["pattern"]
        for value in node.values():
            yield from _patterns(value)
    elif isinstance(node, list):
        for value in node:
            yield from _patterns(value)


def test_a_document_is_described_as_json_and_as_a_file() -> None:
    document = describe(Gateway)["paths"]["/api/v1/documents/{kind}"]["get"]
    assert sorted(document["responses"]["200"]["content"]) == ["application/json", "text/markdown"]
