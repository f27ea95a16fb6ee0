"""The verbs that a service executes, called by RPC."""

from __future__ import annotations

from collections.abc import Mapping

PAYMENT = "11111111-2222-4333-8444-555555555555"
PERSON = "22222222-2222-4333-8444-555555555555"
WHY = ("--reason", "order 17")

BY_RPC: Mapping[str, tuple[str, ...]] = {
    "ledger close": ("2026-01", *WHY),
    "ledger adjust": ("01", "--period", "2026-10", "--service", "heating=1,00", *WHY),
    "ledger move-payment": (PAYMENT, "--from", "01", "--to", "02", *WHY),
    "ledger reverse": (PAYMENT, "--account", "02", "--account", "01", *WHY),
    "ledger write-off": ("01", "--amount", "1,00", "--on", "2026-10-02", *WHY),
    "ledger pay": ("01", "--amount", "1,00", "--on", "2026-10-02", "--at", "bank", *WHY),
    "ledger approve": (PAYMENT,),
    "ledger reject": (PAYMENT, *WHY),
    "payments assign": (PAYMENT, "--account", "01", *WHY),
    "payments return": (PAYMENT, *WHY),
    "helpdesk answer": ("7", "--text", "Зима."),
    "helpdesk route": ("7", "metering", *WHY),
    "helpdesk assign": ("7", "olga", *WHY),
    "helpdesk close": ("7", *WHY),
    "helpdesk propose": ("7", "--amount", "-1,00", *WHY),
    "payments refund": (PAYMENT, "--account", "01", "--amount", "1,00", *WHY),
    "payments approve-refund": (PAYMENT,),
    "payments reject-refund": (PAYMENT, *WHY),
    "payments resolve": (PAYMENT, "--poll", *WHY),
    "payments fiscal-retry": (PAYMENT, *WHY),
    "accounts link": ("0100000001", PERSON, "--role", "payer", *WHY),
    "accounts unlink": ("0100000001", PERSON, *WHY),
    "notifications resend": (PAYMENT, *WHY),
    "identity show": (PERSON, *WHY),
    "identity restore-access": (PERSON, "--email", "new@example.org", *WHY),
    "identity unblock": (PERSON, *WHY),
    "identity resend": (PERSON, *WHY),
    "identity end-sessions": (PERSON, *WHY),
    "identity reset-second-factor": (PERSON, *WHY),
    "identity erase": (PERSON, *WHY),
    "identity export": (PERSON, *WHY),
}
"""Verb that writes -> arguments."""

READING: Mapping[str, tuple[str, ...]] = {
    "ledger balance": ("01", "--as-of", "2026-10-01"),
    "ledger statement": ("01", "--from", "2026-10-01", "--to", "2026-10-31"),
    "ledger proposals": ("--all",),
    "ledger proposal": (PAYMENT,),
    "ledger advances": (),
    "ledger find-payment": ("1111-2222", "--on", "2026-10-01", "--amount", "1,00"),
    "ledger accruals": ("--last", "3"),
    "ledger policy": (),
    "payments suspense": ("--after", "7"),
    "payments registers": (),
    "helpdesk list": ("--department", "metering"),
    "helpdesk show": ("7",),
    "notifications list": ("--state", "bounced"),
    "notifications show": (PAYMENT,),
    "notifications failed": ("--since", "2026-10-01"),
    "helpdesk disputes": ("--state", "all"),
    "helpdesk attachment": ("7", "1", "--to", "."),
    "helpdesk report": ("--from", "2026-10-01", "--to", "2026-10-31"),
    "accounts show": ("0100 0000-01",),
    "accounts links": ("0100 0000-01",),
    "accounts attempts": (),
    "identity find": ("--support-code", "urn:uuid:0b6e1f66-94a4-4b4e-a9ff-8a3c0e6c4a2d"),
    "payments list": ("--state", "mismatch", "--account", "01", "--day", "2026-10-01"),
    "payments show": (PAYMENT,),
    "payments stuck": (),
    "payments fiscal": (),
    "payments refunds": ("--state", "proposed"),
    "payments reconcile": ("--day", "2026-10-01"),
    "payments reconciliations": (),
}
"""Verb that reads -> arguments; those of the ledger ask it where there is no database."""
