"""An independent oracle of one account: what the rules say of its facts, whatever their order.

It shares no code with the ledger: of the product it reads the fields of events (``facts.py``) and
the dated data of the law, ``rules.yaml`` (``law.py``).
"""
