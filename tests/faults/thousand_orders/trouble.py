"""Trouble: faults of the banks that come and go, refunds at their desks, and kill -9."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

from deploy.demo.acquirer_page import PageError
from deploy.embedded import process
from deploy.embedded.installation import Installation
from tests.faults.thousand_orders.banks import Bank

VICTIMS = (*["serve", "work", "gateway", "acquirer", "yookassa"] * 2, "ofd")
"""Payments and ledger run in serve and work; then the gateway, the banks, the cash register."""

FAULTS: Sequence[dict[str, Any]] = (
    {"chaos": 0.2},
    {"chaos": 0.5},
    {"drop_callbacks": True},
    {"double_callbacks": True},
    {"callback_delay_seconds": 3},
    {"error_before_charge": True},
    {"error_after_charge": True},
    {"end_sessions": True},
    {"end_holds": True},
    {"lose_register_call": True},
    {"lose_register_answer": True},
    {"lose_status_answer": True},
    {"lose_capture_answer": True},
    {"lose_capture_call": True},
    {"lose_close_answer": True},
    {"lose_refund_answer": True},
    {"lose_refund_call": True},
    {"lose_report_answer": True},
    {"status_delay_seconds": 2},
    {"hang": True},
    {"register_hangs": True},
    {"refuse_refunds": True},
    {"lose_decline_answer": True},
    {"status_lags": True},
    {"status_denies": True},
    {"status_misreports": True},
    {"charges_other_amount": 100},
    {"charges_other_amount": 3},
    {"refund_pending_seconds": 5},
)
"""Those that a bank does not have are left out."""

BETWEEN_FAULTS_S = (0.5, 4.0)
BETWEEN_KILLS_S = (6.0, 14.0)
REFUND_AT_BANK = 0.4


class Trouble:
    """Makes trouble in two threads until stopped; `counts` says how much."""

    def __init__(self, installation: Installation, banks: Sequence[Bank], seed: int) -> None:
        self._installation = installation
        self._banks = banks
        self._seed = seed
        self.counts: Counter[str] = Counter()

    def make_faults(self, stop: threading.Event) -> None:
        """Switch faults on at random, one or two at a time, and off again."""
        chance = random.Random(self._seed)  # noqa: S311 - no secret
        while not stop.wait(chance.uniform(*BETWEEN_FAULTS_S)):
            bank = chance.choice(self._banks)
            try:
                bank.clear_faults()
                known = bank.faults()
                possible = [one for one in FAULTS if known.keys() >= one.keys()]
                for fault in chance.sample(possible, chance.choice((0, 1, 1, 2))):
                    bank.set_faults(**fault)
                    self.counts[f"{bank.process} {next(iter(fault))}"] += 1
                if chance.random() < REFUND_AT_BANK:
                    self._give_back(bank, chance)
            except PageError:
                self.counts[f"{bank.process} did not answer"] += 1

    def kill(self, stop: threading.Event) -> None:
        """Kill a process with -9 at random, again and again; each restarts by itself."""
        chance = random.Random(self._seed + 1)  # noqa: S311 - no secret
        while not stop.wait(chance.uniform(*BETWEEN_KILLS_S)):
            name = chance.choice(VICTIMS)
            record = process.read_record(self._installation.state.record(name))
            if record is not None and process.is_alive(record.identity):
                os.kill(record.identity.pid, signal.SIGKILL)
                self.counts[f"killed {name}"] += 1

    def end(self) -> None:
        """End all faults, and the time to pay of what is still open."""
        for bank in self._banks:
            bank.clear_faults()
            bank.set_faults(end_sessions=True)

    def _give_back(self, bank: Bank, chance: random.Random) -> None:
        charged = [order for order in bank.orders().values() if order.money.kept > 1]
        if charged:
            order = chance.choice(charged)
            amount = None if chance.random() < 0.5 else chance.randint(1, order.money.kept - 1)
            done = bank.give_back(order, amount)
            self.counts["refunds at the bank" if done else "refund at the bank refused"] += 1
