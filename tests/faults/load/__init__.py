"""The load: clients who write down what they were told.

Reading order: `beliefs` (the file, and what a client may conclude), `residents`, `newcomers`,
`staff`, `subscribers`, `town` (all of them at once).
"""
