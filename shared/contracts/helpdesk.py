"""What the help desk publishes: the course of a question, never a text of it."""

from __future__ import annotations

from marshmallow import Schema, fields

from shared.contracts.base import Contract, FullMatch, PlainId

_ID = "^[a-z][a-z0-9_]{0,39}$"


class QuestionAsked(Schema):
    question_id = PlainId(required=True, metadata={"description": "The question."})
    person_id = PlainId(required=True, metadata={"description": "The person who asked."})
    department = fields.String(
        required=True,
        validate=FullMatch(_ID),
        metadata={"description": "The department that is to answer, by the operator's id."},
    )
    topic = fields.String(
        required=True,
        validate=FullMatch(_ID),
        metadata={"description": "What the question is about, by the operator's id."},
    )


class QuestionRouted(Schema):
    question_id = PlainId(required=True, metadata={"description": "The question."})
    department = fields.String(
        required=True,
        validate=FullMatch(_ID),
        metadata={"description": "The department that is to answer as from now."},
    )


class QuestionAnswered(Schema):
    question_id = PlainId(required=True, metadata={"description": "The question."})
    person_id = PlainId(required=True, metadata={"description": "The person who asked."})


class QuestionMessageAdded(Schema):
    question_id = PlainId(required=True, metadata={"description": "The question."})


class QuestionClosed(Schema):
    question_id = PlainId(required=True, metadata={"description": "The question."})


CONTRACTS = [
    Contract(
        "question_asked",
        version=1,
        schema=QuestionAsked,
        summary="A person asked a question, and it was handed to a department.",
    ),
    Contract(
        "question_routed",
        version=1,
        schema=QuestionRouted,
        summary="Staff handed a question to another department.",
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
        summary="The person wrote again: the question is open.",
    ),
    Contract(
        "question_closed",
        version=1,
        schema=QuestionClosed,
        summary="Staff closed a question; a message of the person opens it again.",
    ),
]
