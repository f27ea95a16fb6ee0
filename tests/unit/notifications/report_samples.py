"""Reports as real mailers write them, about a letter of ours; and messages that are none."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

LETTER = UUID("6a1e4f5c-52f0-4a2b-9f0e-1c0a5f4f0b11")
MESSAGE_ID = f"<{LETTER}.1@saldo.example>"
OWN_ADDRESS = f"bounces+{LETTER.hex}@saldo.example"


class Sample(NamedTuple):
    """A report, and what is to be read from it."""

    raw: bytes
    status: str
    failed: bool


def report(
    fields: str,
    *,
    to: str = OWN_ADDRESS,
    original: str = f"Message-ID: {MESSAGE_ID}\nSubject: =?utf-8?b?0JrQvtC0?=\n",
    original_type: str = "text/rfc822-headers",
    status_headers: str = "Content-Type: message/delivery-status",
    said: str = "This is the mail system.",
) -> bytes:
    """Return a report of RFC 3464 as Postfix shapes it, with the fields of its recipients."""
    text = f"""\
Return-Path: <>
Delivered-To: {to}
From: MAILER-DAEMON@mx.example (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="A1B2.1700000000/mx.example"

This is a MIME-encapsulated message.

--A1B2.1700000000/mx.example
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

{said}

--A1B2.1700000000/mx.example
{status_headers}

Reporting-MTA: dns; mx.example
X-Postfix-Queue-ID: A1B2

{fields}
--A1B2.1700000000/mx.example
Content-Description: Undelivered Message
Content-Type: {original_type}

{original}
--A1B2.1700000000/mx.example--
"""
    return text.replace("\n", "\r\n").encode()


POSTFIX = report("""\
Final-Recipient: rfc822; ivan@mx.example
Original-Recipient: rfc822;ivan@mx.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.example
Diagnostic-Code: smtp; 550 5.1.1 <ivan@mx.example>: Recipient address rejected:
    User unknown in local recipient table
""")

POSTFIX_LATE = report("""\
Final-Recipient: rfc822; ivan@mx.example
Action: delayed
Status: 4.4.1
Diagnostic-Code: X-Postfix; connect to mx.example[192.0.2.1]:25: Connection timed out
Will-Retry-Until: Fri, 6 Nov 2026 10:00:00 +0300 (MSK)
""")

EXIM = f"""\
Return-path: <>
Received: from Debian-exim by relay.example with local (Exim 4.96)
\tid 1r0aBc-000AbC-2d
\tfor {OWN_ADDRESS};
\tSun, 01 Nov 2026 10:00:00 +0300
X-Failed-Recipients: ivan@mx.example
Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@relay.example>
To: {OWN_ADDRESS}
References: {MESSAGE_ID}
Content-Type: multipart/report; report-type=delivery-status; boundary=1698822000-eximdsn-1804289383
MIME-Version: 1.0
Subject: Mail delivery failed: returning message to sender
Message-Id: <E1r0aBc-000AbC-2d@relay.example>
Date: Sun, 01 Nov 2026 10:00:00 +0300

--1698822000-eximdsn-1804289383
Content-type: text/plain; charset=us-ascii

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  ivan@mx.example
    host mx.example [192.0.2.1]
    SMTP error from remote mail server after RCPT TO:<ivan@mx.example>:
    552 5.2.2 Mailbox full

--1698822000-eximdsn-1804289383
Content-type: message/delivery-status

Reporting-MTA: dns; relay.example

Action: failed
Final-Recipient: rfc822;ivan@mx.example
Status: 5.0.0
Remote-MTA: dns; mx.example
Diagnostic-Code: smtp; 552 5.2.2 Mailbox full

--1698822000-eximdsn-1804289383
Content-type: message/rfc822

Return-path: <{OWN_ADDRESS}>
From: Saldo <no-reply@saldo.example>
Message-ID: {MESSAGE_ID}

--1698822000-eximdsn-1804289383--
""".encode()

MAIL_RU = f"""\
Return-path: <>
Received: from mail by smtp.mail-service.example with local id 1XsaNj-0006ay-9N
\tfor {OWN_ADDRESS}; Sun, 01 Nov 2026 10:00:00 +0300
X-Failed-Recipients: ivan@mx.example
Auto-Submitted: auto-replied
From: mailer-daemon@corp.mail-service.example
To: {OWN_ADDRESS}
Content-Transfer-Encoding: 8bit
Content-Type: text/plain; charset=utf-8
Subject: =?UTF-8?B?0JLQsNGI0LUg0YHQvtC+0LHRidC10L3QuNC1INC90LUg0LTQvtGB0YLQsNCy0LvQtdC90L4=?=
Message-Id: <E1XsaNj-0006ay-9N@smtp.mail-service.example>
Date: Sun, 01 Nov 2026 10:00:00 +0300

Это письмо создано автоматически, отвечать на него не нужно.

К сожалению, Ваше письмо не может быть доставлено одному или нескольким получателям:

  ivan@mx.example
    SMTP error from remote mail server after RCPT TO:<ivan@mx.example>:
    host mx.example [192.0.2.1]: 550 5.1.1 <ivan@mx.example>... User Unknown

------ This is a copy of the message, including all the headers. ------

Return-path: <{OWN_ADDRESS}>
From: Saldo <no-reply@saldo.example>
Message-Id: {MESSAGE_ID}
""".encode()

YANDEX = report(
    """\
Final-Recipient: rfc822; ivan@mx.example
Original-Recipient: rfc822;ivan@mx.example
Action: failed
Status: 5.7.1
Remote-MTA: dns; mx.example
Diagnostic-Code: smtp; 554 5.7.1 [2] Message rejected under suspicion of SPAM
""",
    said="Это письмо отправлено почтовым сервером.\n\nК сожалению, мы вынуждены сообщить…",
    original_type="message/rfc822",
    original=f"Return-Path: <{OWN_ADDRESS}>\nMessage-Id:\n {MESSAGE_ID}\nSubject: x\n\ntext",
)

EXCHANGE = f"""\
From: postmaster@corp.example
To: <{OWN_ADDRESS}>
Date: Sun, 1 Nov 2026 07:00:00 +0000
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="f1b2-outer"
X-MS-Exchange-Message-Is-Ndr:
Content-Language: ru-RU
Message-ID: <3c9f@EX01.corp.example>
In-Reply-To: {MESSAGE_ID}
Subject: Undeliverable: =?utf-8?b?0JrQvtC0?=
MIME-Version: 1.0

--f1b2-outer
Content-Type: multipart/alternative; differences=Content-Type;
\tboundary="f1b2-outer-inner"

--f1b2-outer-inner
Content-Type: text/plain; charset="koi8-r"
Content-Transfer-Encoding: quoted-printable

=F0=C9=D3=D8=CD=CF
--f1b2-outer-inner
Content-Type: text/html; charset="koi8-r"

<p>...</p>
--f1b2-outer-inner--

--f1b2-outer
Content-Type: message/delivery-status

Reporting-MTA: dns;EX01.corp.example
Received-From-MTA: dns;relay.example
Arrival-Date: Sun, 1 Nov 2026 07:00:00 +0000

Final-Recipient: rfc822;ivan@corp.example
Action: failed
Status: 5.1.10
Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found
X-Display-Name: Ivan

--f1b2-outer
Content-Type: message/rfc822

Received: from relay.example (192.0.2.1) by EX01.corp.example
Message-ID: {MESSAGE_ID}
Subject: x
Content-Type: multipart/alternative; boundary="ours"

--ours
Content-Type: text/plain

text
--ours--

--f1b2-outer--
""".replace("\n", "\r\n").encode()

OLD_EXCHANGE = f"""\
From: postmaster@corp.example
To: {OWN_ADDRESS}
Subject: Undeliverable: x
MIME-Version: 1.0
X-MS-Embedded-Report:
Content-Type: multipart/mixed; boundary="----_=_NextPart_000_01C7"

------_=_NextPart_000_01C7
Content-Type: text/plain; charset="iso-8859-1"

Your message did not reach the following recipient(s):

ivan@corp.example on Sun, 1 Nov 2026 07:00:00 +0300
    The recipient name is not recognized

------_=_NextPart_000_01C7
Content-Type: message/rfc822

Message-ID: {MESSAGE_ID}
Subject: x

text
------_=_NextPart_000_01C7--
""".encode()

RFC_3464_SIMPLE = report("""\
Original-Recipient: rfc822;louisl@larry.slip.umd.edu
Final-Recipient: rfc822;louisl@larry.slip.umd.edu
Action: failed
Status: 4.0.0
Diagnostic-Code: smtp; 426 connection timed out
Last-Attempt-Date: Thu, 7 Jul 1994 17:15:49 -0400
""")

RFC_3464_SEVERAL = report("""\
Original-Recipient: rfc822;arathib@vnet.ibm.com
Final-Recipient: rfc822;arathib@vnet.ibm.com
Action: failed
Status: 5.0.0 (permanent failure)
Diagnostic-Code: smtp; 550 'arathib@vnet.IBM.COM' is not a
 registered gateway user
Remote-MTA: dns; vnet.ibm.com

Original-Recipient: rfc822;johnh@hpnjld.njd.hp.com
Final-Recipient: rfc822;johnh@hpnjld.njd.hp.com
Action: delayed
Status: 4.0.0 (hpnjld.njd.jp.com: host name lookup failure)

Original-Recipient: rfc822;wsnell@sdcc13.ucsd.edu
Final-Recipient: rfc822;wsnell@sdcc13.ucsd.edu
Action: delivered
Status: 2.1.5
""")

ENCODED = report(
    "QWN0aW9uOiBmYWlsZWQNClN0YXR1czogNS4yLjENCg==",
    status_headers="Content-Type: message/global-delivery-status\n"
    "Content-Transfer-Encoding: base64",
).replace(b"Reporting-MTA: dns; mx.example\r\nX-Postfix-Queue-ID: A1B2\r\n\r\n", b"")

SAMPLES = {
    "Postfix": Sample(POSTFIX, "5.1.1", True),
    "Postfix, late": Sample(POSTFIX_LATE, "4.4.1", False),
    "Exim": Sample(EXIM, "5.2.2", True),
    "Mail.ru": Sample(MAIL_RU, "5.1.1", True),
    "Yandex": Sample(YANDEX, "5.7.1", True),
    "Exchange": Sample(EXCHANGE, "5.1.10", True),
    "Exchange 5.5": Sample(OLD_EXCHANGE, "5.0.0", True),
    "RFC 3464, one recipient": Sample(RFC_3464_SIMPLE, "4.0.0", True),
    "RFC 3464, several recipients": Sample(RFC_3464_SEVERAL, "5.0.0", True),
    "RFC 6533, in base64": Sample(ENCODED, "5.2.1", True),
}

_HEAD = f"Delivered-To: {OWN_ADDRESS}\nFrom: Ivan <ivan@mx.example>\n"

NO_REPORTS = {
    "empty": b"",
    "a person's answer": f"{_HEAD}Subject: Re: x\n\nStatus: 5.1.1\nAction: failed\n".encode(),
    "away": f"{_HEAD}Auto-Submitted: auto-replied\nSubject: =?utf-8?b?0J7RgtC/?=\n\nX".encode(),
    "delivered": report("Final-Recipient: rfc822; i@x\nAction: delivered\nStatus: 2.0.0\n"),
    "relayed": report("Final-Recipient: rfc822; i@x\nAction: relayed\nStatus: 2.0.0\n"),
    "about nobody": report(""),
    "of another sender's letter": report(
        "Action: failed\nStatus: 5.1.1\n",
        to="somebody@saldo.example",
        original="Message-ID: <not-ours@elsewhere.example>\n",
    ),
    "a complaint": POSTFIX.replace(b"message/delivery-status", b"message/feedback-report"),
    "read by a person": POSTFIX.replace(
        b"message/delivery-status", b"message/disposition-notification"
    ),
    "without its boundary": POSTFIX.replace(b"--A1B2", b"--C3D4"),
    "a returned report": report(
        "",
        original_type="message/rfc822",
        original="Content-Type: multipart/report; boundary=inner\n\n--inner\n"
        "Content-Type: message/delivery-status\n\nAction: failed\nStatus: 5.1.1\n\n--inner--\n",
    ),
}
