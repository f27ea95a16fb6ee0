"""Events of the help desk: the state of a question, never its text."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from shared.contracts.base import Contract, FullMatch, PersonId, PlainId

ABOUT = "Questions, the departments they go to, and answers."

_ID = "^[a-z][a-z0-9_]{0,39}$"


class QuestionAsked(Schema):
    question_id = PlainId(required=True, metadata={"description": "The question."})
    person_id = PersonId(required=True, metadata={"description": "The person who asked."})
    department = fields.String(
        required=True,
        validate=FullMatch(_ID),
        metadata={"description": "The department in charge, by the operator's id."},
    )
    topic = fields.String(
        required=True,
        validate=FullMatch(_ID),
        metadata={"description": "The topic of the question, by the operator's id."},
    )


class QuestionRouted(Schema):
    question_id = PlainId(required=True, metadata={"description": "The question."})
    department = fields.String(
        required=True,
        validate=FullMatch(_ID),
        metadata={"description": "The department in charge from now on."},
    )


class QuestionAnswered(Schema):
    question_id = PlainId(required=True, metadata={"description": "The question."})
    person_id = PersonId(required=True, metadata={"description": "The person who asked."})


class DisputeDecided(Schema):
    question_id = PlainId(required=True, metadata={"description": "The question."})
    person_id = PersonId(required=True, metadata={"description": "The person who asked."})
    decision = fields.String(
        required=True,
        validate=validate.OneOf(("approved", "rejected")),
        metadata={
            "description": (
                "What became of the adjustment that staff proposed for the disputed line: "
                "`approved` and made, or `rejected`."
            )
        },
    )


class QuestionMessageAdded(Schema):
    question_id = PlainId(required=True, metadata={"description": "The question."})


class QuestionClosed(Schema):
    question_id = PlainId(required=True, metadata={"description": "The question."})


CONTRACTS = [
    Contract(
        "question_asked",
        version=1,
        schema=QuestionAsked,
        summary="A person asked a question, and it was routed to a department.",
    ),
    Contract(
        "question_routed",
        version=1,
        schema=QuestionRouted,
        summary="Staff routed a question to another department.",
    ),
    Contract(
        "question_answered",
        version=1,
        schema=QuestionAnswered,
        summary="Staff answered a question.",
    ),
    Contract(
        "question_message_added",
        version=1,
        schema=QuestionMessageAdded,
        summary="The person added a message: the question is open.",
    ),
    Contract(
        "dispute_decided",
        version=1,
        schema=DisputeDecided,
        summary="It was decided on the adjustment of a line that the person disputes.",
    ),
    Contract(
        "question_closed",
        version=1,
        schema=QuestionClosed,
        summary="Staff closed a question; a message from the person reopens it.",
    ),
]
