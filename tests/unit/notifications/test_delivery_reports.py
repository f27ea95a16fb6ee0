"""Reports of mailers are read, whoever wrote them; hostile ones do no harm."""

from __future__ import annotations

import random
from uuid import UUID

import pytest

from services.notifications.delivery_reports import MAX_BYTES, DeliveryReport, read_report
from tests.unit.notifications.report_samples import (
    LETTER,
    MESSAGE_ID,
    NO_REPORTS,
    OWN_ADDRESS,
    POSTFIX,
    SAMPLES,
    Sample,
    report,
)


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_report_tells_its_letter_and_its_status(sample: Sample) -> None:
    expected = DeliveryReport(LETTER, MESSAGE_ID, sample.status, sample.failed)
    assert read_report(sample.raw) == expected


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_message_id_alone_tells_the_letter(sample: Sample) -> None:
    forwarded = sample.raw.replace(OWN_ADDRESS.encode(), b"postmaster@saldo.example")
    found = read_report(forwarded)
    assert found is not None
    assert found.letter_id == LETTER


@pytest.mark.parametrize("raw", NO_REPORTS.values(), ids=NO_REPORTS)
def test_other_messages_are_no_reports(raw: bytes) -> None:
    assert read_report(raw) is None


def test_own_address_counts_more_than_what_is_returned() -> None:
    other = UUID(int=7)
    returned = f"Message-ID: <{other}.2@saldo.example>\n"
    found = read_report(report("Action: failed\nStatus: 5.1.1\n", original=returned))
    assert found == DeliveryReport(LETTER, f"<{other}.2@saldo.example>", "5.1.1", failed=True)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ("Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 452 4.2.2 full\n", "4.2.2"),
        ("Action: failed\nDiagnostic-Code: smtp; 552 storage exceeded\n", "5.2.2"),
        ("Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 552 too much\n", "5.2.2"),
        ("Action: failed\nStatus: 5.1.1 (no such user)\n", "5.1.1"),
        ("Action: failed\nDiagnostic-Code: smtp; 550 no such user\n", "5.0.0"),
        ("Action: failed\nDiagnostic-Code: smtp; 451 try later\n", "4.0.0"),
        ("Action: failed\n", "5.0.0"),
        ("Action: failed\nStatus: 2.0.0\n", "5.0.0"),
        ("Action: failed\nStatus: 5.1.1.9999999\n", "5.0.0"),
        ("Action: failed\nStatus: 5.1.1\x00\x1b[2J\n", "5.1.1"),
        ("ACTION :Failed\nstatus :\n 5.4.4\n", "5.4.4"),
        ("Action: failed\nDiagnostic-Code: smtp; 550-192.0.2.1 is listed\n", "5.0.0"),
    ],
)
def test_most_exact_status_is_read(fields: str, status: str) -> None:
    found = read_report(report(fields))
    assert found is not None
    assert found.status == status


def test_line_ends_and_unknown_bytes_make_no_difference() -> None:
    for raw in (POSTFIX.replace(b"\r\n", b"\n"), POSTFIX.replace(b"\r\n", b"\r")):
        assert read_report(raw) == read_report(POSTFIX)
    wrong_charset = POSTFIX.replace(b"us-ascii", b"\xff\xfe-unknown").replace(
        b"This is the mail system.", "Письмо".encode("koi8-r")
    )
    assert read_report(wrong_charset) == read_report(POSTFIX)


def test_report_in_front_of_a_huge_letter_is_read() -> None:
    huge = report("Action: failed\nStatus: 5.3.4\n", original="x" * (4 * MAX_BYTES))
    found = read_report(huge)
    assert found == DeliveryReport(LETTER, None, "5.3.4", failed=True)


def nested(depth: int) -> bytes:
    opened = "".join(
        f'Content-Type: multipart/report; boundary="b{level}"\n\n--b{level}\n'
        for level in range(depth)
    )
    inner = "Content-Type: message/delivery-status\n\nAction: failed\nStatus: 5.1.1\n"
    return f"To: {OWN_ADDRESS}\n{opened}{inner}".encode()


def test_wrapped_report_is_read_but_not_at_any_depth() -> None:
    wrapped = read_report(nested(2))
    assert wrapped is not None
    assert wrapped.status == "5.1.1"
    assert read_report(nested(20)) is None


HOSTILE = {
    "nested": nested(20_000),
    "many parts": b"Content-Type: multipart/report; boundary=b\n\n" + b"--b\n\n" * 200_000,
    "many recipients": report("Action: x\n\n" * 90_000),
    "one endless line": report("Status: " + "5.1.1" * 200_000),
    "many headers": b"To: x\n" * 170_000,
    "a header folded for ever": b"To: x\n" + b" y\n" * 300_000,
    "many spaces": report("Action:" + " \t" * 400_000),
    "many blank lines": report("\n \t" * 300_000),
    "many boundaries in one header": b"Content-Type: multipart/report"
    + b";boundary=x" * 5_000
    + b"\n\n--x\n\n",
    "many message ids": report(
        "Action: failed\n", to="x@y", original="Message-ID: \n" * 60_000 + "x"
    ),
    "broken base64": report(
        "=" * 500_000,
        status_headers="Content-Type: message/delivery-status\nContent-Transfer-Encoding: base64",
    ),
    "parameters as of RFC 2231": b"Content-Type: multipart/report; "
    b"boundary*0*=zz''a%FF; boundary*999999999=b; boundary*1*=%\n\n--ab\n\n",
    "no end of the headers": b"Content-Type: multipart/report; boundary=" + b"b" * MAX_BYTES,
    "bytes of every kind": bytes(range(256)) * 4_000,
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_hostile_message_is_no_report(raw: bytes) -> None:
    """Quadratic work, or a parser that recurses, would not come to an end here."""
    assert read_report(raw) is None


def test_damaged_reports_raise_nothing() -> None:
    draw = random.Random(20261101)  # noqa: S311 - no secret
    for sample in SAMPLES.values():
        for _ in range(60):
            raw = bytearray(sample.raw)
            for _ in range(draw.randint(1, 12)):
                place = draw.randrange(len(raw))
                raw[place : place + draw.randint(0, 9)] = draw.randbytes(draw.randint(0, 5))
            found = read_report(bytes(raw))
            assert found is None or found.letter_id is not None
