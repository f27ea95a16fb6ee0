"""The help desk on a real PostgreSQL, and its command line."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from services.helpdesk import cli
from services.helpdesk.application import (
    AddMessage,
    AskQuestion,
    QuestionUseCases,
    messages_of,
    question_of,
)
from services.helpdesk.departments import load_directory
from shared.errors import Forbidden, NotFound, ServiceError
from shared.staff import PERMISSIONS
from shared.working_days import load_working_days
from tests.staff_terminal import ServicesHere, grant, revoke, services_here, staff_amqp_url

pytestmark = pytest.mark.nodes

USE_CASES = QuestionUseCases(load_directory({}), load_working_days({}))


@pytest.fixture
def run(database: Any) -> Callable[..., Any]:
    for permission in PERMISSIONS["helpdesk"]:
        grant(database.settings, "helpdesk", "olga", permission, None)
    runner, store = CliRunner(), database.store("helpdesk")

    def run(*arguments: object, text: str | None = None, by: str = "olga") -> Any:
        with services_here({"helpdesk": store}):
            return runner.invoke(
                cli.app,
                list(map(str, arguments)),
                input=text,
                env={"SALDO_AMQP_URL": staff_amqp_url(by)},
            )

    return run


def ask(database: Any, person_id: UUID, text: str = "Почему выросла сумма?") -> dict[str, Any]:
    command = AskQuestion(person_id=person_id, topic="charges", account="0100000001", text=text)
    return database.store("helpdesk").execute(USE_CASES.ask, command)


def test_staff_find_a_question_and_answer_it(database: Any, run: Any) -> None:
    person_id = uuid4()
    asked = ask(database, person_id)
    listed = json.loads(run("list", "--department", "billing", "--json").stdout)["questions"]
    assert [question["question_id"] for question in listed] == [asked["question_id"]]
    assert " open " in run("list").stdout
    result = run("answer", asked["number"], "--file", "-", "--json", text="Зима.\n")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["state"] == "answered"
    shown = json.loads(run("show", asked["question_id"], "--json").stdout)
    assert [message["text"] for message in shown["messages"]] == ["Почему выросла сумма?", "Зима."]
    assert "Зима." in run("show", asked["number"]).stdout
    assert json.loads(run("list", "--json").stdout) == {"questions": []}
    assert len(json.loads(run("list", "--state", "all", "--json").stdout)["questions"]) == 1
    store = database.store("helpdesk")
    recorded = [store.recorded(logged) for logged in store.log_after(0, 10)]
    assert recorded[-1].actor == "staff:olga"


def test_person_reads_the_answer_and_adds_a_message(database: Any, run: Any) -> None:
    person_id, store = uuid4(), database.store("helpdesk")
    question_id = UUID(ask(database, person_id)["question_id"])
    run("answer", question_id, "--text", "Зима.")
    again = AddMessage(person_id=person_id, question_id=question_id, text="А пени?")
    assert store.execute(USE_CASES.add_message, again)["state"] == "reopened"
    view = store.query(lambda session: question_of(session, question_id, person_id))
    assert view.state == "reopened"
    assert view.last_message_at > view.asked_at
    (mine,) = store.query(lambda session: session.read.questions_of(person_id, 10))
    assert mine == view
    messages = store.query(lambda session: messages_of(session, question_id))
    assert [message["author"] for message in messages] == ["person", "staff", "person"]


def test_staff_hand_over_and_close(database: Any, run: Any) -> None:
    number = ask(database, uuid4())["number"]
    routed = run("route", number, "metering", "--reason", "о счётчике")
    assert (routed.exit_code, routed.stdout) == (0, f"Question {number} is now with metering.\n")
    assert json.loads(run("show", number, "--json").stdout)["department"] == "metering"
    answered = run("answer", number, "--text", "Да.")
    assert (answered.exit_code, answered.stdout) == (0, f"Question {number} is answered.\n")
    closed = run("close", number, "--reason", "повтор")
    assert (closed.exit_code, closed.stdout) == (0, f"Question {number} is closed.\n")
    assert json.loads(run("show", number, "--json").stdout)["state"] == "closed"


def test_a_dry_run_checks_and_writes_nothing(database: Any, run: Any) -> None:
    number = ask(database, uuid4())["number"]
    for arguments in (
        ("answer", number, "--text", "Зима."),
        ("route", number, "metering", "--reason", "r"),
        ("close", number, "--reason", "r"),
    ):
        result = run(*arguments, "--dry-run")
        assert result.exit_code == 0, result.output
        assert "nothing was written" in result.output
        assert json.loads(run(*arguments, "--dry-run", "--json").stdout)["dry_run"] is True
    assert run("route", number, "moon", "--reason", "r", "--dry-run").exit_code == 2
    assert len(database.store("helpdesk").log_after(0, 10)) == 1


def test_a_repeated_answer_is_given_once_for_each_message_of_the_person(
    database: Any, run: Any
) -> None:
    person_id, store = uuid4(), database.store("helpdesk")
    question_id = UUID(ask(database, person_id)["question_id"])
    for _ in range(2):
        assert run("answer", question_id, "--text", "Да.").exit_code == 0
    store.execute(
        USE_CASES.add_message, AddMessage(person_id=person_id, question_id=question_id, text="А?")
    )
    for _ in range(2):
        assert run("answer", question_id, "--text", "Да.").exit_code == 0
    messages = store.query(lambda session: messages_of(session, question_id))
    assert [message["text"] for message in messages[1:]] == ["Да.", "А?", "Да."]


VERBS = {
    "read": (("list",), ("show", "1")),
    "answer": (("answer", "1", "--text", "Зима."),),
    "route": (("route", "1", "metering", "--reason", "r"),),
    "close": (("close", "1", "--reason", "r"),),
}


@pytest.mark.parametrize("permission", VERBS)
def test_each_verb_takes_its_permission(database: Any, run: Any, permission: str) -> None:
    ask(database, uuid4())
    revoke(database.settings, "helpdesk", "olga", permission)
    for needed, verbs in VERBS.items():
        for arguments in verbs:
            dry = () if needed == "read" else ("--dry-run",)
            result = run(*arguments, *dry)
            assert result.exit_code == (2 if needed == permission else 0), result.output
            assert ("saldo staff may" in result.stderr) == (needed == permission)
            assert run(*arguments, *dry, by="nobody").exit_code == 2
    assert len(database.store("helpdesk").log_after(0, 10)) == 1


HOSTILE: tuple[Any, ...] = (
    *(None, True, -1, 1.5, 10**40, float("nan"), "", " ", "0", "9" * 18, "\x00", "\ud800"),
    *("x" * 5_000, "x" * 20_000, str(UUID(int=0)), [], [{}], {}, {"a": 1}),
)
METHODS = {
    "questions_of_state": {"state": "open", "department": "metering", "limit": 1},
    "any_question": {"question": "1"},
    "answer": {"question": "1", "text": "Зима.", "reason": "r", "dry_run": False},
    "route": {"question": "1", "department": "metering", "reason": "r", "dry_run": True},
    "close": {"question": "1", "reason": "r", "dry_run": True},
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.usefixtures("run")
def test_hostile_arguments_are_refused_by_the_closed_set_of_errors(
    database: Any, method: str
) -> None:
    ask(database, uuid4())
    services = ServicesHere({"helpdesk": database.store("helpdesk")}, staff_amqp_url("olga"))
    good = METHODS[method]
    requests = [{**good, name: value} for name in (*good, "unknown") for value in HOSTILE]
    refused = 0
    for request in requests:
        with contextlib.suppress(ServiceError):
            services.serve("helpdesk", method, request)
            continue
        refused += 1
    assert refused >= len(HOSTILE)


def test_the_answer_is_of_who_signed_in(database: Any, run: Any) -> None:
    number = ask(database, uuid4())["number"]
    result = run("answer", number, "--text", "Зима.", "--actor", "petrov")
    assert "--actor is not read: you act as staff:olga" in result.stderr
    assert database.store("helpdesk").log_after(0, 10)[-1].actor == "staff:olga"


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "404"),
        ("show", "nonsense"),
        ("answer", "404", "--text", "Кому?"),
        ("answer", "1"),
        ("answer", "1", "--text", "a", "--file", "b"),
        ("answer", "1", "--file", "/nothing/here"),
        ("route", "1", "metering"),
        ("list", "--state", "lost"),
    ],
)
def test_bad_input_exits_with_2(run: Any, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_questions_asked_at_once_get_numbers_without_gaps_and_keep_the_limit(
    database: Any,
) -> None:
    person_id = uuid4()

    def attempt(_: int) -> int:
        try:
            return int(ask(database, person_id)["number"])
        except Forbidden:
            return 0

    with ThreadPoolExecutor(6) as pool:
        numbers = list(pool.map(attempt, range(14)))
    assert sorted(numbers) == [0, 0, 0, 0, *range(1, 11)]


def test_question_needs_an_account_of_the_person(database: Any) -> None:
    from services.helpdesk.service import HelpdeskService

    class Accounts:
        def call(self, service: str, method: str, **arguments: Any) -> dict[str, Any]:
            assert (service, method) == ("accounts", "owns")
            mine = [number for number in arguments["numbers"] if number == "01"]
            return {"access": {number: {"account": f"{number}-2"} for number in mine}}

    service, person_id = HelpdeskService(), uuid4()
    service.store, service.services = database.store("helpdesk"), Accounts()
    text = "Почему выросла сумма?"
    with pytest.raises(Forbidden) as refusal:
        service.ask(person_id=person_id, topic="charges", account="02", text=text, attachments=[])
    assert refusal.value.code == "account_not_linked"
    asked = service.ask(
        person_id=person_id, topic="charges", account=" 01 ", text=text, attachments=[]
    )
    question_id = UUID(asked["question_id"])
    (listed,) = service.questions(person_id=person_id)["questions"]
    found = service.question(person_id=person_id, question_id=question_id)
    assert found == {**listed, "messages": found["messages"]}
    # The question is about the account of the second holder; people see the number.
    assert found["account"] == "01"
    with database.owner("helpdesk") as owner:
        assert owner.execute("SELECT account FROM questions").fetchall() == [("01-2",)]
    with pytest.raises(NotFound):
        service.question(person_id=uuid4(), question_id=question_id)
    assert text not in str(service.letter_of(question_id=question_id))


def test_no_text_is_stored_in_clear(database: Any, run: Any, tmp_path: Path) -> None:
    number = ask(database, uuid4(), "Тайна вопроса")["number"]
    answer = tmp_path / "answer.txt"
    answer.write_text("Тайна ответа", encoding="utf-8")
    run("answer", number, "--file", answer, "--reason", "Тайна причины")
    run("route", number, "metering", "--reason", "Тайна передачи")
    store = database.store("helpdesk")
    for table in ("events", "commands", "questions", "messages"):
        dump = store.query(
            lambda session, table=table: session.cursor.execute(
                f"SELECT string_agg(t::text, ' ') AS text FROM {table} AS t"
            ).fetchone()
        )
        assert "Тайна" not in dump["text"], table
        assert "Тайна".encode().hex() not in dump["text"], table
