"""``saldo notifications``: what became of letters. This is the only list of its verbs."""

from __future__ import annotations

from services.notifications import verbs
from services.notifications.preview_verb import preview
from services.recovery.verb import recover_of
from services.terminal import StaffVerbs

app = StaffVerbs("Letters: what they say, and what became of them.", languages=True)
app.reads("list")(verbs.list_letters)
app.reads("show")(verbs.show_letter)
app.reads("failed")(verbs.failed)
app.writes("resend")(verbs.resend)
app.reads("mailings")(verbs.list_mailings)
app.reads("preview")(preview)
app.writes("recover", long=True)(recover_of("notifications"))
