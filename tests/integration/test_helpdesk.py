"""The help desk on a real PostgreSQL, and its command line."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
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
from services.helpdesk.domain import Question
from services.helpdesk.service import HelpdeskService
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
    run("show", asked["number"])
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
    run("show", question_id)
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


def test_a_question_is_assigned_to_whoever_may_answer(database: Any, run: Any) -> None:
    number = ask(database, uuid4())["number"]
    assert run("assign", number, "petrov").exit_code == 2
    grant(database.settings, "helpdesk", "petrov", "answer", None)
    assigned = run("assign", number, "petrov")
    assert assigned.stdout == f"Question {number} is assigned to petrov.\n"
    ask(database, uuid4())
    [mine] = json.loads(run("list", "--assigned-to", "petrov", "--json").stdout)["questions"]
    assert (mine["number"], mine["state"]) == (number, "in_progress")
    assert run("assign", number).stdout == f"Question {number} is assigned to nobody.\n"
    assert json.loads(run("list", "--assigned-to", "petrov", "--json").stdout)["questions"] == []


def test_a_list_begins_with_what_is_due_first(database: Any, run: Any) -> None:
    for _ in range(3):
        ask(database, uuid4())
    with database.owner("helpdesk") as owner:
        owner.execute("UPDATE questions SET due_on = due_on - number::int * 20")
        owner.execute("UPDATE questions SET due_on = due_on + 100 WHERE number = 2")
    run("show", 3)
    run("answer", 3, "--text", "Да.")
    everything = json.loads(run("list", "--state", "all", "--json").stdout)["questions"]
    assert [each["number"] for each in everything] == [1, 2, 3]
    [late] = json.loads(run("list", "--overdue", "--json").stdout)["questions"]
    assert (late["number"], late["overdue"], late["unseen"]) == (1, True, 1)
    assert f"{late['due_on']}, overdue" in run("list").stdout
    assert f"{late['due_on']}, просрочен" in run("list", "--lang", "ru").stdout
    lines = run("list", "--csv").stdout.splitlines()
    assert lines[0].startswith("number;state;department;topic")
    assert lines[1].startswith("1;open;billing;charges;0100000001;;")


def test_showing_a_question_reads_its_new_messages(database: Any, run: Any) -> None:
    number = ask(database, uuid4())["number"]
    run("show", number)
    [shown] = json.loads(run("list", "--json").stdout)["questions"]
    assert shown["unseen"] == 0


def test_what_came_while_staff_answered_stays_owed(database: Any, run: Any) -> None:
    person_id, store = uuid4(), database.store("helpdesk")
    question_id = UUID(ask(database, person_id)["question_id"])
    run("show", question_id)
    urgent = AddMessage(person_id=person_id, question_id=question_id, text="Течёт труба, срочно!")
    store.execute(USE_CASES.add_message, urgent)
    for verb in (("answer", question_id, "--text", "Зима."), ("close", 1, "--reason", "r")):
        refused = run(*verb)
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert "(saldo helpdesk show 1), then repeat the command" in refused.stderr
        assert "никто из сотрудников не видел" in run(*verb, "--lang", "ru").stderr
        assert run(*verb, "--dry-run").exit_code == 2
    [owed] = json.loads(run("list", "--json").stdout)["questions"]
    assert (owed["state"], owed["unseen"]) == ("open", 1)
    assert "Течёт труба" in run("show", 1).stdout
    assert run("answer", 1, "--text", "Выезжаем.").exit_code == 0


def test_the_report_counts_each_turn_of_a_question(database: Any, run: Any) -> None:
    person_id, store = uuid4(), database.store("helpdesk")
    question_id = UUID(ask(database, person_id)["question_id"])

    def write(text: str) -> None:
        command = AddMessage(person_id=person_id, question_id=question_id, text=text)
        store.execute(USE_CASES.add_message, command)

    run("show", question_id)
    run("answer", question_id, "--text", "Какой счётчик?", "--wait")
    assert (
        reported(run)["total"] | {"asked": 1, "answered": 0, "waiting": 1} == reported(run)["total"]
    )
    write("Тот")
    run("show", question_id)
    run("answer", question_id, "--text", "Да.")
    run("answer", question_id, "--text", "И ещё.")
    write("А?")
    run("route", question_id, "metering", "--reason", "r")
    found = reported(run)
    assert found["total"] | {"asked": 2, "answered": 1, "in_time": 1} == found["total"]
    assert (found["total"]["median"], found["total"]["unseen"]) == (0, 1)
    assert {each["department"]: each["asked"] for each in found["departments"]} == {
        "billing": 1,
        "metering": 1,
    }
    assert "Отдел учёта" in run("report", "--lang", "ru").stdout
    assert "0 ████" in run("report").stdout
    assert run("report", "--csv").stdout.splitlines()[-1].startswith("total;;2;1;1;0;0;0;0;1")


def test_a_turn_counts_without_the_days_that_staff_waited_in_vain(database: Any) -> None:
    store, due_on = database.store("helpdesk"), date(2036, 12, 15)
    question_id = UUID(ask(database, uuid4())["question_id"])

    def answer(session: Any, waited: int) -> dict[str, Any]:
        session.load(Question, question_id).answer("sealed", None, due_on=due_on, waited=waited)
        return {}

    for waited in (3, 4):
        store.execute(answer, waited)
    [turn] = store.query(lambda session: session.read.turns.since(datetime(2026, 1, 1, tzinfo=UTC)))
    assert turn.answered_at is not None
    assert (turn.waited, turn.due_on) == (3, due_on), "the first answer counts"


def reported(run: Any) -> dict[str, Any]:
    return dict(json.loads(run("report", "--json").stdout))


def test_a_person_reads_what_is_new_of_his_own_questions(database: Any, run: Any) -> None:
    person_id, service = uuid4(), HelpdeskService()
    service.store = database.store("helpdesk")
    question_id = UUID(ask(database, person_id)["question_id"])
    ask(database, person_id)
    run("show", question_id)
    for text in ("Раз", "Два"):
        run("answer", question_id, "--text", text)
    assert service.unread(person_id=person_id) == {"unread": 2}
    read = {"question_id": question_id, "messages": 2}
    with pytest.raises(NotFound):
        service.note_read(person_id=uuid4(), **read)
    assert service.note_read(person_id=person_id, **read) == {"unread": 1}
    assert [each["unread"] for each in service.questions(person_id=person_id)["questions"]] == [
        1,
        0,
    ]
    assert service.unread(person_id=uuid4()) == {"unread": 0}


def test_a_dry_run_checks_and_writes_nothing(database: Any, run: Any) -> None:
    number = ask(database, uuid4())["number"]
    run("show", number)
    for arguments in (
        ("answer", number, "--text", "Зима."),
        ("route", number, "metering", "--reason", "r"),
        ("assign", number, "olga"),
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
    run("show", question_id)
    for _ in range(2):
        assert run("answer", question_id, "--text", "Да.").exit_code == 0
    store.execute(
        USE_CASES.add_message, AddMessage(person_id=person_id, question_id=question_id, text="А?")
    )
    run("show", question_id)
    for _ in range(2):
        assert run("answer", question_id, "--text", "Да.").exit_code == 0
    messages = store.query(lambda session: messages_of(session, question_id))
    assert [message["text"] for message in messages[1:]] == ["Да.", "А?", "Да."]


VERBS = {
    "read": (("list",), ("show", "1"), ("report",)),
    "answer": (("answer", "1", "--text", "Зима."),),
    "route": (("route", "1", "metering", "--reason", "r"),),
    "assign": (("assign", "1", "petrov"),),
    "close": (("close", "1", "--reason", "r"),),
}


@pytest.mark.parametrize("permission", VERBS)
def test_each_verb_takes_its_permission(database: Any, run: Any, permission: str) -> None:
    ask(database, uuid4())
    run("show", 1)
    grant(database.settings, "helpdesk", "petrov", "answer", None)
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
    "report": {"first": "2026-10-01", "last": "2026-10-31"},
    "answer": {"question": "1", "text": "Зима.", "reason": "r", "wait": True, "dry_run": False},
    "assign": {"question": "1", "to": "olga", "reason": "r", "dry_run": True},
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
    services.serve("helpdesk", "any_question", {"question": "1"})
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
    run("show", number)
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
        ("list", "--department", "metring"),
        ("list", "--assigned-to", "petrow"),
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
    class Accounts:
        def call(self, service: str, method: str, **arguments: Any) -> dict[str, Any]:
            assert (service, method) == ("accounts", "owns")
            mine = [number for number in arguments["numbers"] if number == "01"]
            return {"access": {number: {"account": f"{number}-2"} for number in mine}}

    service, person_id = HelpdeskService(), uuid4()
    service.store, service.services = database.store("helpdesk"), Accounts()
    text = "Почему выросла сумма?"
    with pytest.raises(Forbidden) as refusal:
        service.ask(
            person_id=person_id, topic="charges", account="02", text=text, attachments=[], line=None
        )
    assert refusal.value.code == "account_not_linked"
    asked = service.ask(
        person_id=person_id, topic="charges", account=" 01 ", text=text, line=None, attachments=[]
    )
    question_id = UUID(asked["question_id"])
    (listed,) = service.questions(person_id=person_id)["questions"]
    found = service.question(person_id=person_id, question_id=question_id)
    assert found == {**listed, "dispute": None, "messages": found["messages"]}
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
    run("show", number)
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
