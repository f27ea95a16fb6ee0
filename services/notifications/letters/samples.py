"""Made-up facts of each kind of letter, one set for each way that its text can go.

The tests render all of them; staff and translators look at them by `saldo notifications preview`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from shared.contracts.identity import FactorChange
from shared.contracts.notifications import LetterKind
from shared.contracts.payments import Failure

PLAIN: Final = ""
"""The name of the only, or the usual, case of a kind."""

TOKEN: Final = "q0Zb3m1V7xKd9LrX0w2mTf5Yc8Hn4Js6Pv1Gb3Ea7Ru"  # noqa: S105 - opens nothing
ACCOUNT, SECOND_ACCOUNT = "0012345678", "0012345679"
PAYMENT: Final = "7f1c5c58-94a4-4b4e-a9ff-8a3c0e6c4a2d"
QUESTION: Final = "0b6e1f66-1f0e-4d0c-8f53-5f1b7f0a9c11"

_AT: Final = "2026-03-31T18:00:00+00:00"
_SOON: Final = "2026-03-31T18:15:00+00:00"
_NEXT_DAY: Final = "2026-04-01T18:00:00+00:00"
_IN_THREE_DAYS: Final = "2026-04-03T18:00:00+00:00"
_LATER: Final = "2026-04-14T18:00:00+00:00"

_LINES: Final = [
    {"account": ACCOUNT, "amount": 450000, "penalty": 0},
    {"account": SECOND_ACCOUNT, "amount": 100050, "penalty": 11963},
]
_PAID: Final = {"payment_id": PAYMENT, "lines": _LINES, "total": 562013}
_FAILED: Final = _PAID | {"failure": Failure.DECLINED.value}
_REFUNDED: Final = {
    "payment_id": PAYMENT,
    "lines": [{"account": ACCOUNT, "amount": 100000}],
    "total": 100000,
    "paid": 562013,
    "whole": False,
    "by_bank": False,
    "refunded_on": "2026-04-02",
}
_MISMATCHED: Final = {
    "payment_id": PAYMENT,
    "case": PAYMENT[:8],
    "ordered": 562013,
    "charged": 5620,
    "returns": True,
}
_QUESTION: Final = {
    "question_id": QUESTION,
    "number": 17,
    "topic_title": {"ru": "Начисления и перерасчёт", "en": "Charges and recalculation"},
}
_LEAVING: Final = {"token": TOKEN, "expires_at": _LATER, "due_at": None, "way": "both"}
_TO_DEPARTMENT: Final = {
    "number": _QUESTION["number"],
    "topic_title": _QUESTION["topic_title"],
    "department_title": {"ru": "Отдел расчётов", "en": "Billing"},
    "account": ACCOUNT,
    "due_on": "2026-04-14",
}
_BILLS: Final = [
    {"number": ACCOUNT, "total": 481230, "due_on": "2026-04-10"},
    {"number": SECOND_ACCOUNT, "total": 112013, "due_on": "2026-04-10"},
]
_PAID_AHEAD: Final = {"number": ACCOUNT, "total": -12000, "due_on": None}
_DUE: Final = [
    {"number": ACCOUNT, "amount": 481230, "due_on": "2026-04-10"},
    {"number": SECOND_ACCOUNT, "amount": 112013, "due_on": "2026-04-12"},
]
_OVERDUE: Final = [
    {"number": ACCOUNT, "amount": 481230, "since": "2026-04-11"},
    {"number": SECOND_ACCOUNT, "amount": 112013, "since": "2026-04-13"},
]
_DISPUTE: Final = {
    "question_id": QUESTION,
    "number": 17,
    "account": ACCOUNT,
    "period": "2026-03",
    "approved": True,
    "answered": False,
    "owed": True,
}

SAMPLES: Final[Mapping[LetterKind, Mapping[str, Mapping[str, Any]]]] = {
    LetterKind.REGISTRATION_CODE: {
        PLAIN: {"code": "493027", "valid_minutes": 15, "expires_at": _SOON},
        "long": {"code": "493027118640", "valid_minutes": 15, "expires_at": _SOON},
    },
    LetterKind.ALREADY_REGISTERED: {PLAIN: {}},
    LetterKind.TEMPORARY_PASSWORD: {
        PLAIN: {"password": "k7vd-m3xp-w9ah", "valid_hours": 24, "expires_at": _NEXT_DAY}
    },
    LetterKind.PASSWORD_RESET_LINK: {
        PLAIN: {"token": TOKEN, "valid_minutes": 60, "expires_at": _SOON}
    },
    LetterKind.EMAIL_TO_CONFIRM: {
        PLAIN: {"token": TOKEN, "expires_at": _NEXT_DAY, "due_at": None},
        "delayed": {"token": TOKEN, "expires_at": _LATER, "due_at": _IN_THREE_DAYS},
    },
    LetterKind.EMAIL_TO_LEAVE: {
        PLAIN: _LEAVING,
        "by a bill": _LEAVING | {"due_at": _IN_THREE_DAYS, "way": "account"},
        "by staff": _LEAVING | {"due_at": _IN_THREE_DAYS, "way": "staff"},
    },
    LetterKind.EMAIL_TAKEN: {PLAIN: {}},
    LetterKind.EMAIL_CHANGED: {PLAIN: {"changed_at": _AT}},
    LetterKind.PASSWORD_CHANGED: {PLAIN: {"changed_at": _AT}},
    LetterKind.SECOND_FACTOR_CHANGED: {
        change: {"change": change, "changed_at": _AT} for change in (*FactorChange, "renamed")
    },
    LetterKind.RECOVERY_CODE_USED: {
        PLAIN: {"used_at": _AT, "left": 7, "low": False},
        "few left": {"used_at": _AT, "left": 2, "low": True},
        "the last": {"used_at": _AT, "left": 0, "low": True},
    },
    LetterKind.SECOND_FACTOR_GUESSED: {PLAIN: {"guessed_at": _AT}},
    LetterKind.SIGN_IN_LINK: {PLAIN: {"token": TOKEN, "valid_minutes": 30, "expires_at": _SOON}},
    LetterKind.NEW_DEVICE: {
        PLAIN: {"device": "Firefox, Windows", "signed_in_at": _AT},
        "unknown": {"device": "", "signed_in_at": _AT},
    },
    LetterKind.PERSON_ERASED: {PLAIN: {"erased_at": _AT}},
    LetterKind.ACCOUNT_LINKED_BY_ANOTHER: {PLAIN: {"number": ACCOUNT, "linked_at": _AT}},
    LetterKind.INVITATION: {
        role: {
            "number": ACCOUNT,
            "address": "г. Примерск, ул. Образцовая",
            "role": role,
            "token": TOKEN,
            "valid_days": 7,
            "expires_at": _LATER,
        }
        for role in ("viewer", "payer")
    },
    LetterKind.INVITATION_ACCEPTED: {
        role: {"number": ACCOUNT, "linked_at": _AT, "role": role} for role in ("viewer", "payer")
    },
    LetterKind.ACCESS_WITHDRAWN: {
        PLAIN: {"number": ACCOUNT, "ended_at": _AT, "by_staff": False},
        "by staff": {"number": ACCOUNT, "ended_at": _AT, "by_staff": True},
    },
    LetterKind.PROOFS_GUESSED: {
        PLAIN: {"number": ACCOUNT, "attempts": 10},
        "once": {"number": ACCOUNT, "attempts": 1},
        "twenty-two": {"number": ACCOUNT, "attempts": 22},
    },
    LetterKind.PAYMENT_RECEIPT: {
        PLAIN: _PAID | {"paid_at": _AT, "masked_card": "411111**1111"},
        "no card": _PAID | {"paid_at": _AT, "masked_card": None},
    },
    LetterKind.PAYMENT_FAILED: {
        reason: _FAILED | {"failure": reason}
        for reason in (*(each for each in Failure if each is not Failure.REPLACED), "unheard of")
    },
    LetterKind.PAYMENT_REFUNDED: {
        "in part": _REFUNDED,
        "in part by the bank": _REFUNDED | {"by_bank": True},
        "whole": _REFUNDED | {"whole": True, "paid": 100000},
    },
    LetterKind.PAYMENT_MISMATCHED: {
        "is returned": _MISMATCHED,
        "goes to staff": _MISMATCHED | {"returns": False},
    },
    LetterKind.QUESTION_ACCEPTED: {
        PLAIN: _QUESTION | {"due_on": "2026-04-14"},
        "no day": _QUESTION | {"due_on": None},
    },
    LetterKind.QUESTION_TO_DEPARTMENT: {
        PLAIN: _TO_DEPARTMENT,
        "no account": _TO_DEPARTMENT | {"account": None, "due_on": None},
    },
    LetterKind.QUESTION_ANSWERED: {
        PLAIN: _QUESTION | {"waits": False},
        "asks back": _QUESTION | {"waits": True},
    },
    LetterKind.QUESTION_CLOSED: {PLAIN: _QUESTION},
    LetterKind.DISPUTE_DECIDED: {
        "approved": _DISPUTE,
        "rejected": _DISPUTE | {"approved": False},
        "rejected and answered": _DISPUTE | {"approved": False, "answered": True, "owed": False},
        "rejected and closed": _DISPUTE | {"approved": False, "owed": False},
    },
    LetterKind.BILL_READY: {
        PLAIN: {"period": "2026-03", "bills": _BILLS[:1], "total": 481230},
        "two accounts": {"period": "2026-03", "bills": _BILLS, "total": 593243},
        "nothing to pay": {"period": "2026-03", "bills": [_PAID_AHEAD], "total": 0},
        "one of two paid": {
            "period": "2026-03",
            "bills": [_PAID_AHEAD, _BILLS[1]],
            "total": 112013,
        },
    },
    LetterKind.DUE_SOON: {
        PLAIN: {"accounts": _DUE[:1], "total": 481230, "due_on": "2026-04-10"},
        "two accounts": {"accounts": _DUE, "total": 593243, "due_on": "2026-04-10"},
    },
    LetterKind.OVERDUE: {
        PLAIN: {"accounts": _OVERDUE[:1], "total": 481230, "penalties_from": "2026-05-11"},
        "two accounts": {"accounts": _OVERDUE, "total": 593243, "penalties_from": "2026-05-11"},
    },
}


class Sample(NamedTuple):
    """A letter that is shown: its kind, the case, and the facts in its language."""

    kind: LetterKind
    case: str
    language: str
    facts: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Return a name for a file and a test: ``bill_ready-two-accounts-ru``."""
        return "-".join(filter(None, (self.kind, self.case.replace(" ", "-"), self.language)))


def samples(
    kinds: Sequence[LetterKind] = tuple(SAMPLES), languages: Sequence[str] = ("ru", "en")
) -> Iterator[Sample]:
    """Yield the samples of kinds, each in the languages."""
    for kind in kinds:
        for case, facts in SAMPLES[kind].items():
            for language in languages:
                yield Sample(kind, case, language, _worded(facts, language))


def _worded(facts: Mapping[str, Any], language: str) -> dict[str, Any]:
    # Titles are what the directory of the help desk has in the language of the letter.
    return {
        name: value[language] if isinstance(value, dict) else value for name, value in facts.items()
    }
