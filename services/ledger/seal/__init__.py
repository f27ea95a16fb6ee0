"""The seal: proof that nobody has changed the log of the ledger, whoever he is.

A Merkle tree (RFC 9162) stands over the events in the order of the log; its head is signed from
time to time (C2SP tlog-checkpoint, Ed25519). Reading order: :mod:`merkle`, :mod:`leaf` and
:mod:`checkpoint` (pure; the offline :mod:`verifier` needs no more), :mod:`tiles`, :mod:`keys` and
:mod:`sealer` (what is stored, and signed), :mod:`proofs` (what a payer gets), :mod:`check` with
:mod:`evidence`, :mod:`walk` and :mod:`explain` (what an auditor runs), :mod:`cli`.
"""
