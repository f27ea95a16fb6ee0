"""Our frames of a published message are those of py-amqp, byte for byte."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from amqp import Message, spec
from amqp.method_framing import frame_writer
from amqp.serialization import dumps
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.bus.frames import encoder
from shared.bus.messages import REPEATED_HEADERS

FRAME_MAX = 4096

short = st.text(max_size=60)
values = (
    st.text(max_size=300)
    | st.integers(-(2**63), 2**63 - 1)
    | st.sampled_from([0, 2**31 - 1, 2**31, -(2**31) + 1, -(2**31), True, False, None, 1.5])
    | st.lists(st.integers(-9, 9), max_size=3)
)
names = st.sampled_from(sorted(REPEATED_HEADERS)) | short
SIZES = [0, 1, FRAME_MAX - 9, FRAME_MAX - 8, FRAME_MAX - 7, 2 * (FRAME_MAX - 8), 3 * FRAME_MAX]


def of_the_library(
    exchange: str, key: str, headers: dict[str, Any], body: bytes, user: str, mandatory: bool
) -> bytes:
    written: list[bytes] = []
    transport = SimpleNamespace(write=lambda part: written.append(bytes(part)))
    connection = SimpleNamespace(frame_max=FRAME_MAX, bytes_sent=0)
    message = Message(
        body,
        content_type="application/json",
        content_encoding="utf-8",
        delivery_mode=2,
        application_headers=headers,
        user_id=user,
    )
    arguments = dumps("Bssbb", (0, exchange, key, mandatory, False))
    write = frame_writer(connection, transport)
    write(1, 7, spec.Basic.Publish, arguments, message)
    return b"".join(written)


def ours(
    exchange: str, key: str, headers: dict[str, Any], body: bytes, user: str, mandatory: bool
) -> bytes:
    encode = encoder(7, FRAME_MAX, user, "application/json", REPEATED_HEADERS, mandatory=mandatory)
    return encode(exchange, key, headers, body)


# Making the examples takes long on a machine under load; none of them does anything slow.
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(short, short, st.dictionaries(names, values, max_size=8), st.binary(), short, st.booleans())
def test_any_message_has_the_bytes_of_the_library(
    exchange: str, key: str, headers: dict[str, Any], body: bytes, user: str, mandatory: bool
) -> None:
    given_ = (exchange, key, headers, body, user, mandatory)
    # Twice: a header that is known already has the same bytes.
    assert ours(*given_) == of_the_library(*given_) == ours(*given_)


@pytest.mark.parametrize("size", SIZES)
def test_a_body_is_divided_where_the_library_divides_it(size: int) -> None:
    given_ = ("ledger.log", "payment_posted", {"a": 1}, bytes(range(256)) * 64, "ledger", True)
    exchange, key, headers, body, user, mandatory = given_
    assert ours(exchange, key, headers, body[:size], user, mandatory) == of_the_library(
        exchange, key, headers, body[:size], user, mandatory
    )


def test_equal_values_of_other_types_are_told_apart() -> None:
    for value in (1, True, 1.0, "1"):
        headers = {"saldo_epoch": value}
        given_ = ("e", "k", headers, b"{}", "ledger", True)
        assert ours(*given_) == of_the_library(*given_)
