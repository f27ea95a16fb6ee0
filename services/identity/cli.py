"""``saldo identity``: the verbs of whoever helps persons with their cabinets.

A verb is a function of a module of :mod:`services.identity.verbs`. This is their only list.
"""

from __future__ import annotations

from services.verbs import StaffVerbs

app = StaffVerbs(
    "Persons: find one, show one, let one in again; who has seen whom.",
    "services.identity.verbs",
    languages=True,
)
app.reads("find", ".finding:find")
app.writes("show", ".finding:show_person")
app.writes("unblock", ".acts:unblock")
app.writes("resend", ".acts:resend")
app.writes("end-sessions", ".acts:end_sessions")
app.writes("restore-access", ".acts:restore_access")
app.writes("reset-second-factor", ".acts:reset_second_factor")
app.writes("erase", ".personal_data:erase")
app.writes("export", ".personal_data:export")
app.reads("log", ".log:log")
app.writes("recover", "services.recovery.verb:recover_of", "identity", long=True)
