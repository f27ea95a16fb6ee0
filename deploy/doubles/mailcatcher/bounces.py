"""Reports of delivery (RFC 3464), as a Postfix sends them to the sender of a letter."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime, localtime
from uuid import uuid4

_HOST = "mail.saldo.invalid"
_FAILED = ("failed", "5.1.1", "550 5.1.1 No such mailbox", "Undelivered Mail Returned to Sender")
_LATE = ("delayed", "4.4.1", "451 4.4.1 Connection timed out", "Delayed Mail (still being retried)")


def delivery_report(content: bytes, sender: str, recipient: str, *, failed: bool) -> bytes:
    """Return the report that a letter was not delivered, or that it is late."""
    action, status, reply, subject = _FAILED if failed else _LATE
    report = MIMEMultipart("report")
    report.set_param("report-type", "delivery-status")
    report["From"] = f"MAILER-DAEMON@{_HOST} (Mail Delivery System)"
    report["To"] = sender
    report["Subject"] = subject
    report["Date"] = format_datetime(localtime())
    report["Message-ID"] = f"<{uuid4()}@{_HOST}>"
    report["Auto-Submitted"] = "auto-replied"
    said = f"This is the mail system at host {_HOST}.\n\n<{recipient}>: {reply}\n"
    report.attach(MIMEText(said, "plain", "utf-8"))
    report.attach(_status(recipient, action, status, reply))
    report.attach(_headers_of(content))
    return report.as_bytes()


def _status(recipient: str, action: str, status: str, reply: str) -> Message:
    server, per_recipient = Message(), Message()
    server["Reporting-MTA"] = f"dns; {_HOST}"
    per_recipient["Final-Recipient"] = f"rfc822; {recipient}"
    per_recipient["Action"] = action
    per_recipient["Status"] = status
    per_recipient["Diagnostic-Code"] = f"smtp; {reply}"
    part = Message()
    part["Content-Type"] = "message/delivery-status"
    part.set_payload([server, per_recipient])
    return part


def _headers_of(content: bytes) -> Message:
    original = message_from_bytes(content, policy=policy.compat32)
    part = Message()
    part["Content-Type"] = "text/rfc822-headers; charset=us-ascii"
    part.set_payload("".join(f"{name}: {value}\n" for name, value in original.items()))
    return part
