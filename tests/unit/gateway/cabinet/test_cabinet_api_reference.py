"""The references for developers: complete, without dead ends, light."""

from __future__ import annotations

import gzip
import html
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from cabinet_doubles import CabinetBrowser

from gateway.cabinet.api_description import Described, api_reference, read_reference
from gateway.cabinet.event_description import event_reference
from gateway.cabinet.first_receipt import commands
from gateway.messages import CATALOGUE
from gateway.openapi import describe
from gateway.operations import Access
from gateway.service import Gateway
from shared.contracts import all_contracts
from shared.contracts.asyncapi import described

README = Path(__file__).parents[4] / "README.md"
OPERATIONS = api_reference(Gateway).operations
PAGES = [
    "/api/docs",
    "/api/start",
    "/api/events",
    *(f"/api/docs/{name}" for name in OPERATIONS),
    *(f"/api/events/{owner}" for owner in all_contracts()),
]
PAGE_BYTES = 8_000


def test_every_operation_and_every_schema_is_shown(cabinet: CabinetBrowser) -> None:
    document = describe(Gateway)
    index = cabinet.get("/api/docs")
    shown = set(re.findall(r'<table class="members" id="(\w+)">', index.markup))
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            name = operation["operationId"]
            assert f'href="/api/docs/{name}"' in index.markup
            assert f"{method.upper()} {path}" in index.text
            page = cabinet.get(f"/api/docs/{name}")
            assert page.status == 200, name
            assert f"<h1><code>{method.upper()} {path}</code></h1>" in page.markup
            assert operation["summary"].partition("`")[0] in html.unescape(page.markup)
            shown |= set(re.findall(r'<table class="members" id="(\w+)">', page.markup))
    assert set(document["components"]["schemas"]) - shown <= used_by_no_operation(document)


def used_by_no_operation(document: dict[str, Any]) -> set[str]:
    """Return the schemas that nothing in the document refers to."""
    text = json.dumps(document)
    schemas = document["components"]["schemas"]
    return {name for name in schemas if f'"#/components/schemas/{name}"' not in text}


def test_every_member_of_an_operation_has_a_row(cabinet: CabinetBrowser) -> None:
    for name, operation in OPERATIONS.items():
        markup = cabinet.get(f"/api/docs/{name}").markup
        rows = set(re.findall(r'<th scope="row"><code>(.+?)</code>', markup))
        expected = {one.name for one in operation.parameters}
        expected |= {member.name for shape in operation.shapes for member in shape.members}
        assert expected <= rows, name
        if operation.body and operation.body.shape:
            assert f'href="#{operation.body.shape}"' in markup


@pytest.mark.parametrize("language", ["ru", "en"])
def test_no_link_of_a_reference_is_dead(cabinet: CabinetBrowser, language: str) -> None:
    pages = {path: cabinet.get(path, Accept_Language=language) for path in PAGES}
    anchors = {path: set(re.findall(r'id="([^"]+)"', page.markup)) for path, page in pages.items()}
    opened: dict[str, int] = {}
    for path, page in pages.items():
        assert page.status == 200, path
        for link in page.links:
            target, _, anchor = html.unescape(link).partition("#")
            target = target or path
            if anchor and target in anchors:
                assert anchor in anchors[target], f"{path} → {link}"
            elif target.startswith(("/api/", "/problems")) and target not in pages:
                if target not in opened:
                    opened[target] = cabinet.get(target).status
                assert opened[target] == 200, f"{path} → {link}"


def test_every_page_of_a_reference_is_light_and_well_formed(cabinet: CabinetBrowser) -> None:
    for path in PAGES:
        markup = cabinet.get(path).markup
        assert len(gzip.compress(markup.encode(), 6)) < PAGE_BYTES, path
        ids = re.findall(r'\bid="([^"]+)"', markup)
        assert len(ids) == len(set(ids)), path
        levels = [int(level) for level in re.findall(r"<h(\d)", markup)]
        assert levels.count(1) == 1, path
        assert all(after <= before + 1 for before, after in pairwise(levels)), path
        assert markup.count("<table") == markup.count("<caption>"), path


def test_unknown_operation_and_owner_are_not_found(cabinet: CabinetBrowser) -> None:
    assert cabinet.get("/api/docs/no_such_operation").status == 404
    assert cabinet.get("/api/events/nobody").status == 404


def test_who_may_call_an_operation_is_said(cabinet: CabinetBrowser) -> None:
    assert "Любой: вход не нужен." in cabinet.get("/api/docs/sign_in").text
    assert "и с временным паролем" in cabinet.get("/api/docs/change_password").text
    page = cabinet.get("/api/docs/start_payment")
    assert "Вошедший человек, со своими данными." in page.text
    assert "Authorization: Bearer $TOKEN" in page.text
    page = cabinet.get("/api/docs/events")
    assert "по токену подписчика, который выдаёт оператор" in page.text
    assert "Authorization: Bearer $SALDO_EVENTS_TOKEN" in page.text, "as the operator's file has it"
    assert "query, string or null, date or date-time" in page.text


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_the_call_of_an_operation_sends_what_its_schemas_accept(name: str) -> None:
    operation: Described = OPERATIONS[name]
    endpoint = getattr(Gateway, name).operation
    assert f"$SALDO_URL{operation.path.partition('{')[0]}" in operation.command
    if endpoint.body is not None:
        assert operation.body is not None
        endpoint.body().load(json.loads(operation.body.sample))
    if endpoint.result is not None:
        sample = operation.answers[0].bodies[0]
        assert set(json.loads(sample.sample)) == {
            field.data_key or name for name, field in endpoint.result().fields.items()
        }


def test_headers_links_and_codes_of_a_description_are_shown(cabinet: CabinetBrowser) -> None:
    document = describe(Gateway)
    node = document["paths"]["/api/v1/payments"]["post"]
    node["responses"]["201"]["headers"] = {
        "Location": {"schema": {"type": "string"}, "description": "The payment.", "required": True}
    }
    node["responses"]["201"]["links"] = {"payment": {"operationId": "payment"}}
    node["responses"]["409"] = {
        "description": "Refused.",
        "content": {
            "application/problem+json": {
                "schema": {
                    "allOf": [
                        {"$ref": "#/components/schemas/Problem"},
                        {"properties": {"code": {"enum": ["receipt_not_ready"]}}},
                    ]
                },
                "examples": {"unknown": {"value": {"code": "account_not_linked"}}},
            }
        },
        "headers": {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}},
    }
    access = dict.fromkeys(OPERATIONS, Access.PUBLIC)
    operation = read_reference(document, access).operations["start_payment"]
    (created,) = operation.answers
    assert [(header.name, header.required) for header in created.headers] == [("Location", True)]
    assert created.links == ("payment",)
    refused = {one.status: one for one in operation.refusals}["409"]
    assert set(refused.codes) == {"receipt_not_ready", "account_not_linked"}
    assert set(refused.codes) <= set(CATALOGUE)
    (wait,) = refused.headers
    assert (wait.name, wait.kind, wait.limits) == ("Retry-After", "integer", ("minimum: 1",))


def test_every_event_is_shown_with_its_key_its_fields_and_its_sample(
    cabinet: CabinetBrowser,
) -> None:
    tree = described()
    index = cabinet.get("/api/events")
    for owner, contracts in all_contracts().items():
        page = cabinet.get(f"/api/events/{owner}")
        assert f"<h1><code>{owner}.events</code></h1>" in page.markup
        samples = [json.loads(text) for text in code_blocks(page.markup)]
        for contract in contracts:
            assert contract.name in index.text
            assert f'<h2 id="{contract.name}">' in page.markup
            message = tree["components"]["messages"][f"{owner}.{contract.name}"]
            for name in message["payload"]["properties"]:
                assert f"<code>{name}</code>" in page.markup
            assert message["examples"][0]["payload"] in samples


def test_the_description_of_events_can_be_fetched(cabinet: CabinetBrowser) -> None:
    page = cabinet.get("/api/asyncapi.yaml")
    assert page.status == 200
    tree = yaml.safe_load(page.markup)
    assert tree["asyncapi"] == "3.0.0"
    assert {key: tree[key] for key in described()} == described()


def test_every_message_names_the_address_of_its_schema(cabinet: CabinetBrowser) -> None:
    for owner, reference in event_reference().owners.items():
        page = cabinet.get(f"/api/events/{owner}")
        for event in reference.events:
            assert f'<a href="{event.schema}">' in page.markup
            answer = cabinet.get(event.schema)
            assert answer.status == 200
            assert answer.headers["Content-Type"] == "application/schema+json"
            schema = json.loads(answer.markup)
            assert schema["$id"] == event.schema == event.headers["cloudEvents_dataschema"]
    assert cabinet.get("/saldo/contracts/ledger/payment_posted/v99").status == 404


def test_the_three_lines_of_a_subscription_are_those_that_readme_runs(
    cabinet: CabinetBrowser,
) -> None:
    (block,) = code_blocks(cabinet.get("/api/events").markup)
    assert len(block.splitlines()) == 3
    readme = README.read_text(encoding="utf-8").splitlines()
    assert set(block.splitlines()) <= set(readme)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_way_to_a_receipt_has_at_most_ten_commands(
    cabinet: CabinetBrowser, language: str
) -> None:
    printed = list(code_blocks(cabinet.get("/api/start", Accept_Language=language).markup))
    assert printed == list(commands())
    assert len(printed) <= 10
    assert not re.search(r"\b(jq|python3?)\b", "\n".join(printed)), "bash, curl and grep do"


def code_blocks(markup: str) -> Iterator[str]:
    yield from map(html.unescape, re.findall(r"<pre><code>(.*?)</code></pre>", markup, re.DOTALL))
