"""``saldo helpdesk``: the verbs of whoever answers questions.

A verb is a function of a module of :mod:`services.helpdesk.verbs`. This is their only list. The
help desk does it: a verb calls it by RPC, under the broker's user of whoever runs it.
"""

from __future__ import annotations

from services.verbs import StaffVerbs

app = StaffVerbs(
    "The questions that persons ask. Reasons are hidden from them.",
    "services.helpdesk.verbs",
    languages=True,
)
app.reads("list", ".reading:list_questions")
app.reads("show", ".reading:show_question")
app.reads("attachment", ".files:attachment")
app.writes("answer", ".acts:answer")
app.writes("route", ".acts:route")
app.writes("assign", ".acts:assign")
app.writes("close", ".acts:close")
app.writes("propose", ".disputes:propose")
app.reads("disputes", ".disputes:list_disputes")
app.reads("report", ".report:report")
app.writes("recover", "services.recovery.verb:recover_of", "helpdesk", long=True)
