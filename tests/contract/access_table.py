"""Who gets in where: for each operation of the API and each page, what each role meets.

An outcome is ``open`` (the way is free), ``again`` (a form with what is wrong), ``signed_out``,
``password`` (a password has to be chosen first), ``acceptance`` (new documents have to be accepted
first), ``hidden`` (as if there were no such thing), or the code of a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from access_world import NUMBER, PERIOD, ROLES

from gateway.cabinet.static import static_path

Outcomes = Mapping[str, str]


def _outcomes(*found: str) -> Outcomes:
    return dict(zip(ROLES, found, strict=True))


_NOT_IN = ("signed_out", "password", "acceptance")
_OPEN = ("open",) * 5

PUBLIC = dict.fromkeys(ROLES, "open")
SUBSCRIBER = {**dict.fromkeys(ROLES, "signed_out"), "subscriber": "open"}
OWN = _outcomes(*_NOT_IN, *_OPEN, "signed_out")
"""What is about whoever asks."""
UNACCEPTED = {**OWN, "unaccepted": "open"}
ANY_PASSWORD = {**UNACCEPTED, "temporary": "open"}
READ = {**OWN, "stranger": "hidden"}
"""An account: whoever has access reads it, a former holder his own time."""
PAY = {**READ, "viewer": "may_not_pay", "former": "account_closed"}
OWNER = {
    **READ,
    **dict.fromkeys(("viewer", "payer"), "owner_only"),
    "former": "account_closed",
}
"""An account that only an owner gives to others."""
THING = {**OWN, **dict.fromkeys(("stranger", "viewer", "payer", "former"), "hidden")}
"""A payment, a question or a session of the owner."""
SESSION = {**THING, "unaccepted": "hidden"}
NOBODYS = {**OWN, **dict.fromkeys(("stranger", "viewer", "payer", "owner", "former"), "hidden")}
"""A thing that there is not, where another one would be gone after the first visit."""


class Row(NamedTuple):
    """A route, with a request that it takes.

    ``path`` is its own path with the things of the owner in it; ``refused`` are the codes by which
    an answer says that only the request, not whoever sends it, is refused.
    """

    outcomes: Outcomes
    query: str = ""
    body: Any = None
    refused: tuple[str, ...] = ()
    things: Mapping[str, str] = {}
    ends_session: bool = False


_PAYING = {"lines": [{"account": NUMBER, "amount": 10000, "penalty": 0}]}
_NOWHERE = "00000000-0000-4000-8000-000000000000"
_TOKEN = "A" * 43
_UNKNOWN = ("password_reset_not_found", "invitation_not_found", "email_link_not_found")

_WRONG = {"current_password": "a wrong one"}
_ASKED = ("wrong_current_password", "too_many_attempts", "passkeys_unavailable")
"""Codes where the password is asked once more."""
_STEP = (
    "challenge_expired",
    "passkeys_unavailable",
    "second_factor_missing",
    "wrong_second_factor",
)
"""Codes of challenges that nobody has begun."""
_CREATED = {
    "id": "AAAA", "rawId": "AAAA", "type": "public-key",
    "response": {"clientDataJSON": "AAAA", "attestationObject": "AAAA"},
}  # fmt: skip
_USED = {
    "id": "AAAA", "rawId": "AAAA", "type": "public-key",
    "response": {"clientDataJSON": "AAAA", "authenticatorData": "AAAA", "signature": "AAAA"},
}  # fmt: skip
_AGAIN = ("409", "422", "429")

API: Mapping[str, Row] = {
    "POST /api/v1/registrations": Row(
        PUBLIC,
        body={"person_type": "individual", "email": "new@example.org"},
        refused=("too_many_attempts",),
    ),
    "PATCH /api/v1/registrations/{registration_id}": Row(
        PUBLIC, body={"email": "begun@example.org"}, refused=("too_many_attempts",)
    ),
    "POST /api/v1/registrations/{registration_id}/code": Row(
        PUBLIC, refused=("too_many_attempts",)
    ),
    "POST /api/v1/registrations/{registration_id}/confirm": Row(
        PUBLIC,
        body={"code": "123456", "accept_rules": True, "consent_personal_data": True},
        refused=("wrong_code", "code_attempts_used_up"),
    ),
    "GET /api/v1/documents/{kind}": Row(PUBLIC),
    "POST /api/v1/sessions": Row(
        PUBLIC,
        body={"email": "nobody@example.org", "password": "a wrong one"},
        refused=("wrong_credentials", "too_many_attempts"),
    ),
    "POST /api/v1/sessions/by-link": Row(
        PUBLIC, body={"token": _TOKEN}, refused=("sign_in_link_expired",)
    ),
    "GET /api/v1/sessions/passkey": Row(PUBLIC, refused=_STEP),
    "POST /api/v1/sessions/passkey": Row(
        PUBLIC,
        body={"passkey": _USED},
        refused=(*_STEP, "passkey_refused"),
    ),
    "GET /api/v1/sessions/second-factor/{challenge_id}": Row(PUBLIC, refused=_STEP),
    "POST /api/v1/sessions/second-factor": Row(
        PUBLIC, body={"challenge_id": _NOWHERE, "code": "123456"}, refused=_STEP
    ),
    "GET /api/v1/sessions": Row(OWN),
    "DELETE /api/v1/sessions": Row(OWN, ends_session=True),
    "GET /api/v1/sessions/{session_id}": Row(SESSION),
    "DELETE /api/v1/sessions/{session_id}": Row(
        {**NOBODYS, "unaccepted": "hidden"}, things={"session_id": _NOWHERE}
    ),
    "PUT /api/v1/me/password": Row(
        ANY_PASSWORD,
        body={"current_password": "a wrong one", "new_password": "другая длинная фраза 18"},
        refused=_ASKED,
    ),
    "POST /api/v1/me/acceptances": Row(
        UNACCEPTED,
        body={"documents": [{"kind": "rules", "version": "2020-01-01"}]},
        refused=("documents_changed",),
    ),
    "GET /api/v1/me": Row(OWN),
    "GET /api/v1/me/data": Row(OWN),
    "GET /api/v1/me/second-factors": Row(OWN),
    "GET /api/v1/me/second-step": Row(ANY_PASSWORD),
    "POST /api/v1/me/second-step": Row(ANY_PASSWORD, body={"code": "1"}, refused=_STEP),
    "GET /api/v1/me/security-log": Row(OWN),
    "POST /api/v1/me/passkeys/challenges": Row(
        OWN, body={**_WRONG, "name": "Телефон"}, refused=_ASKED
    ),
    "GET /api/v1/me/passkeys/challenges/{challenge_id}": Row(OWN, refused=_STEP),
    "POST /api/v1/me/passkeys": Row(
        OWN, body={"challenge_id": _NOWHERE, "credential": _CREATED}, refused=_STEP
    ),
    "DELETE /api/v1/me/passkeys/{passkey_id}": Row(OWN, body=_WRONG, refused=_ASKED),
    "POST /api/v1/me/totp/challenges": Row(OWN, body=_WRONG, refused=_ASKED),
    "GET /api/v1/me/totp/challenges/{challenge_id}": Row(OWN, refused=_STEP),
    "POST /api/v1/me/totp": Row(
        OWN, body={"challenge_id": _NOWHERE, "code": "123456"}, refused=_STEP
    ),
    "DELETE /api/v1/me/totp": Row(OWN, body=_WRONG, refused=_ASKED),
    "POST /api/v1/me/recovery-codes": Row(OWN, body=_WRONG, refused=_ASKED),
    "GET /api/v1/me/email-change": Row(OWN),
    "POST /api/v1/me/email-change": Row(
        OWN,
        body={"email": "moved@example.org", "current_password": "a wrong one"},
        refused=_ASKED,
    ),
    "DELETE /api/v1/me/email-change": Row(OWN, refused=("email_change_not_found",)),
    "POST /api/v1/email-changes/confirm": Row(PUBLIC, body={"token": _TOKEN}, refused=_UNKNOWN),
    "POST /api/v1/email-changes/refuse": Row(PUBLIC, body={"token": _TOKEN}, refused=_UNKNOWN),
    "POST /api/v1/me/erasure": Row(OWN, body={"current_password": "a wrong one"}, refused=_ASKED),
    "PATCH /api/v1/me": Row(OWN, body={"phone": "+74951234567"}),
    "POST /api/v1/password-resets": Row(PUBLIC, body={"email": "nobody@example.org"}),
    "POST /api/v1/password-resets/confirm": Row(
        PUBLIC,
        body={"token": _TOKEN, "new_password": "другая длинная фраза 18"},
        refused=_UNKNOWN,
    ),
    "GET /api/v1/me/letters": Row(OWN),
    "PUT /api/v1/me/letters": Row(OWN, body={"language": "en", "optional": {"overdue": False}}),
    "GET /api/v1/letters/unsubscribe/{link}": Row(PUBLIC),
    "POST /api/v1/letters/unsubscribe": Row(
        PUBLIC, body={"token": _TOKEN}, refused=("unsubscribe_link_unknown",)
    ),
    "POST /api/v1/accounts/lookup": Row(OWN, body={"number": "0100000002"}),
    "GET /api/v1/accounts": Row(OWN),
    "POST /api/v1/accounts": Row(
        OWN, body={"number": "0100000002", "proof": "WRNG-WRNG"}, refused=("link_refused",)
    ),
    "GET /api/v1/accounts/{number}": Row(READ),
    "DELETE /api/v1/accounts/{number}": Row(READ, refused=("last_account_stays",)),
    "GET /api/v1/accounts/{number}/access": Row(READ),
    "POST /api/v1/accounts/{number}/invitations": Row(
        OWNER,
        body={"email": "guest@example.org", "role": "viewer"},
    ),
    "DELETE /api/v1/accounts/{number}/access/{access_id}": Row(
        {**OWNER, "owner": "hidden", "former": "hidden"}, things={"access_id": _NOWHERE}
    ),
    "POST /api/v1/invitations/preview": Row(PUBLIC, body={"token": _TOKEN}, refused=_UNKNOWN),
    "POST /api/v1/invitations/accept": Row(NOBODYS, body={"token": _TOKEN}),
    "GET /api/v1/accounts/{number}/balance": Row(READ),
    "GET /api/v1/accounts/{number}/charges": Row(READ),
    "GET /api/v1/accounts/{number}/penalty": Row(READ),
    "GET /api/v1/accounts/{number}/statement": Row(READ),
    "GET /api/v1/accounts/{number}/bills/{period}": Row(READ, refused=("bill_not_issued",)),
    "GET /api/v1/accounts/{number}/bills/{period}.pdf": Row(READ, refused=("bill_not_issued",)),
    "GET /api/v1/accounts/{number}/certificate.pdf": Row(READ, refused=("account_in_debt",)),
    "GET /api/v1/accounts/{number}/debt": Row(READ),
    "GET /api/v1/accounts/{number}/reconciliation.pdf": Row(READ),
    "GET /api/v1/statement": Row(OWN),
    "GET /api/v1/charges": Row(OWN),
    "GET /api/v1/disputes": Row(OWN),
    "GET /api/v1/payments/due": Row(OWN),
    "POST /api/v1/payments": Row(PAY, body=_PAYING, refused=("payment_must_be_restarted",)),
    "GET /api/v1/payments": Row(OWN),
    "GET /api/v1/payments/{payment_id}": Row(THING),
    "GET /api/v1/payments/{payment_id}/receipt": Row(THING, refused=("receipt_not_ready",)),
    "GET /api/v1/payments/{payment_id}/fiscal-receipts": Row(THING),
    "GET /api/v1/payments/{payment_id}/faster-payment": Row(THING),
    "GET /api/v1/payments.csv": Row(OWN),
    "POST /api/v1/proofs/verify": Row(PUBLIC, body={}, refused=("invalid_request",)),
    "GET /api/v1/proofs/keys": Row(PUBLIC),
    "GET /api/v1/proofs/checkpoint": Row(PUBLIC, refused=("checkpoint_not_made",)),
    "POST /api/v1/acquirer/callback": Row(PUBLIC, refused=("parameters_unusable",)),
    "GET /api/v1/acquirer/callback": Row(PUBLIC, refused=("parameters_unusable",)),
    "POST /api/v1/acquirer/{name}/callback": Row(PUBLIC, refused=("parameters_unusable",)),
    "GET /api/v1/acquirer/{name}/callback": Row(PUBLIC, refused=("parameters_unusable",)),
    "GET /api/v1/questions/topics": Row(OWN),
    "POST /api/v1/questions": Row(
        READ, body={"topic": "charges", "account": NUMBER, "text": "Почему выросла сумма?"}
    ),
    "GET /api/v1/questions": Row(OWN),
    "GET /api/v1/questions/{question_id}": Row(THING),
    "POST /api/v1/questions/attachments": Row(OWN, refused=("attachment_empty",)),
    "GET /api/v1/questions/{question_id}/attachments/{attachment_id}": Row(THING),
    "PUT /api/v1/questions/{question_id}/read": Row(THING, body={"messages": 1}),
    "POST /api/v1/questions/{question_id}/messages": Row(THING, body={"text": "А пени?"}),
    "GET /api/v1/events": Row(SUBSCRIBER, query="service=ledger"),
    "GET /api/v1/events/epochs": Row(SUBSCRIBER, query="service=ledger"),
    "GET /api/v1/openapi.json": Row(PUBLIC),
    "GET /healthz": Row(PUBLIC),
}
"""Method and path of each operation -> who gets in."""

PAGES: Mapping[str, Row] = {
    "GET /": Row(PUBLIC),
    "GET /<outside:path>": Row(dict.fromkeys(ROLES, "hidden"), things={"path": "nowhere"}),
    "GET /acceptance": Row(UNACCEPTED),
    "POST /acceptance": Row(UNACCEPTED, body={}, refused=("422",)),
    "GET /accessibility": Row(PUBLIC),
    "GET /accounts": Row(OWN),
    "GET /accounts/link": Row(OWN),
    "POST /accounts/link": Row(
        OWN, body={"number": "0100000002", "proof": "WRNG-WRNG"}, refused=("422",)
    ),
    "POST /accounts/lookup": Row(OWN, body={"number": "0100000002"}),
    "GET /accounts/{number}": Row(READ),
    "GET /accounts/{number}/access": Row(READ),
    "POST /accounts/{number}/access": Row(
        {**OWNER, **dict.fromkeys(("viewer", "payer"), "again"), "former": "409"},
        body={"email": "guest2@example.org", "role": "viewer"},
    ),
    "POST /accounts/{number}/access/{access_id}": Row(
        {**OWNER, **dict.fromkeys(("viewer", "payer", "owner", "former"), "again")},
        body={},
        things={"access_id": _NOWHERE},
    ),
    "GET /invitations/{token}": Row(dict.fromkeys(ROLES, "hidden")),
    "POST /invitations/{token}": Row(NOBODYS, body={}),
    "GET /accounts/{number}/bills/{period}": Row(READ),
    "GET /accounts/{number}/bills/{period}.pdf": Row(READ),
    "GET /accounts/{number}/certificate": Row(READ),
    "GET /accounts/{number}/certificate.pdf": Row(READ, refused=("409",)),
    "GET /accounts/{number}/penalty": Row(READ),
    "GET /accounts/{number}/reconciliation.pdf": Row(READ),
    "GET /accounts/{number}/statement": Row(READ),
    "GET /accounts/{number}/statement.{ending}": Row(READ),
    "GET /accounts/{number}/unlink": Row(READ),
    "POST /accounts/{number}/unlink": Row(READ, body={}, refused=("409",)),
    "GET /api/asyncapi.yaml": Row(PUBLIC),
    "GET /api/docs": Row(PUBLIC),
    "GET /api/docs/{operation}": Row(PUBLIC),
    "GET /api/events": Row(PUBLIC),
    "GET /api/events/{owner}": Row(PUBLIC),
    "GET /api/start": Row(PUBLIC),
    "GET /charges": Row(OWN),
    "GET /charges/{number}/{period}": Row(READ),
    "GET /documents/{kind}": Row(PUBLIC),
    "GET /documents/{kind}.pdf": Row(PUBLIC),
    "GET /email/done": Row(PUBLIC),
    "GET /email/{side}/{token}": Row(PUBLIC),
    "POST /email/{side}/{token}": Row(PUBLIC, body={}, refused=("422",)),
    "GET /glossary": Row(PUBLIC),
    "GET /letters/unsubscribe/{link}": Row(PUBLIC),
    "POST /letters/unsubscribe/{link}": Row(PUBLIC, body={}),
    "GET /log-in/{token}": Row(PUBLIC),
    "POST /log-in/{token}": Row(PUBLIC, body={}, refused=("422",)),
    "GET /log-in/passkey": Row(PUBLIC, refused=_AGAIN),
    "POST /log-in/passkey": Row(PUBLIC, body={}, refused=_AGAIN),
    "GET /log-in/second/{challenge_id}": Row(PUBLIC, refused=_AGAIN),
    "POST /log-in/second/{challenge_id}": Row(PUBLIC, body={"code": "1"}, refused=_AGAIN),
    "POST /login": Row(
        PUBLIC,
        body={"email": "nobody@example.org", "password": "a wrong one"},
        refused=("422", "429"),
    ),
    "POST /logout": Row(PUBLIC, body={}, ends_session=True),
    "GET /look": Row(PUBLIC),
    "POST /look": Row(PUBLIC, body={}),
    "GET /password": Row(ANY_PASSWORD),
    "POST /password": Row(
        ANY_PASSWORD,
        body={"current_password": "a wrong one", "new_password": "другая длинная фраза 18"},
        refused=_AGAIN,
    ),
    "GET /pay": Row(OWN),
    "POST /pay": Row(OWN, body={}, refused=("422",)),
    "GET /pay/check": Row(OWN),
    "GET /payments": Row(OWN),
    "GET /payments.csv": Row(OWN),
    "GET /payments/{payment_id}": Row(THING),
    "POST /payments/{payment_id}/check": Row(THING, body={}),
    "GET /payments/{payment_id}/fiscal": Row(THING),
    "GET /payments/{payment_id}/go": Row(THING),
    "GET /payments/{payment_id}/receipt": Row(THING, refused=("409",)),
    "GET /payments/{payment_id}/receipt.pdf": Row(THING, refused=("409",)),
    "GET /payments/{payment_id}/state": Row(THING),
    "GET /problems": Row(PUBLIC),
    "GET /problems/{code}": Row(PUBLIC),
    "GET /questions": Row(OWN),
    "POST /questions": Row(
        {**READ, "stranger": "again"},
        body={"topic": "charges", "account": NUMBER, "text": "Почему выросла сумма?"},
    ),
    "GET /questions/new": Row(OWN),
    "GET /questions/{question_id}/attachments/{attachment_id}": Row(THING),
    "GET /questions/{question_id}": Row(THING),
    "POST /questions/{question_id}": Row(THING, body={"text": "А пени?"}),
    "GET /recover": Row(PUBLIC),
    "POST /recover": Row(PUBLIC, body={"email": "nobody@example.org"}),
    "GET /recover/sent": Row(PUBLIC),
    "GET /recover/{token}": Row(PUBLIC),
    "POST /recover/{token}": Row(
        PUBLIC, body={"new_password": "другая длинная фраза 18"}, refused=("422",)
    ),
    "GET /register": Row(PUBLIC),
    "POST /register": Row(
        PUBLIC, body={"person_type": "individual", "email": "n@example.org"}, refused=("429",)
    ),
    "GET /register/{registration_id}": Row(PUBLIC),
    "POST /register/{registration_id}": Row(PUBLIC, body={"code": "123456"}, refused=("422",)),
    "POST /register/{registration_id}/code": Row(PUBLIC, body={}, refused=("429",)),
    "GET /register/{registration_id}/email": Row(PUBLIC),
    "POST /register/{registration_id}/email": Row(
        PUBLIC, body={"email": "begun@example.org"}, refused=("422", "429")
    ),
    "GET /register/{registration_id}/done": Row(PUBLIC),
    "GET /saldo/contracts/{owner}/{event}/{version}": Row(PUBLIC),
    "GET /settings": Row(OWN),
    "POST /settings": Row(OWN, body={"full_name": "", "phone": ""}),
    "GET /settings/data": Row(OWN),
    "POST /settings/data": Row(OWN, body={"current_password": "a wrong one"}, refused=_AGAIN),
    "GET /settings/data.json": Row(OWN),
    "GET /settings/email": Row(OWN),
    "POST /settings/email": Row(
        OWN,
        body={"email": "moved@example.org", "current_password": "a wrong one"},
        refused=_AGAIN,
    ),
    "POST /settings/email/cancel": Row(OWN, body={}),
    "GET /settings/email/without-old": Row(OWN),
    "POST /settings/email/without-old": Row(
        OWN,
        body={
            "email": "moved@example.org",
            "current_password": "a wrong one",
            "number": NUMBER,
            "proof": "WRNG-WRNG",
        },
        refused=_AGAIN,
    ),
    "GET /settings/letters": Row(OWN),
    "POST /settings/letters": Row(OWN, body={"language": "en"}),
    "GET /settings/confirm": Row(ANY_PASSWORD),
    "POST /settings/confirm": Row(ANY_PASSWORD, body={"code": "1"}, refused=_AGAIN),
    "GET /settings/security": Row(OWN),
    "GET /settings/security/required": Row(OWN),
    "GET /settings/security/passkeys": Row(OWN),
    "POST /settings/security/passkeys": Row(OWN, body=_WRONG, refused=_AGAIN),
    "GET /settings/security/passkeys/new/{challenge_id}": Row(OWN, refused=_AGAIN),
    "POST /settings/security/passkeys/new/{challenge_id}": Row(OWN, body={}, refused=_AGAIN),
    "GET /settings/security/passkeys/{passkey_id}/remove": Row(NOBODYS),
    "POST /settings/security/passkeys/{passkey_id}/remove": Row(NOBODYS, body=_WRONG),
    "GET /settings/security/totp": Row(OWN),
    "POST /settings/security/totp": Row(OWN, body=_WRONG, refused=_AGAIN),
    "GET /settings/security/totp/{challenge_id}": Row(OWN, refused=_AGAIN),
    "POST /settings/security/totp/{challenge_id}": Row(OWN, body={"code": "1"}, refused=_AGAIN),
    "GET /settings/security/totp/off": Row(OWN),
    "POST /settings/security/totp/off": Row(OWN, body=_WRONG, refused=_AGAIN),
    "GET /settings/security/recovery-codes": Row(OWN),
    "POST /settings/security/recovery-codes": Row(OWN, body=_WRONG, refused=_AGAIN),
    "GET /settings/sessions": Row(OWN),
    "POST /settings/sessions": Row(OWN, body={}),
    "POST /settings/sessions/{session_id}": Row(NOBODYS, body={}, things={"session_id": _NOWHERE}),
    "GET /statement.{ending}": Row(OWN),
    "GET /static/{name}": Row(
        PUBLIC, things={"name": static_path("cabinet.css").rpartition("/")[2]}
    ),
    "GET /status": Row(PUBLIC),
    "GET /trust": Row(PUBLIC),
    "GET /verify": Row(PUBLIC),
    "POST /verify": Row(PUBLIC, body={}, refused=("422",)),
}
"""Method and path of each page -> who gets in."""

NAMED = {
    "number": NUMBER,
    "period": PERIOD,
    "kind": "rules",
    "challenge_id": _NOWHERE,
    "passkey_id": _NOWHERE,
    "token": _TOKEN,
    "side": "new",
    "name": "main",
    "ending": "csv",
    "operation": "sign_in",
    "owner": "ledger",
    "event": "payment_posted",
    "version": "v1",
    "code": "account_not_linked",
}
"""What stands in a path for whoever asks; the things of the owner come from the world."""
