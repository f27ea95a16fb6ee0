"""A cluster on one machine: nodes that fail over, and two of each of Saldo's processes.

`docs/cluster.md` says what runs and where. Of these modules the faults of `tests/faults/cluster`
are made as well: nodes are described here, broken there.
"""
