"""The seal: proof that nobody, the database's owner included, has changed the ledger's log.

A Merkle tree (RFC 9162) covers the events in the order of the log; its root is signed from time to
time (C2SP tlog-checkpoint, Ed25519). Reading order: :mod:`merkle`, :mod:`leaf` and
:mod:`checkpoint` (pure; the offline :mod:`verifier` needs no more), :mod:`tiles`, :mod:`keys` and
:mod:`sealer` (storing and signing), :mod:`process` with :mod:`requests` and :mod:`rotation` (the
sealer's process), :mod:`witnesses`, :mod:`publishing` and :mod:`announcing` (who else keeps
checkpoints), :mod:`proofs` and :mod:`receipts` (for payers), :mod:`inspection` with
:mod:`checkpoint_checks`, :mod:`verification_pass`, :mod:`diagnosis` and :mod:`witness_checks` (for
auditors), :mod:`thinning` (which old checkpoints are deleted). The commands are in
:mod:`services.ledger.commands.seal`.
"""
