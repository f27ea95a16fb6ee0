"""The OpenAPI document as a reference shows it: operations by tag, with all that stands there."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from gateway.cabinet.shapes import Member, Schemas, Shape, as_json, examples_of
from gateway.messages import CATALOGUE
from gateway.openapi import description_text, operations_of
from gateway.operations import Access

_PROBLEM = "application/problem+json"
_PROBLEM_SHAPE = "Problem"


@dataclass(frozen=True, kw_only=True)
class Body:
    """What a request or an answer carries: its media type, and a sample."""

    media_type: str
    shape: str = ""
    required: bool = False
    sample: str = ""
    """Of the document, or put together from the samples of its members."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One status of an operation."""

    status: str
    description: str
    bodies: tuple[Body, ...] = ()
    """One for each media type; of a refusal none, as all have the same."""
    headers: tuple[Member, ...] = ()
    links: tuple[str, ...] = ()
    """The operations that go on from this answer."""
    codes: tuple[str, ...] = ()
    """Of a refusal: the codes that the problem document can have, in the document's order."""


@dataclass(frozen=True, kw_only=True)
class Described:
    """One operation."""

    name: str
    method: str
    path: str
    tag: str
    summary: str
    description: str
    access: Access
    parameters: tuple[Member, ...]
    body: Body | None
    answers: tuple[Answer, ...]
    refusals: tuple[Answer, ...]
    headers: tuple[Member, ...]
    """Headers that every answer and refusal has; they are left out of each."""
    shapes: tuple[Shape, ...]
    """Every shape that the request and the answers use, each once."""
    command: str
    """A call of it by curl."""


@dataclass(frozen=True, kw_only=True)
class Tag:
    """A subject, and its operations."""

    name: str
    description: str
    operations: tuple[Described, ...]


@dataclass(frozen=True, kw_only=True)
class ApiReference:
    """The whole document."""

    description: str
    tags: tuple[Tag, ...]
    operations: Mapping[str, Described]
    problem: tuple[Shape, ...]
    """The problem document, which every refusal has."""


def api_reference(api: type[Any]) -> ApiReference:
    """Return the reference of a service class, made once for the process."""
    return _api_reference(api)  # type: ignore[arg-type]


@lru_cache(maxsize=1)
def _api_reference(api: type[Any]) -> ApiReference:
    document = json.loads(description_text(api))  # type: ignore[arg-type]
    access = {name: operation.access for name, operation in operations_of(api).items()}
    return read_reference(document, access)


def read_reference(document: Mapping[str, Any], access: Mapping[str, Access]) -> ApiReference:
    """Return the reference of a document; ``access`` is what it leaves to words."""
    schemas = Schemas(document)
    operations: dict[str, Described] = {}
    for path, methods in document["paths"].items():
        shared = methods.get("parameters", [])
        for method, node in methods.items():
            if method in ("get", "put", "post", "delete", "patch"):
                merged = {**node, "parameters": [*shared, *node.get("parameters", [])]}
                name = str(node["operationId"])
                operations[name] = _Reader(schemas, path, method, merged).read(access[name])
    said = {tag["name"]: tag.get("description", "") for tag in document.get("tags", ())}
    names = dict.fromkeys([*said, *(one.tag for one in operations.values())])
    tags = [
        Tag(
            name=name,
            description=said.get(name, ""),
            operations=tuple(one for one in operations.values() if one.tag == name),
        )
        for name in names
    ]
    return ApiReference(
        description=str(document["info"].get("description", "")),
        tags=tuple(tag for tag in tags if tag.operations),
        operations=operations,
        problem=tuple(schemas.shapes({"$ref": f"#/components/schemas/{_PROBLEM_SHAPE}"}, "")),
    )


class _Reader:
    """Reads one operation; its shapes are collected on the way."""

    def __init__(self, schemas: Schemas, path: str, method: str, node: Mapping[str, Any]) -> None:
        self._schemas = schemas
        self._path = path
        self._method = method.upper()
        self._node = node
        self._shapes: dict[str, Shape] = {}

    def read(self, access: Access) -> Described:
        node = self._node
        parameters = [self._schemas.resolved(one) for one in node["parameters"]]
        body = self._request(node.get("requestBody"))
        answers = [self._answer(*item) for item in node["responses"].items()]
        shared = set.intersection(*({one.name for one in answer.headers} for answer in answers))
        headers = tuple(one for one in answers[0].headers if one.name in shared)
        answers = [_without(shared, answer) for answer in answers]
        return Described(
            name=node["operationId"],
            method=self._method,
            path=self._path,
            tag=node["tags"][0],
            summary=node.get("summary", ""),
            description=node.get("description", ""),
            access=access,
            parameters=tuple(self._parameter(one) for one in parameters),
            body=body,
            answers=tuple(answer for answer in answers if answer.status[0] in "123"),
            refusals=tuple(answer for answer in answers if answer.status[0] not in "123"),
            headers=headers,
            shapes=tuple(self._shapes.values()),
            command=self._command(parameters, body, access),
        )

    def _parameter(self, node: Mapping[str, Any]) -> Member:
        more = {"place": node["in"], **_said(node)}
        return self._schemas.member(node["name"], node.get("schema", {}), **more)

    def _request(self, node: Any) -> Body | None:
        if node is None:
            return None
        described = self._schemas.resolved(node)
        required = bool(described.get("required"))
        return next(self._bodies(described, whole=False, required=required), None)

    def _bodies(
        self, described: Mapping[str, Any], *, whole: bool, required: bool = False
    ) -> Iterator[Body]:
        for media_type, content in described.get("content", {}).items():
            schema = content.get("schema", {})
            shapes = self._schemas.shapes(schema, media_type) if schema else []
            for shape in shapes:
                self._shapes.setdefault(shape.name, shape)
            given = examples_of(content)
            sample = given[0] if given else self._schemas.sample(schema, whole=whole)
            is_json = "json" in media_type and bool(schema)
            yield Body(
                media_type=media_type,
                shape=shapes[0].name if shapes else "",
                required=required,
                sample=as_json(sample) if is_json else "",
            )

    def _answer(self, status: str, node: Any) -> Answer:
        described = self._schemas.resolved(node)
        is_problem = _PROBLEM in described.get("content", {})
        headers = described.get("headers", {})
        said = described.get("description", "")
        links = (self._schemas.resolved(one) for one in described.get("links", {}).values())
        return Answer(
            status=status,
            # What follows the first paragraph of a refusal are its codes, which the page explains.
            description=said.partition("\n\n")[0] if is_problem else said,
            bodies=() if is_problem else tuple(self._bodies(described, whole=True)),
            headers=tuple(self._header(name, headers[name]) for name in headers),
            links=tuple(dict.fromkeys(one["operationId"] for one in links if "operationId" in one)),
            codes=tuple(dict.fromkeys(_codes(described.get("content", {})))) if is_problem else (),
        )

    def _header(self, name: str, node: Any) -> Member:
        described = self._schemas.resolved(node)
        return self._schemas.member(name, described.get("schema", {}), **_said(described))

    def _command(
        self, parameters: list[Mapping[str, Any]], body: Body | None, access: Access
    ) -> str:
        path, query, headers = self._path, [], []
        for one in parameters:
            if not one.get("required"):
                continue
            value = str((examples_of(one) or [self._schemas.sample(one.get("schema", {}))])[0])
            value = f"{{{one['name']}}}" if value == "…" else value
            if one["in"] == "path":
                path = path.replace(f"{{{one['name']}}}", value)
            elif one["in"] == "query":
                query.append(f"{one['name']}={value}")
            else:
                headers.append(f"{one['name']}: {value}")
        address = f'"$SALDO_URL{path}{"?" + "&".join(query) if query else ""}"'
        parts = [f"curl {address}" if self._method == "GET" else self._by_method(address, body)]
        if access is not Access.PUBLIC:
            token = "SALDO_EVENTS_TOKEN" if access is Access.SUBSCRIBER else "TOKEN"
            parts.append(f'-H "Authorization: Bearer ${token}"')
        parts += [f"-H {shlex.quote(header)}" for header in headers]
        if body is not None and body.sample:
            compact = json.dumps(json.loads(body.sample), ensure_ascii=False)
            parts.append(f"--json {shlex.quote(compact)}")
        return " \\\n  ".join(parts)

    def _by_method(self, address: str, body: Body | None) -> str:
        sends_json = body is not None and bool(body.sample)
        return (
            f"curl {address}"
            if self._method == "POST" and sends_json
            else (f"curl -X {self._method} {address}")
        )


def _said(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a parameter or a header says itself, beside its schema."""
    said: dict[str, Any] = {"required": bool(node.get("required"))}
    if "description" in node:
        said["description"] = node["description"]
    if examples := examples_of(node):
        said["example"] = str(examples[0])
    return said


def _without(shared: set[str], answer: Answer) -> Answer:
    return replace(answer, headers=tuple(h for h in answer.headers if h.name not in shared))


def _codes(node: Any) -> Iterator[str]:
    """Yield the codes of problems that a response names: in its schema or in its examples."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "code":
                yield from _known(value)
            yield from _codes(value)
    elif isinstance(node, list):
        for inner in node:
            yield from _codes(inner)


def _known(value: Any) -> Iterator[str]:
    given = [value]
    if isinstance(value, Mapping):
        given = [value.get("const"), *value.get("enum", ())]
    yield from (code for code in given if isinstance(code, str) and code in CATALOGUE)
