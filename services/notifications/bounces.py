"""Reading the mailbox of bounces, a background job of the worker.

A report is noted first and deleted then: after a crash in between it is read again, and says what
is known. A message that is no report about a letter of ours is left to a person.
"""

from __future__ import annotations

from typing import Literal

from services.notifications import bounce_mailboxes
from services.notifications.bounce_mailboxes import BounceMailbox, MailboxUnavailableError
from services.notifications.bouncing import is_hard, note_reports
from services.notifications.delivery_reports import DeliveryReport, read_report
from shared import telemetry
from shared.bus import Services
from shared.logs import get_logger

log = get_logger(__name__)

#: What may come back, as the metric names it; ``no_mailbox``: a run that could not read it.
OUTCOMES = ("hard", "soft", "late", "none", "unreadable", "no_mailbox")

#: Messages that are read in one run, and whose reports are noted in one transaction.
BATCH = 100


def read_bounces(services: Services) -> int:
    """Read the reports that have come; return how many messages there were."""
    for outcome in OUTCOMES:  # an alarm on a rate needs the zero before the first one
        telemetry.LETTER_REPORTS.labels(outcome)
    url = services.settings.bounces_url
    if not url:
        return 0
    try:
        with bounce_mailboxes.opened(url) as mailbox:
            return _read(services, mailbox)
    except MailboxUnavailableError as error:
        log.warning("bounces_not_read", reason=str(error))
        telemetry.LETTER_REPORTS.labels("no_mailbox").inc()
        return 0


def _read(services: Services, mailbox: BounceMailbox) -> int:
    reports: dict[str, DeliveryReport] = {}
    others: dict[str, str] = {}
    for key, raw in mailbox.unread(BATCH):
        report = _report(raw)
        if isinstance(report, DeliveryReport):
            reports[key] = report
        else:
            others[key] = report
    noted = services.store.transact(note_reports, list(reports.values())) if reports else 0
    for key, report in reports.items():
        mailbox.delete(key)
        telemetry.LETTER_REPORTS.labels(_outcome(report)).inc()
    for key, outcome in others.items():
        mailbox.set_aside(key)
        telemetry.LETTER_REPORTS.labels(outcome).inc()
    if reports or others:
        log.info("bounces_read", reports=len(reports), noted=noted, left_aside=len(others))
    return len(reports) + len(others)


def _report(raw: bytes) -> DeliveryReport | Literal["none", "unreadable"]:
    try:
        return read_report(raw) or "none"
    except Exception as error:  # noqa: BLE001 - logged; one message must not stop the others
        # Without its text, which may quote the message.
        log.warning("report_unreadable", error=type(error).__name__)
        return "unreadable"


def _outcome(report: DeliveryReport) -> str:
    if not report.failed:
        return "late"
    return "hard" if is_hard(report.status) else "soft"
