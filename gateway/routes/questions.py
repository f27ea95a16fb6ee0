"""«Вопрос-Ответ»: questions to the departments (S25)."""

from __future__ import annotations

from typing import Any

from gateway.operations import API, Call, Idempotency, Link, Operation
from gateway.schemas import questions as shapes
from gateway.web import route

TAG = "Questions"


class QuestionRoutes:
    """Routes of the questions and their answers."""

    @route(
        Operation(
            method="GET",
            path=f"{API}/questions/topics",
            tag=TAG,
            summary="The topics, each with its department.",
            description="Titles in Russian and English. Ask under the code of the topic.",
            result=shapes.Topics,
        )
    )
    def topics(self, call: Call) -> Any:
        return call.ask("helpdesk", "topics")

    @route(
        Operation(
            method="POST",
            path=f"{API}/questions",
            tag=TAG,
            summary="Ask a question, which is handed to the department of its topic.",
            description="The answer is added to the question, by `due_on`; a letter tells that it "
            "has come. With `line` it disputes a line of a bill, which is under review from then "
            "on.",
            idempotency=Idempotency.OPTIONAL,
            body=shapes.AskQuestion,
            status=201,
            result=shapes.QuestionAccepted,
            refusals={
                404: ("account_not_linked",),
                422: ("attachment_unknown", "invalid_text", "unknown_line", "unknown_topic"),
                429: ("too_many_messages", "too_many_questions"),
            },
            location=f"{API}/questions/{{question_id}}",
            links=(
                Link(to="question", parameters={"question_id": "question_id"}),
                Link(to="add_message", parameters={"question_id": "question_id"}),
            ),
        )
    )
    def ask_question(self, call: Call) -> Any:
        asked = call.command(
            "helpdesk",
            "ask",
            person_id=call.person_id,
            topic=call.body["topic"],
            account=call.body["account"],
            text=call.body["text"],
            line=call.body["line"],
            attachments=call.body["attachments"],
        )
        return {**asked, "message": call.notice("question_accepted")}

    @route(
        Operation(
            method="GET",
            path=f"{API}/questions",
            tag=TAG,
            summary="The person's questions.",
            description="The one with the latest message comes first.",
            result=shapes.Questions,
        )
    )
    def list_questions(self, call: Call) -> Any:
        return call.ask("helpdesk", "questions", person_id=call.person_id)

    @route(
        Operation(
            method="GET",
            path=f"{API}/questions/<uuid:question_id>",
            tag=TAG,
            summary="A question with its messages.",
            description="Somebody else's question is as absent as one that does not exist.",
            result=shapes.Question,
            refusals={404: ("question_not_found",)},
        )
    )
    def question(self, call: Call) -> Any:
        found = call.ask(
            "helpdesk",
            "question",
            person_id=call.person_id,
            question_id=str(call.path["question_id"]),
        )
        return {**found, "messages": [_worded(call, one) for one in found["messages"]]}

    @route(
        Operation(
            method="PUT",
            path=f"{API}/questions/<uuid:question_id>/read",
            tag=TAG,
            summary="Say how many messages of a question were shown to the person.",
            description="These count as read, and a message that came later does not. Reading a "
            "question over the API changes nothing by itself.",
            body=shapes.MessagesRead,
            result=shapes.Unread,
            refusals={404: ("question_not_found",)},
        )
    )
    def read_question(self, call: Call) -> Any:
        return call.command(
            "helpdesk",
            "note_read",
            person_id=call.person_id,
            question_id=str(call.path["question_id"]),
            messages=call.body["messages"],
        )

    @route(
        Operation(
            method="POST",
            path=f"{API}/questions/<uuid:question_id>/messages",
            tag=TAG,
            summary="Add a message to a question.",
            description="A message reopens a question that was answered or closed, and answers "
            "what the department has asked back.",
            idempotency=Idempotency.OPTIONAL,
            body=shapes.AddMessage,
            status=201,
            result=shapes.MessageAdded,
            refusals={
                404: ("question_not_found",),
                422: ("attachment_unknown", "invalid_text"),
                429: ("too_many_messages",),
            },
            location=f"{API}/questions/{{question_id}}",
            links=(Link(to="question", parameters={"question_id": "question_id"}),),
        )
    )
    def add_message(self, call: Call) -> Any:
        question_id = str(call.path["question_id"])
        call.command(
            "helpdesk",
            "add_message",
            person_id=call.person_id,
            question_id=question_id,
            text=call.body["text"],
            attachments=call.body["attachments"],
            disputes=call.body["disputes"],
        )
        return {"question_id": question_id, "message": call.notice("message_accepted")}


def _worded(call: Call, message: dict[str, Any]) -> dict[str, Any]:
    """Return a message, what the system says in the language of the client."""
    if message["author"] != "system":
        return message
    return {**message, "text": call.notice(f"dispute_{message['text']}")}
