"""«Вопрос-Ответ» (S25): ask, read the answer, ask on."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

from gateway.cabinet.disputed_lines import described_line, disputed_month, line_of
from gateway.cabinet.page import page
from gateway.cabinet.visit import Refused, Visit
from gateway.problems import Refusal
from gateway.routes.accounts import AccountRoutes
from gateway.routes.questions import QuestionRoutes
from shared import formats


class QuestionPages:
    """Questions to the departments, and their answers."""

    @page("GET", "/questions")
    def questions(self, visit: Visit) -> Response:
        """List the person's questions; without one, the form itself."""
        found = visit.api(QuestionRoutes.list_questions)["questions"]
        if not found:
            return _question_form(visit)
        return visit.render("questions.html", questions=found)

    @page("GET", "/questions/new")
    def question_form(self, visit: Visit) -> Response:
        """Ask what the question is about."""
        return _question_form(visit)

    @page("POST", "/questions", shown_by="/questions/new", takes_attachments=True)
    def submit_question(self, visit: Visit) -> Response:
        """Hand the question to the competent department."""
        if errors := visit.file_errors():
            return _question_form(visit, errors)
        line = line_of(visit.form.get("line", ""))
        outcome = visit.attempt(
            QuestionRoutes.ask_question,
            body={
                "topic": visit.form.get("topic", ""),
                "account": (line.number if line else visit.form.get("account")) or None,
                "line": {"period": line.period, "service": line.service} if line else None,
                "text": _unix_lines(visit.form.get("text", "")),
                "attachments": visit.attached.ids,
            },
            says={
                "topic": visit.text("Выберите, о чём вопрос."),
                "account": visit.text("Выберите лицевой счёт из списка."),
                "line": visit.text("Выберите строку счёта."),
                "text": visit.text("Напишите вопрос, до 4000 знаков."),
            },
        )
        if isinstance(outcome, Refused):
            return _question_form(visit.keeping_files(outcome.errors), outcome.errors)
        return visit.redirect(f"/questions/{outcome['question_id']}", outcome["message"])

    @page("GET", "/questions/<uuid:question_id>")
    def question_thread(self, visit: Visit) -> Response:
        """Show a question with its messages, the oldest first."""
        return _thread(visit)

    @page(
        "POST",
        "/questions/<uuid:question_id>",
        shown_by="/questions/{question_id}",
        takes_attachments=True,
    )
    def submit_message(self, visit: Visit) -> Response:
        """Add a message to a question."""
        if errors := visit.file_errors():
            return _thread(visit, errors)
        outcome = visit.attempt(
            QuestionRoutes.add_message,
            path=visit.path,
            body={
                "text": _unix_lines(visit.form.get("text", "")),
                "attachments": visit.attached.ids,
                "disputes": "disputes" in visit.form,
            },
            says={"text": visit.text("Напишите сообщение, до 4000 знаков.")},
        )
        if isinstance(outcome, Refused):
            return _thread(visit.keeping_files(outcome.errors), outcome.errors)
        return visit.redirect(f"/questions/{visit.path['question_id']}", outcome["message"])


def _unix_lines(text: str) -> str:
    # Browsers end the lines of a form with CR LF.
    return text.replace("\r\n", "\n").strip()


def _question_form(visit: Visit, errors: Any = None) -> Response:
    topics, linked, about = visit.together(
        lambda: visit.api(QuestionRoutes.topics)["topics"],
        visit.aside(lambda: visit.api(AccountRoutes.list_accounts)["accounts"]),
        lambda: _about(visit),
    )
    english = visit.language == "en"
    return visit.render(
        "question_new.html",
        topics=[(topic["topic"], topic["title_en" if english else "title"]) for topic in topics],
        account_choices=[
            ("", visit.text("Не об одном счёте")),
            *((account["number"], account["number"]) for account in linked or ()),
        ],
        about=about,
        errors=errors,
    )


def _about(visit: Visit) -> dict[str, Any]:
    """Return what a link or a form asks about: topic, account and text, and maybe a line.

    ``line`` is the value of its field and its words; the text is the person's own.
    """
    asked: dict[str, Any] = {
        name: visit.query.get(name, "") for name in ("topic", "account", "text")
    }
    line = line_of(visit.form.get("line") or visit.query.get("line", ""))
    if line is None:
        return {**asked, "line": None}
    try:
        words = described_line(visit, line)
    except Refusal:
        # The access has ended since: what was typed stays, as a question about no line. A link is
        # refused, as any address of an account that is not the person's.
        if not visit.form:
            raise
        words = None
    if words == "":
        words = visit.text("строка счёта за %(month)s") % {
            "month": formats.month(line.period, visit.language)
        }
    found = None if words is None else (line.value, words)
    return {**asked, "topic": "charges", "account": line.number, "line": found}


def _thread(visit: Visit, errors: Any = None) -> Response:
    question = visit.api(QuestionRoutes.question, path=visit.path)
    return visit.render(
        "question.html",
        question=question,
        authors={"person": visit.text("Вы"), "system": visit.text("Кабинет")},
        fresh=_fresh(question),
        month=disputed_month(visit, question["dispute"]),
        errors=errors,
        **_read_now(visit, question),
    )


def _fresh(question: Any) -> set[int]:
    """Return the places of the messages that the person sees for the first time."""
    answers = [
        place for place, message in enumerate(question["messages"]) if message["author"] != "person"
    ]
    return set(answers[len(answers) - question["unread"] :])


def _read_now(visit: Visit, question: Any) -> dict[str, int]:
    """Note that the messages shown are read; return what is unread of all questions then."""
    if not question["unread"]:
        return {}
    note = visit.aside(
        lambda: visit.api(
            QuestionRoutes.read_question,
            path=visit.path,
            body={"messages": len(question["messages"])},
        )
    )
    found = note()
    return {"unread_now": found["unread"]} if found else {}
