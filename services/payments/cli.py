"""``saldo payments``: the verbs of staff about payments.

A verb is a function of a module of :mod:`services.payments.commands`. This is their only list.
"""

from __future__ import annotations

from services.payments.commands import registers
from services.terminal import StaffVerbs

app = StaffVerbs("Payments: the files of banks, suspense.", languages=True)
app.writes("import", long=True)(registers.import_)
app.reads("suspense")(registers.suspense)
app.writes("assign")(registers.assign)
app.writes("return")(registers.return_)
app.reads("registers")(registers.registers)
