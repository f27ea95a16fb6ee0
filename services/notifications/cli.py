"""``saldo notifications``: what became of letters. This is the only list of its verbs."""

from __future__ import annotations

from services.verbs import StaffVerbs

app = StaffVerbs(
    "Letters: what they say, and what became of them.", "services.notifications", languages=True
)
app.reads("list", ".verbs:list_letters")
app.reads("show", ".verbs:show_letter")
app.reads("failed", ".verbs:failed")
app.writes("resend", ".verbs:resend")
app.reads("mailings", ".verbs:list_mailings")
app.reads("preview", ".preview_verb:preview")
app.writes("recover", "services.recovery.verb:recover_of", "notifications", long=True)
