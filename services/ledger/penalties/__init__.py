"""Penalties for late payment («пени»): the law as dated data, and pure functions over it.

Reading order: rules.yaml (the law), :mod:`rules` (its shape and look-ups), :mod:`calendar` (due
dates), :mod:`timeline` (the rate periods of a delay), :mod:`payment_matching` (which part of a
charge was paid when), :mod:`plan` (segments without their sums), :mod:`calculator` (their sums),
:mod:`explanation` (text and JSON). For accounts of the ledger: :mod:`law` (the penalty of a debt),
:mod:`accrual` (accrues on one account), :mod:`accrual_run` (on all), :mod:`schedule` (on which
days), :mod:`accrual_record` (the runs in the log, and which is due), :mod:`account_penalty` (the
penalty that a payer sees).
"""
