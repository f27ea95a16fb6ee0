"""The checker: the invariants of the whole, judged from outside.

A module per invariant, in their order: `books` (I1), `promises` (I2), `postings` (I3), `balances`
(I4), `seal` (I5), `deliveries` (I6), `letters` (I7), `unresolved` (I8). Each reads raw rows, HTTP
and files, and shares no code with what it judges. `evidence` is what they read, `findings` what
they return, `check` runs them.

It judges any installation and any file of beliefs in the form of `tests.faults.load.beliefs`:

    python -m tests.faults check --env .saldo/env --beliefs beliefs.jsonl
"""
