"""The bytes of an event: they cover every column and decode in one way only."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.seal.leaf import (
    PREFIX,
    EventRow,
    LeafError,
    decode,
    encode,
    from_json,
    to_json,
)

ROW = EventRow(
    notification_id=42,
    originator_id=UUID("6f1c3e5a-0000-5000-8000-0123456789ab").bytes,
    originator_version=7,
    topic="ledger.payment_posted.v1",
    state='{"amount":450000,"text":"Оплата"}'.encode(),
    recorded_at=1_793_534_400_123_456,
    command_id=UUID("11111111-2222-4333-8444-555555555555").bytes,
    actor="person:0c0ffee0-0000-4000-8000-000000000000",
    correlation_id="journey-1",
)
JSON = {
    "notification_id": 42,
    "originator_id": "6f1c3e5a-0000-5000-8000-0123456789ab",
    "originator_version": 7,
    "topic": "ledger.payment_posted.v1",
    "state": '{"amount":450000,"text":"Оплата"}',
    "recorded_at": "2026-11-01T12:00:00.123456Z",
    "command_id": "11111111-2222-4333-8444-555555555555",
    "actor": "person:0c0ffee0-0000-4000-8000-000000000000",
    "correlation_id": "journey-1",
}

int64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)
uuids = st.binary(min_size=16, max_size=16)
texts = st.text(max_size=40)
rows = st.builds(
    EventRow, int64, uuids, int64, texts, st.binary(max_size=80), int64, uuids, texts, texts
)


def encoded_as_specified(row: EventRow) -> bytes:
    """Encode as the docstring of the module specifies, independently of its code."""
    fields = (
        struct.pack(">q", row.notification_id),
        row.originator_id,
        struct.pack(">q", row.originator_version),
        row.topic.encode(),
        row.state,
        struct.pack(">q", row.recorded_at),
        row.command_id,
        row.actor.encode(),
        row.correlation_id.encode(),
    )
    return b"saldo/event/v1\n" + b"".join(len(f).to_bytes(4, "big") + f for f in fields)


@given(rows)
def test_encoding_follows_the_specification(row: EventRow) -> None:
    assert encode(row) == encoded_as_specified(row)
    assert decode(encode(row)) == row


def test_leaf_has_the_expected_bytes() -> None:
    row = EventRow(1, b"\x11" * 16, 2, "t", b"{}", -1, b"\x22" * 16, "a", "")
    assert encode(row).hex(" ") == (
        "73 61 6c 64 6f 2f 65 76 65 6e 74 2f 76 31 0a "
        "00 00 00 08 00 00 00 00 00 00 00 01 "
        "00 00 00 10 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 "
        "00 00 00 08 00 00 00 00 00 00 00 02 "
        "00 00 00 01 74 00 00 00 02 7b 7d "
        "00 00 00 08 ff ff ff ff ff ff ff ff "
        "00 00 00 10 22 22 22 22 22 22 22 22 22 22 22 22 22 22 22 22 "
        "00 00 00 01 61 00 00 00 00"
    )


@given(rows, rows)
def test_different_rows_have_different_leaves(one: EventRow, other: EventRow) -> None:
    assert (encode(one) == encode(other)) == (one == other)


def test_adjacent_texts_cannot_be_confused() -> None:
    left = ROW._replace(actor="ab", correlation_id="c")
    right = ROW._replace(actor="a", correlation_id="bc")
    assert encode(left) != encode(right)


@pytest.mark.parametrize(
    "damage",
    [
        lambda leaf: b"",
        lambda leaf: leaf[1:],
        lambda leaf: leaf[:-1],
        lambda leaf: leaf + b"\x00",
        lambda leaf: leaf[: len(PREFIX) + 2],
        lambda leaf: leaf.replace(b"\x00\x00\x00\x08", b"\x00\x00\x00\x07", 1),
        lambda leaf: leaf.replace(b"journey", b"\xff\xffurney"),
        lambda leaf: PREFIX + b"\x00\x00\x00\x00" * 9,
        lambda leaf: PREFIX + (b"\x00\x00\x00\x08" + b"\x00" * 8) * 9,
    ],
)
def test_damaged_leaf_is_refused(damage: object) -> None:
    with pytest.raises(LeafError):
        decode(damage(encode(ROW)))  # type: ignore[operator]


def test_json_form_has_the_nine_columns() -> None:
    assert to_json(ROW) == JSON
    assert from_json(json.loads(json.dumps(JSON))) == ROW
    assert datetime.fromisoformat(JSON["recorded_at"]) == datetime(  # type: ignore[arg-type]
        2026, 11, 1, 12, 0, 0, 123456, tzinfo=UTC
    )


@given(
    rows.filter(lambda row: abs(row.recorded_at) < 10**16),
    st.text(max_size=30),
)
def test_json_form_round_trips(row: EventRow, state: str) -> None:
    row = row._replace(state=state.encode())
    assert from_json(json.loads(json.dumps(to_json(row)))) == row


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("notification_id", "42"),
        ("notification_id", True),
        ("notification_id", 42.0),
        ("notification_id", 2**63),
        ("notification_id", -(2**63) - 1),
        ("originator_id", "6F1C3E5A-0000-5000-8000-0123456789AB"),
        ("originator_id", "6f1c3e5a"),
        ("originator_version", None),
        ("state", {"amount": 450000}),
        ("state", "\ud800"),
        ("topic", "\udfff"),
        ("recorded_at", "2026-11-01T12:00:00.123456"),
        ("recorded_at", "2026-11-01T12:00:00.1234567Z"),
        ("recorded_at", "2026-11-01T15:00:00.123456+03:00"),
        ("recorded_at", "yesterday"),
        ("command_id", ""),
        ("unknown", "field"),
    ],
)
def test_json_unlike_an_export_is_refused(name: str, value: object) -> None:
    with pytest.raises(LeafError):
        from_json({**JSON, name: value})


def test_json_without_a_field_or_no_object_is_refused() -> None:
    for name in JSON:
        with pytest.raises(LeafError):
            from_json({key: value for key, value in JSON.items() if key != name})
    values: list[object] = [[], "text", None, 1]
    for value in values:
        with pytest.raises(LeafError):
            from_json(value)


def test_row_without_a_json_form_is_refused() -> None:
    for row in (ROW._replace(state=b"\xff"), ROW._replace(recorded_at=2**63 - 1)):
        with pytest.raises(LeafError, match="event 42 has no JSON form"):
            to_json(row)
