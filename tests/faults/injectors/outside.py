"""Outside parties that misbehave: banks, the mail server, the registrar of receipts."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import requests

from tests.faults.faults import House, fault
from tests.faults.injectors.errors import TroubleError
from tests.faults.thousand_orders.trouble import FAULTS as FAULTS_OF_BANKS

_TIMEOUT_S = 5.0
_PATIENCE_S = 60.0
_AGAIN_S = 0.3

_FAULTS_OF_MAIL: Sequence[Mapping[str, Any]] = (
    {"down": True},
    {"slow_seconds": 1.0},
    {"greylist": True},
    {"defer": True},
    {"lose_letter": True},
    {"lose_answer": True},
    {"chaos": 0.4},
)
"""Those after which a letter must arrive all the same."""

_FAULTS_OF_REGISTRAR: Sequence[Mapping[str, Any]] = (
    {"lose_calls": True},
    {"lose_answers": True},
    {"delay_seconds": 5},
    {"answer_seconds": 3},
    {"forget_tokens": True},
)

_PARTIES: Mapping[str, tuple[str, Sequence[Mapping[str, Any]]]] = {
    "acquirer": ("SALDO_ACQUIRER_URL", FAULTS_OF_BANKS),
    "yookassa": ("SALDO_ACQUIRER_KASSA_URL", FAULTS_OF_BANKS),
    "mailcatcher": ("SALDO_MAILBOX_URL", _FAULTS_OF_MAIL),
    "ofd": ("SALDO_FISCAL_URL", _FAULTS_OF_REGISTRAR),
}


class _PartyFault:
    """What these faults share: a party that keeps its faults in memory, switched by HTTP."""

    name = ""
    parties: tuple[str, ...] = ()
    alone = False

    def is_possible(self, house: House) -> bool:
        return any(party in house.identities() for party in self.parties)

    def inject(self, house: House, random: Random) -> str:
        party = random.choice([one for one in self.parties if one in house.identities()])
        house.notes[self.name] = party
        _, faults = _PARTIES[party]
        known = _ask(house, party, "DELETE").keys()
        chosen = dict(random.choice([one for one in faults if one.keys() <= known]))
        if "chaos" in chosen:
            chosen["chaos_seed"] = random.randrange(10**6)
        _ask(house, party, "PUT", chosen)
        return f"{party}: {', '.join(f'{name} {value}' for name, value in chosen.items())}"

    def heal(self, house: House) -> None:
        party: Any = house.notes.get(self.name)
        if party is not None:
            _ask(house, party, "DELETE")
            del house.notes[self.name]


@fault
class BankMisbehaves(_PartyFault):
    """A bank is slow, fails, loses calls or answers, calls back twice or not, takes too much."""

    name = "bank"
    parties = ("acquirer", "yookassa")
    lasts = (3.0, 20.0)


@fault
class MailServerMisbehaves(_PartyFault):
    """A mail server is down, slow, greylists, defers, or loses a letter or its own answer."""

    name = "mail_server"
    parties = ("mailcatcher",)
    lasts = (3.0, 20.0)


@fault
class RegistrarMisbehaves(_PartyFault):
    """The registrar of receipts loses calls and answers, is slow, forgets its tokens."""

    name = "registrar"
    parties = ("ofd",)
    lasts = (3.0, 20.0)


def _ask(
    house: House, party: str, method: str, body: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Change the faults of a party and return all of them; it may be starting again."""
    variable, _ = _PARTIES[party]
    url = f"{house.environment[variable].rstrip('/')}/admin/faults"
    ends = time.monotonic() + _PATIENCE_S
    while True:
        try:
            answer = requests.request(method, url, json=body, timeout=_TIMEOUT_S)
            answer.raise_for_status()
            found: dict[str, Any] = answer.json()
        except requests.RequestException as failure:
            if time.monotonic() > ends:
                name = type(failure).__name__
                raise TroubleError(f"{party} does not answer ({name})") from None
            time.sleep(_AGAIN_S)
        else:
            return found
