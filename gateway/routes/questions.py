"""«Вопрос-Ответ» (S25)."""

from __future__ import annotations

from typing import Any

from gateway.operations import API, Answer, Call, Idempotency, Operation
from gateway.schemas import questions as shapes
from gateway.web import route

TAG = "Questions"


class QuestionRoutes:
    """Questions to the departments, and their answers."""

    @route(
        Operation(
            method="GET",
            path=f"{API}/questions/topics",
            tag=TAG,
            summary="What one can ask about, and who answers.",
            answer=shapes.Topics,
        )
    )
    def topics(self, call: Call) -> Any:
        return call.ask("helpdesk", "topics")

    @route(
        Operation(
            method="POST",
            path=f"{API}/questions",
            tag=TAG,
            summary="Ask; the question goes to the competent department.",
            idempotency=Idempotency.OPTIONAL,
            body=shapes.Ask,
            status=201,
            answer=shapes.Asked,
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
        data = {**asked, "message": call.told("question_accepted")}
        return Answer(data=data, headers={"Location": location})

    @route(
        Operation(
            method="GET",
            path=f"{API}/questions",
            tag=TAG,
            summary="The person's questions.",
            answer=shapes.Questions,
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
            answer=shapes.Question,
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
            answer=shapes.MessageAdded,
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
        return {"question_id": question_id, "message": call.told("message_accepted")}
