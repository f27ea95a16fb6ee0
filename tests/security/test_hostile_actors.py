"""Hostile actors on one real installation, beside an honest load: nobody gains, nothing differs.

What one layer refuses has tests of its own (the table in docs/security/README.md); here are
combinations, on the whole. The last test compares the books: file order is the order of the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from pika.exceptions import AMQPError

from gateway.operations import Access
from services.subscriber_administration import new_credentials
from shared import context
from shared.bus.permissions import STAFFED
from shared.config import SERVICES
from tests.conftest import BrokerUser, Database
from tests.contract.test_rpc_callers import METHODS
from tests.security import hostile_client as client
from tests.security import hostile_staff as staff
from tests.security import hostile_subscriber as subscriber
from tests.security.hostile_site import Site, attacked_site, differences
from tests.waiting import eventually

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

RAW_ANSWERS = ("HTTP/1.1 400", "HTTP/1.1 501")


@pytest.fixture(scope="module")
def site(
    module_database: Database, module_bus: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("attacked") / "saldo"
    with attacked_site(module_database.settings, folder) as made:
        yield made


# --- a hostile client ------------------------------------------------------------------------


def test_every_answer_to_a_hostile_request_is_clean(site: Site) -> None:
    sent = client.send_odd_requests(site, skip=("/me/erasure",))
    assert sent > 500
    assert site.attacker.client.profile()["email"] == site.attacker.person.email
    site.goes_on()


def test_ids_of_others_open_nothing(site: Site) -> None:
    """Ids of the victim in paths, in bodies, and in the things of the attacker."""
    token, victim, attacker = site.attacker.token, site.victim, site.attacker
    before = victim.client.call("GET", "/payments")["payments"], victim.client.accounts()
    for path in (
        f"/accounts/{victim.number}/balance",
        f"/accounts/{victim.number}/statement",
        f"/accounts/{victim.number}/bills/2026-10.pdf",
        f"/payments/{victim.payment_id}",
        f"/payments/{victim.payment_id}/receipt",
        f"/questions/{victim.question_id}",
        f"/questions/{victim.question_id}/attachments/{victim.attachment_id}",
    ):
        answer = site.send("GET", f"/api/v1{path}", token)
        assert answer.status_code in (400, 404), (path, answer.text[:200])
        assert victim.person.email not in answer.text
    listed = site.send("GET", f"/api/v1/payments?account={victim.number}", token)
    assert listed.status_code == 404 or listed.json()["payments"] == []
    bodies = (
        ("/questions", {"topic": "charges", "text": "x", "account": victim.number}),
        ("/questions", {"topic": "charges", "text": "x", "attachments": [victim.attachment_id]}),
        (f"/questions/{victim.question_id}/messages", {"text": "x"}),
        (
            f"/questions/{attacker.question_id}/messages",
            {"text": "x", "attachments": [victim.attachment_id]},
        ),
        (f"/accounts/{victim.number}/invitations", {"email": "a@example.org", "role": "viewer"}),
    )
    for path, body in bodies:
        answer = site.send("POST", f"/api/v1{path}", token, json=body)
        assert answer.status_code in (404, 409, 422), (path, body, answer.text[:200])
    assert (victim.client.call("GET", "/payments")["payments"], victim.client.accounts()) == before


def test_a_cursor_of_somebody_else_shows_ones_own(site: Site) -> None:
    """A cursor says where a list goes on, and never whose list it is."""
    for path, members, cursor_of in (
        (f"/accounts/{site.victim.number}/statement", "movements", "after"),
        (f"/accounts/{site.victim.number}/charges", "months", "before"),
    ):
        cursor = site.victim.client.call("GET", path, limit=1)["next"]
        assert cursor
        of_victim = site.victim.client.call("GET", path, limit=24)[members]
        mine = path.replace(site.victim.number, site.attacker.number)
        own = site.attacker.client.call("GET", mine, limit=24)[members]
        answer = site.send(
            "GET", f"/api/v1{mine}?limit=24&{cursor_of}={cursor}", site.attacker.token
        )
        assert answer.status_code in (200, 400), answer.text
        if answer.status_code == 200:
            shown = answer.json()[members]
            assert [each for each in shown if each not in own] == []
            assert not [each for each in shown if each in of_victim]
        refused = site.send(
            "GET", f"/api/v1{path}?limit=24&{cursor_of}={cursor}", site.attacker.token
        )
        assert refused.status_code == 404


def test_the_key_of_somebody_else_is_a_key_of_ones_own(site: Site) -> None:
    first, repeated = client.keys_of_others(site)
    assert first == repeated != site.victim.payment_id
    assert site.victim.client.payment(site.victim.payment_id)["total"] == 10_00


def test_one_key_with_other_sums_at_once_makes_one_payment(site: Site) -> None:
    outcomes = client.one_key_at_once(site)
    made = {text for status, text in outcomes if status == 201}
    refused = {text for status, text in outcomes if status != 201}
    assert len(made) == 1
    assert refused <= {"command_reused", "idempotency_key_reused", "open_order_exists"}


def test_no_request_is_smuggled_past_a_proxy(site: Site) -> None:
    for name, sent in client.smuggled(site):
        answer = client.raw(site, sent).decode("utf-8", "replace")
        assert answer.startswith(RAW_ANSWERS), (name, answer[:200])
        assert answer.count("HTTP/1.1 ") == 1, name
        assert site.attacker.person.email not in answer, name


def test_a_host_that_the_client_names_is_in_no_letter_and_no_answer(site: Site) -> None:
    """Cache poisoning and poisoned recovery: addresses come from the settings alone."""
    named = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "Forwarded": "host=evil.example;proto=https",
        "X-Forwarded-Prefix": "/evil.example",
    }
    for path in ("/", "/accounts", "/recover", "/api/v1/openapi.json"):
        answer = site.send("GET", path, headers=named)
        client.check_clean(answer, path)
        assert "evil.example" not in answer.text, path
    before = len(site.mailbox.letters_to(site.victim.person.email))
    asked = site.send(
        "POST",
        "/api/v1/password-resets",
        headers=named,
        json={"email": site.victim.person.email},
    )
    assert asked.status_code in (202, 204)
    letters = eventually(
        lambda: site.mailbox.letters_to(site.victim.person.email)[before:], "the letter", 60.0
    )
    assert all("evil.example" not in letter.text for letter in letters)
    assert site.url in letters[-1].text


def test_known_and_unknown_addresses_are_answered_in_one_shape(site: Site) -> None:
    known, unknown = site.victim.person.email, "nobody-at-all@demo.saldo.invalid"
    for path, more in (
        ("/password-resets", {}),
        ("/sessions", {"password": "not the password"}),
        ("/registrations", {"person_type": "individual"}),
    ):
        shapes = {
            client.shape_of(
                site.send("POST", f"/api/v1{path}", json={"email": email, **more}), (email,)
            )
            for email in (known, unknown)
        }
        assert len(shapes) == 1, shapes
    absent = [
        client.shape_of(
            site.send("GET", f"/api/v1{path}", site.attacker.token),
            (site.victim.number, "0199999999"),
        )
        for path in (f"/accounts/{site.victim.number}/balance", "/accounts/0199999999/balance")
    ]
    assert len(set(absent)) == 1, absent


def test_wrong_passwords_leave_a_line_without_the_address(site: Site) -> None:
    """Who guesses is seen by operators; whose address it was is not in the log."""
    email, password = site.victim.person.email, "a guess that is long enough"
    answer = site.send("POST", "/api/v1/sessions", json={"email": email, "password": password})
    code = answer.headers["X-Request-Id"]
    lines = eventually(
        lambda: [line for line in site.logs().splitlines() if code in line and "refused" in line],
        "the refusal is logged",
    )
    assert any("wrong_credentials" in line for line in lines)
    assert not [line for line in site.logs().splitlines() if email in line or password in line]


def test_refusals_leave_a_line_with_their_code(site: Site) -> None:
    for path, token, code in (
        (f"/accounts/{site.victim.number}/balance", site.attacker.token, "account_not_linked"),
        ("/me", "a token that nobody has", "not_signed_in"),
        ("/payments?before=!!", site.attacker.token, "invalid_request"),
    ):
        answer = site.send("GET", f"/api/v1{path}", token)
        found = answer.json()["code"]
        assert found == code, answer.text
        request_id = answer.headers["X-Request-Id"]
        eventually(
            lambda request_id=request_id, found=found: [
                line
                for line in site.logs().splitlines()
                if request_id in line and '"refused"' in line and found in line
            ],
            f"{found} is logged",
        )


# --- a hostile subscriber --------------------------------------------------------------------


def test_a_subscriber_with_many_queues_and_a_flood_holds_up_nobody(site: Site) -> None:
    with subscriber.subscribed(site, "ledger") as hostile:
        assert subscriber.fill_the_broker(hostile) == subscriber.QUEUES
        site.goes_on()


def test_messages_forged_by_a_subscriber_reach_nobody(site: Site) -> None:
    with subscriber.subscribed(site, "payments") as hostile:
        assert subscriber.ties(hostile, site) == []
        outcomes = subscriber.forge(hostile)
        heard = {name for name, outcome in outcomes.items() if outcome == "published"}
        # On his own exchange he may say what he likes: only his own queues hear it.
        assert heard <= {"own", "own with CC"}, outcomes
        site.goes_on()


def test_the_token_of_a_subscriber_is_no_session_and_a_session_no_token(site: Site) -> None:
    with subscriber.subscribed(site, "ledger") as hostile:
        assert site.send("GET", "/api/v1/events?service=ledger", hostile.token).status_code == 200
        for operation in client.operations():
            if operation.access in (Access.PUBLIC, Access.SUBSCRIBER):
                continue
            path = client.of_victim(site, operation.template)
            answer = site.send(operation.method, path, hostile.token)
            assert answer.status_code in (401, 415), (operation.template, answer.text)
        cookie = {"Cookie": f"__Host-saldo={hostile.token}"}
        assert site.send("GET", "/accounts", headers=cookie).status_code == 303
        for token in (site.victim.token, hostile.token[:-1] + "x", hostile.token + "x"):
            answer = site.send("GET", "/api/v1/events?service=ledger", token)
            assert answer.status_code == 401, answer.text


def test_a_rotated_token_opens_nothing_and_a_waiting_request_ends(site: Site) -> None:
    """A request that waits for events was let in before: it ends, and the next one is refused."""
    with subscriber.subscribed(site, "accounts") as hostile, ThreadPoolExecutor(1) as pool:
        page = site.send("GET", "/api/v1/events?service=accounts", hostile.token).json()
        while page["more"]:
            path = f"/api/v1/events?service=accounts&after={page['next']}"
            page = site.send("GET", path, hostile.token).json()
        waiting = f"/api/v1/events?service=accounts&wait=2&after={page['next']}"
        waits = pool.submit(site.send, "GET", waiting, hostile.token)
        hostile.administration.rotate(hostile.name, new_credentials(), "tests")
        assert waits.result().status_code in (200, 401)
        assert site.send("GET", waiting, hostile.token).status_code == 401
        with pytest.raises(AMQPError):
            hostile.connected()


def test_a_made_up_place_shows_no_more_than_is_granted(site: Site) -> None:
    """Whatever cursor: types without a grant, other services and persons are never shown."""
    with subscriber.subscribed(site, "payments.payment_completed") as hostile:
        shown = set()
        for cursor in subscriber.made_up_places("payments"):
            for service in ("payments", "identity"):
                path = f"/api/v1/events?service={service}&after={cursor}"
                answer = site.send("GET", path, hostile.token)
                client.check_clean(answer, path)
                if answer.status_code == 200:
                    shown |= {event["type"] for event in answer.json()["events"]}
                    assert site.victim.person.email not in answer.text
                    assert "person_id" not in answer.text
        assert shown <= {"payment_completed"}
        for types in ("payment_captured", "payment_completed,payment_captured", "*"):
            path = f"/api/v1/events?service=payments&types={types}"
            assert site.send("GET", path, hostile.token).status_code in (400, 403, 404, 422)


# --- hostile staff ---------------------------------------------------------------------------

Hire = Callable[..., BrokerUser]
READS = {name: ("read",) for name in SERVICES if name != "identity"}


def test_text_that_a_clerk_types_is_never_run_as_sql(site: Site, staff_member: Hire) -> None:
    granted = {**READS, "identity": ("find",)}
    with staff.hired(site, staff_member, "operator", granted) as clerk:
        for service, method, argument in staff.SEARCHES:
            for text in staff.SQL:
                kind, found = clerk.outcome(service, method, **{argument: text})
                assert kind in ("done", "validation", "not_found"), (method, text, found)
                if kind == "done" and method == "find_payments":
                    assert found["payments"] == [], text
    assert "rpc_failed" not in site.logs()


def test_no_escape_of_a_clerk_reaches_a_terminal_or_the_log(site: Site, staff_member: Hire) -> None:
    with staff.hired(site, staff_member, "clerk", {"ledger": ("adjust", "read")}) as clerk:
        for escape in staff.ESCAPES:
            wanted = staff.adjustment(site, -1, reason=f"act {escape}", propose=True)
            kind, code = clerk.outcome("ledger", "adjust", **wanted)
            assert kind == "validation", (escape, code)
    written = site.logs()
    assert not [sign for sign in ("\x1b", "\x9b", "\u202e", "\x00") if sign in written]


def test_two_clerks_who_collude_stay_within_the_limit_of_each(
    site: Site, staff_member: Hire
) -> None:
    """Divided, in both directions, at once: giving and taking do not cancel out."""
    limit, part = 500_00, 100_00
    granted = {"ledger": ("adjust", "read")}
    with (
        staff.hired(site, staff_member, "clerk", granted, up_to=limit) as one,
        staff.hired(site, staff_member, "clerk", granted, up_to=limit) as other,
    ):
        outcomes = staff.divided([one, other], site, 24, part)
        for clerk in (one, other):
            states = [state for actor, state in outcomes if actor == clerk.actor]
            assert states.count("done") == limit // part, states
            assert set(states) == {"done", "proposed"}
            moved = [event["state"] for event in staff.events_of(site, clerk.actor)]
            assert len([each for each in moved if "lines" in each or "amount" in each]) >= 5
        _, listed = one.outcome("ledger", "proposals")
        [proposal, *_] = [row for row in listed["proposals"] if row["proposed_by"] == one.actor]
        for verb in ("approve", "reject"):
            kind, _ = other.outcome(
                "ledger", verb, proposal_id=proposal["proposal_id"], reason="for a friend"
            )
            assert kind == "forbidden", verb


def test_a_clerk_who_names_another_is_recorded_as_himself(site: Site, staff_member: Hire) -> None:
    """Forged headers: an actor, and the id of somebody else's command."""
    granted = {"ledger": ("adjust", "read")}
    with (
        staff.hired(site, staff_member, "clerk", granted, up_to=10_00) as clerk,
        staff.hired(site, staff_member, "clerk", granted, up_to=10_00) as colleague,
    ):
        for actor in (colleague.actor, "service:ledger", "person:" + "0" * 32):
            with context.bind(actor=actor):
                kind, done = clerk.outcome("ledger", "adjust", **staff.adjustment(site, 1, actor))
            assert (kind, done["state"]) == ("done", "done")
        mine = staff.events_of(site, clerk.actor)
        assert len(mine) == 3
        assert staff.events_of(site, colleague.actor) == []

        stolen = UUID(mine[0]["command_id"])
        wanted = staff.adjustment(site, 2, "in the name of another command")
        kind, done = colleague.outcome("ledger", "adjust", command_id=stolen, **wanted)
        assert (kind, done["amount"], done["by"]) == ("done", 2, colleague.actor)
        [own] = staff.events_of(site, colleague.actor)
        assert own["command_id"] != mine[0]["command_id"]
        assert staff.events_of(site, clerk.actor) == mine


def test_methods_that_are_not_for_staff_refuse_a_clerk(site: Site, staff_member: Hire) -> None:
    """Each method of each service, straight at its queue, with the user of an operator."""
    with staff.hired(site, staff_member, "operator", {}) as clerk:
        for (service, method), callers in METHODS.items():
            if service not in STAFFED:
                continue  # the broker refuses the message: test_broker_rights.py
            kind, code = clerk.outcome(service, method)
            if not callers.permissions:
                assert (kind, code) == ("forbidden", "caller_not_served"), method
            elif "*" not in callers.permissions:
                # The form of a request is looked at first; then what he may.
                assert code in ("staff_may_not", "invalid_request"), (method, kind, code)
        assert len(METHODS) > 100


# --- afterwards ------------------------------------------------------------------------------


def test_the_books_agree_after_all_of_them(site: Site) -> None:
    assert differences(site) == []
    assert site.honest_payments() >= 1
