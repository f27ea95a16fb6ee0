"""«Вопрос-Ответ»: questions to the departments (S25)."""

from __future__ import annotations

from typing import Any

from gateway.operations import API, Call, Idempotency, Operation, Reply
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
            idempotency=Idempotency.OPTIONAL,
            body=shapes.AskQuestion,
            status=201,
            result=shapes.QuestionAccepted,
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
        )
        location = f"{API}/questions/{asked['question_id']}"
        data = {**asked, "message": call.notice("question_accepted")}
        return Reply(data=data, headers={"Location": location})

    @route(
        Operation(
            method="GET",
            path=f"{API}/questions",
            tag=TAG,
            summary="The person's questions.",
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
            result=shapes.Question,
        )
    )
    def question(self, call: Call) -> Any:
        return call.ask(
            "helpdesk",
            "question",
            person_id=call.person_id,
            question_id=str(call.path["question_id"]),
        )

    @route(
        Operation(
            method="POST",
            path=f"{API}/questions/<uuid:question_id>/messages",
            tag=TAG,
            summary="Add a message to a question.",
            idempotency=Idempotency.OPTIONAL,
            body=shapes.AddMessage,
            status=201,
            result=shapes.MessageAdded,
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
        )
        return {"question_id": question_id, "message": call.notice("message_accepted")}
