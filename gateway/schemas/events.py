"""Published events, as CloudEvents in JSON."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import fields, validate

from gateway.schemas import patterns
from gateway.schemas.base import (
    Moment,
    Pattern,
    QueryInteger,
    Result,
    Shape,
    Text,
    described,
    formed,
    instant,
    output_text,
    page_size,
)
from shared.bus.epochs import EPOCH

MOST_WAIT = 20
"""Seconds; a gateway that stops lets requests finish for 25."""
_NAME = "[a-z][a-z0-9]*(_[a-z0-9]+)*"
_MOST_DIGITS = 18


class Position(QueryInteger):
    """A position of a log, as a query parameter."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, str) or not re.fullmatch(rf"[0-9]{{1,{_MOST_DIGITS}}}", value):
            raise self.make_error("invalid", input=value)
        return int(value)


class EventsQuery(Shape):
    """Which events of which service, and where to begin."""

    service = Text(
        required=True,
        validate=formed(f"^{_NAME}$", 40),
        metadata=described("Whose events; a list is at /api/events.", "ledger"),
    )
    types = Text(
        load_default=None,
        validate=formed(f"^{_NAME}(,{_NAME})*$", 900),
        metadata=described(
            "Only these types, separated by commas; by default all that are granted.",
            "payment_posted,payment_reversed",
        ),
    )
    after = Text(
        load_default=None,
        validate=formed(patterns.CURSOR, 200, "field_cursor"),
        metadata=described(
            "Continue: the `next` of the previous page. Without it, `position` and `since` the "
            "first event comes first.",
            "WyJldmVudHMgbGVkZ2VyIiwiMTIwMDAwLjEyMDAwMCJd",
        ),
    )
    position = Position(
        load_default=None,
        validate=validate.Range(
            min=0, max=10**_MOST_DIGITS - 1, error=f"field_range 0 {10**_MOST_DIGITS - 1}"
        ),
        metadata=described("Begin after this position; not together with `after`.", 120000),
    )
    epoch = Text(
        load_default=None,
        validate=formed(f"^{EPOCH}$", 20),
        metadata=described(
            "The epoch of `position`, to make sure that it is a place of this log.", "2.5f0c9ae1"
        ),
    )
    since = Moment(
        load_default=None,
        metadata=described(
            "Begin with what was recorded on this day (2026-11-01) or from this instant on "
            "(2026-11-01T00:00:00Z); not together with `after` or `position`.",
            "2026-11-01",
        ),
    )
    limit = page_size(500, 1000)
    wait = QueryInteger(
        load_default=0,
        validate=validate.Range(min=0, max=MOST_WAIT, error=f"field_range 0 {MOST_WAIT}"),
        metadata=described(
            f"How many seconds to wait for an event where there is none, at most {MOST_WAIT}.", 20
        ),
    )


def _place(description: str, example: int) -> fields.Integer:
    return fields.Integer(
        required=True, validate=validate.Range(min=0), metadata=described(description, example)
    )


def _epoch(description: str, *, required: bool = True) -> fields.String:
    return fields.String(
        required=required,
        validate=Pattern(f"^{EPOCH}$", error="field_choice"),
        metadata=described(description, "1.9b2d40c7"),
    )


class PublishedEvent(Result):
    """An event in the JSON format of CloudEvents 1.0, structured mode."""

    specversion = output_text(
        "CloudEvents 1.0; on the bus the header `cloudEvents_specversion`.", "1.0"
    )
    id = output_text("Unique within the source; `cloudEvents_id`.", "ledger-120001")
    source = output_text("Whose event; `cloudEvents_source`.", "/saldo/ledger")
    type = output_text("Its type; `cloudEvents_type`, and the routing key.", "payment_posted")
    time = instant("When it was recorded; `cloudEvents_time`.")
    subject = fields.String(
        metadata=described(
            "What it is about; `cloudEvents_subject`. Left out where it is a person, without a "
            "grant for persons.",
            "7d9f0a52-6d11-4a0e-9a3f-1f5a2f0f1b03",
        )
    )
    dataschema = output_text(
        "The contract of `data`; `cloudEvents_dataschema`.",
        "/saldo/contracts/ledger/payment_posted/v1",
    )
    datacontenttype = output_text("The content type of the message.", "application/json")
    saldoposition = _place("Its position in the log; `saldo_position`.", 120001)
    saldoepoch = _epoch("The epoch of its position; `saldo_epoch`.", required=False)
    saldopredecessor = _place(
        "The position of the published event before it, of any type; `saldo_predecessor`.", 120000
    )
    saldocorrelationid = fields.String(
        metadata=described("The journey that it belongs to; `saldo_correlation_id`.", "K7QM2XWD")
    )
    data = fields.Dict(
        required=True,
        metadata=described(
            "The body of the message, as AsyncAPI describes it (/api/asyncapi.yaml).",
            {"account": "0001234", "amount": 450000},
        ),
    )


class EventPage(Result):
    """Events in the order of the log: `events` is a CloudEvents batch."""

    service = output_text("Whose events.", "ledger")
    events = fields.List(fields.Nested(PublishedEvent), required=True)
    position = _place("Up to here everything that was asked for has been returned.", 120001)
    epoch = _epoch("The epoch of `position`: both name a place of the log, one alone does not.")
    more = fields.Boolean(
        required=True,
        metadata=described("Whether to continue at once; false at the end of the log.", False),
    )
    next = fields.String(
        required=True,
        validate=Pattern(patterns.CURSOR, error="field_cursor"),
        metadata=described(
            "The cursor to continue with, always; keep it with what you did with the events.",
            "WyJldmVudHMgbGVkZ2VyIiwiMTIwMDAxLjEyMDAwMSJd",
        ),
    )


class EpochsQuery(Shape):
    """Whose epochs."""

    service = Text(
        required=True,
        validate=formed(f"^{_NAME}$", 40),
        metadata=described("Whose log.", "ledger"),
    )


class LogEpoch(Result):
    """An epoch of a log."""

    epoch = _epoch("Its name, which no other epoch of any log has.")
    after = _place("It has the positions after this one.", 0)
    began_at = instant("When it began.")
    reason = output_text(
        "Why it began: `first`, `promoted` (another server took over), `restored` (from a copy), "
        "`tail_lost` (with the loss of events that were published), or `stream_lost` (nothing was "
        "left to compare the log with).",
        "first",
    )


class Epochs(Result):
    """The epochs of a log, oldest first."""

    service = output_text("Whose log.", "ledger")
    epochs = fields.List(fields.Nested(LogEpoch), required=True)
    head = _place("The last position of the log.", 120001)
