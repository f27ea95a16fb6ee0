"""«Вопрос-Ответ»: topics, questions, messages."""

from __future__ import annotations

from marshmallow import fields

from gateway.schemas.base import (
    Answered,
    Shape,
    account_number,
    described,
    identifier,
    instant,
    notice,
    said,
    typed,
)


def numbered() -> fields.Integer:
    """Return the number under which people speak of a question."""
    return fields.Integer(
        required=True, metadata=described("The number to name on the telephone.", 1024)
    )


class Topic(Answered):
    """A topic and the department that is competent for it."""

    topic = said("The code of the topic.", "charges")
    title = said("Its title.", "Начисления")
    title_en = said("Its title in English.", "Charges")
    department = said("The code of the department that is competent.", "billing")


class Topics(Answered):
    """What one can ask about."""

    topics = fields.List(fields.Nested(Topic), required=True)


class Ask(Shape):
    """A question."""

    topic = typed("The code of the topic.", "charges", most=64)
    account = account_number(required=False, load_default=None, allow_none=True)
    text = typed("The question.", "Почему в октябре начислено больше?", most=4000)


class Asked(Answered):
    """The question is with the department."""

    question_id = identifier("Names the question.")
    number = numbered()
    department = said("The code of the department.", "billing")
    department_title = said("The department.", "Расчётный отдел")
    message = notice()


class QuestionSummary(Answered):
    """A question in the list."""

    question_id = identifier("Names the question.")
    number = numbered()
    topic = said("The code of the topic.", "charges")
    title = said("The title of the topic.", "Начисления")
    title_en = said("The title of the topic in English.", "Charges")
    department = said("The code of the department that has it.", "billing")
    department_title = said("The department.", "Расчётный отдел")
    account = said("The account it is about.", "0001234", allow_none=True)
    state = said("How far it is.", "answered")
    asked_at = instant("When it was asked.")
    last_message_at = instant("When the last message came.")


class Questions(Answered):
    """The questions of the person."""

    questions = fields.List(fields.Nested(QuestionSummary), required=True)


class Message(Answered):
    """One message of a question."""

    author = said("`person` or `staff`.", "staff")
    text = said("What was written.", allow_none=True)
    at = instant("When.")


class Question(QuestionSummary):
    """A question with its messages, the oldest first."""

    messages = fields.List(fields.Nested(Message), required=True)


class AddMessage(Shape):
    """Another message to a question."""

    text = typed("What is to be added.", "Спасибо, а за ноябрь?", most=4000)


class MessageAdded(Answered):
    """The message is with the department."""

    question_id = identifier("Names the question.")
    message = notice()
