"""What `kubectl kustomize` makes of a folder, as far as deploy/kubernetes uses it: without a tool.

`test_kubernetes.py` compares it with kubectl, where that is installed.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]

_KNOWN = {
    "apiVersion", "kind", "resources", "namePrefix", "namespace", "labels", "patches",
    "configMapGenerator", "images",
}  # fmt: skip
_TEMPLATED = {"Deployment", "Job"}


def rendered(folder: Path) -> list[Document]:
    """Return the documents of a kustomization; names of generated ones have no hash."""
    config = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    assert config.keys() <= _KNOWN, f"{folder}: {config.keys() - _KNOWN} is not known here"
    documents = [one for name in config.get("resources", ()) for one in _resources(folder / name)]
    for generator in config.get("configMapGenerator", ()):
        _generate(documents, folder, generator)
    for patch in config.get("patches", ()):
        _patch(documents, patch)
    prefix = config.get("namePrefix", "")
    for one in documents:
        one["metadata"]["name"] = f"{prefix}{one['metadata']['name']}"
        if "namespace" in config and one["kind"] != "Namespace":
            one["metadata"]["namespace"] = config["namespace"]
        for labels in config.get("labels", ()):
            _label(one, labels)
        for image in config.get("images", ()):
            _set_image(one, image)
    return documents


def named(documents: list[Document], kind: str) -> dict[str, Document]:
    """Return the documents of a kind by their names."""
    return {one["metadata"]["name"]: one for one in documents if one["kind"] == kind}


def containers_of(document: Document) -> list[dict[str, Any]]:
    """Return the containers of a document with a template of pods."""
    found: list[dict[str, Any]] = document["spec"]["template"]["spec"]["containers"]
    return found


def labels_of(document: Document) -> dict[str, str]:
    """Return the labels of the pods of a document."""
    found: dict[str, str] = document["spec"]["template"]["metadata"]["labels"]
    return found


def _resources(path: Path) -> Iterator[Document]:
    if path.is_dir():
        yield from rendered(path)
    elif path.name == "kustomization.yaml":
        raise AssertionError(path)
    else:
        yield from yaml.safe_load_all(path.read_text(encoding="utf-8"))


def _generate(documents: list[Document], folder: Path, generator: Document) -> None:
    data = {}
    for name in generator.get("envs", ()):
        for line in (folder / name).read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition("=")
            data[key] = value
    for literal in generator.get("literals", ()):
        key, _, value = literal.partition("=")
        data[key] = value
    for name in generator.get("files", ()):
        data[name] = (folder / name).read_text(encoding="utf-8")
    if generator.get("behavior") == "merge":
        named(documents, "ConfigMap")[generator["name"]]["data"].update(data)
        return
    metadata = {"name": generator["name"]}
    documents.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def _patch(documents: list[Document], patch: Document) -> None:
    target = patch["target"]
    found = [
        one
        for one in documents
        if one["kind"] == target["kind"]
        and re.fullmatch(target.get("name", ".*"), one["metadata"]["name"])
    ]
    assert found, f"a patch has no target: {target}"
    for one in found:
        for operation in yaml.safe_load(patch["patch"]):
            _operate(one, operation)


def _operate(document: Any, operation: Document) -> None:
    *parents, last = operation["path"].removeprefix("/").split("/")
    place = document
    for part in parents:
        place = place[int(part) if isinstance(place, list) else part]
    value = copy.deepcopy(operation.get("value"))
    if isinstance(place, list) and last == "-":
        place.append(value)
        return
    key = int(last) if isinstance(place, list) else last
    if operation["op"] != "add":
        assert isinstance(place, list) or key in place, f"there is no {operation['path']}"
    if operation["op"] == "remove":
        del place[key]
    else:
        place[key] = value


def _label(document: Document, labels: Document) -> None:
    pairs = labels["pairs"]
    document["metadata"].setdefault("labels", {}).update(pairs)
    spec = document.get("spec", {})
    in_templates = labels.get("includeSelectors") or labels.get("includeTemplates")
    if in_templates and document["kind"] in _TEMPLATED:
        spec["template"]["metadata"].setdefault("labels", {}).update(pairs)
    if labels.get("includeSelectors"):
        if "matchLabels" in spec.get("selector", {}):
            spec["selector"]["matchLabels"].update(pairs)
        for spread in _spreads(document):
            spread["labelSelector"]["matchLabels"].update(pairs)


def _spreads(document: Document) -> list[Document]:
    if document["kind"] not in _TEMPLATED:
        return []
    found: list[Document] = document["spec"]["template"]["spec"].get(
        "topologySpreadConstraints", []
    )
    return found


def _set_image(document: Document, image: Document) -> None:
    if document["kind"] in _TEMPLATED:
        for container in containers_of(document):
            if container["image"] == image["name"]:
                container["image"] = f"{image.get('newName', image['name'])}:{image['newTag']}"
