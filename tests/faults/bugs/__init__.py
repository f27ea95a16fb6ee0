"""Planted bugs: switches that break the product in processes of a test's installation only.

Nothing of them stands in the product. `start` runs a process of it and wraps functions of its
modules as they are imported; a wrapped function is the original, unless its bug is switched on.
`catalogue` names the bugs and the invariants by which the checker must find each; `scenarios` are
the short loads that bring them out.

Reading order: `switch`, `planting`, `start`, `catalogue`, then the bugs by subject.

This package is imported before eventlet patches a server: its modules import nothing of the product
until a bug is on.
"""
