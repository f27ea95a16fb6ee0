"""«Вопрос-Ответ»: topics, questions, messages."""

from __future__ import annotations

from marshmallow import fields, validate

from gateway.schemas.attachments import Attachment, attached
from gateway.schemas.base import (
    Flag,
    Result,
    Shape,
    account_number,
    day,
    described,
    identifier,
    input_text,
    instant,
    notice,
    output_text,
)
from gateway.schemas.disputes import DisputedLine, disputed_line


def question_number() -> fields.Integer:
    """Return the field for the short number of a question."""
    return fields.Integer(
        required=True, metadata=described("The number to quote on the telephone.", 1024)
    )


class Topic(Result):
    """A topic and its department."""

    topic = output_text("The code of the topic.", "charges")
    title = output_text("Its title.", "Начисления")
    title_en = output_text("Its title in English.", "Charges")
    department = output_text("The code of its department.", "billing")


class Topics(Result):
    """The topics of questions."""

    topics = fields.List(fields.Nested(Topic), required=True)


class AskQuestion(Shape):
    """A question."""

    topic = input_text("The code of the topic.", "charges", most=40)
    account = account_number(required=False, load_default=None, allow_none=True)
    line = disputed_line()
    text = input_text("The question.", "Почему в октябре начислено больше?", most=4000)
    attachments = attached()


class QuestionAccepted(Result):
    """The question has been handed to the department."""

    question_id = identifier("The id of the question.")
    number = question_number()
    department = output_text("The code of the department.", "billing")
    department_title = output_text("The department.", "Расчётный отдел")
    due_on = day("The last day on which the answer is in time.")
    message = notice()


class QuestionSummary(Result):
    """A question in the list."""

    question_id = identifier("The id of the question.")
    number = question_number()
    topic = output_text("The code of the topic.", "charges")
    title = output_text("The title of the topic.", "Начисления")
    title_en = output_text("The title of the topic in English.", "Charges")
    department = output_text("The code of its present department.", "billing")
    department_title = output_text("The department.", "Расчётный отдел")
    department_title_en = output_text("The department in English.", "Billing")
    account = output_text("The account in question, or null.", "0001234", allow_none=True)
    state = output_text(
        "`open`: nobody works on it yet; `in_progress`: somebody does; `waiting`: the department "
        "has asked back, and waits for a message; `answered`; `reopened`: a message came after "
        "the answer; `closed`: a message reopens it. Treat others like `in_progress`.",
        "answered",
    )
    asked_at = instant("When it was asked.")
    last_message_at = instant("When the last message came.")
    due_on = day(
        "The last day on which the answer is in time; null in the states `waiting`, `answered` "
        "and `closed`, in which the department owes none.",
        allow_none=True,
    )
    overdue = fields.Boolean(
        required=True, metadata=described("Whether the answer should have come by now.", False)
    )
    unread = fields.Integer(
        required=True,
        metadata=described("How many messages to the person were not read yet.", 1),
    )


class Questions(Result):
    """The questions of the person."""

    questions = fields.List(fields.Nested(QuestionSummary), required=True)


class Message(Result):
    """One message of a question."""

    author = output_text("`person`, `staff`, or `system`: what the program itself adds.", "staff")
    text = output_text("The text; null if erased.", allow_none=True)
    at = instant("When it was written.")
    attachments = fields.List(fields.Nested(Attachment), required=True)


class Question(QuestionSummary):
    """A question with its messages, the oldest first."""

    dispute = fields.Nested(
        DisputedLine,
        required=True,
        allow_none=True,
        metadata=described("The line of a bill that the question is about; null: none."),
    )
    messages = fields.List(fields.Nested(Message), required=True)


class MessagesRead(Shape):
    """How far a question has been read."""

    messages = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(min=0, max=1_000_000),
        metadata=described("How many of its messages were shown, counted from the oldest.", 3),
    )


class Unread(Result):
    """What is still unread."""

    unread = fields.Integer(
        required=True,
        metadata=described("The unread messages of all questions of the person.", 0),
    )


class AddMessage(Shape):
    """Another message to a question."""

    text = input_text("The text to add.", "Спасибо, а за ноябрь?", most=4000)
    attachments = attached()
    disputes = Flag(
        load_default=False,
        metadata=described(
            "Whether the person does not agree with the disputed line as it was `corrected`: it is "
            "under review again. One that was `rejected` is so by any message.",
            False,
        ),
    )


class MessageAdded(Result):
    """The message has been handed to the department."""

    question_id = identifier("The id of the question.")
    message = notice()
