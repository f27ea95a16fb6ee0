"""The context of a request in the headers of a message."""

from __future__ import annotations

from uuid import uuid4

import pytest

from shared import context
from shared.context import RequestContext


def test_headers_carry_the_whole_context_of_a_request() -> None:
    sent = RequestContext(
        actor="person:1",
        correlation_id="journey-1",
        command_id=uuid4(),
        traceparent=context.new_traceparent("journey-1"),
        asked_at=1_764_517_000.123456,
    )
    assert RequestContext(**context.from_headers(sent.as_headers())) == sent


def test_context_of_a_job_names_no_time_of_a_request() -> None:
    headers = RequestContext(correlation_id="job-1").as_headers()
    assert "asked_at" not in headers
    assert context.from_headers(headers)["asked_at"] is None


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "1e9", "123456789012", "soon", "1.5; --", 0])
def test_malformed_time_of_a_request_is_no_time(value: object) -> None:
    assert context.from_headers({"asked_at": value})["asked_at"] is None
