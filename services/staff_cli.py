"""``saldo staff``: who works here, and what each may do."""

from __future__ import annotations

from services.verbs import StaffVerbs

app = StaffVerbs("Staff: their logins, and what each may do.", "services")
app.writes("add", ".staff_verbs:add")
app.reads("list", ".staff_verbs:list_")
app.writes("remove", ".staff_verbs:remove")
app.writes("may", ".staff_verbs:may")
