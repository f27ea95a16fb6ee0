"""Penalties for late payment («пени»): the law as dated data, and pure functions over it.

Reading order: rules.yaml (the law), rules (its shape and look-ups), calendar (due dates),
timeline (what each day of a delay bears), settling (which part of a debt was paid when),
plan (the segments without their sums), calculator (their sums), explanation (the same, told to
people), cli.
"""
