"""A bank's protocol is known to its module of services/payments/acquirers, and to nobody else."""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from services.payments import acquirers
from services.payments.acquirers import ACQUIRERS

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = Path(acquirers.__file__).parent
PRODUCT = [REPOSITORY / "services", REPOSITORY / "gateway"]
SOURCES = {".py", ".sql", ".yaml", ".json", ".html", ".j2", ".js"}

#: Words that are not found by their form: neither camelCase nor a path.
PLAIN_WORDS = {
    "rbs": {"RBS", "rbs", "mdOrder", "checksum", "sign_alias", "-2007", "DEPOSITED"},
    "yookassa": {
        "YooKassa",
        "yookassa",
        "Idempotence-Key",
        "canceled",
        "canceled_by_merchant",
        "cancellation_details",
        "confirmation_url",
        "expired_on_capture",
        "expired_on_confirmation",
        "first6",
        "last4",
        "refunded_amount",
        "waiting_for_capture",
    },
}


def vocabulary(name: str) -> set[str]:
    """Collect the words of a protocol: the camelCase names on the wire, the paths, PLAIN_WORDS."""
    words = set(PLAIN_WORDS.get(name, ()))
    for module in modules_of(name):
        literals = {
            node.value
            for node in ast.walk(ast.parse(inspect.getsource(module)))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        names = {
            field.encode_name
            for value in vars(module).values()
            if inspect.isclass(value)
            and issubclass(value, msgspec.Struct)
            and value.__module__ == module.__name__
            for field in msgspec.structs.fields(value)
        }
        words |= {
            word
            for word in literals | names
            if re.fullmatch(r"[a-z]+([A-Z][a-z]*)+|[\w/]+\.do", word)
        }
    return words


def modules_of(name: str) -> list[ModuleType]:
    """Import the module of an acquirer, and those of its package if it is one."""
    module = import_module(ACQUIRERS[name])
    inside = Path(module.__file__ or "").parent.glob("*.py") if hasattr(module, "__path__") else ()
    return [
        module,
        *(
            import_module(f"{module.__name__}.{path.stem}")
            for path in inside
            if path.stem != "__init__"
        ),
    ]


def sources() -> list[Path]:
    return [
        path
        for folder in PRODUCT
        for path in sorted(folder.rglob("*"))
        if path.suffix in SOURCES and PACKAGE not in path.parents
    ]


def found_in(words: set[str], texts: dict[str, str]) -> dict[str, list[str]]:
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(sorted(map(re.escape, words)))})(?!\w)")
    found = {name: sorted(set(pattern.findall(text))) for name, text in texts.items()}
    return {name: words for name, words in found.items() if words}


@pytest.mark.parametrize("name", ACQUIRERS)
def test_nobody_else_knows_the_protocol(name: str) -> None:
    texts = {
        path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8")
        for path in sources()
    }
    assert "gateway/routes/acquirer.py" in texts
    assert found_in(vocabulary(name), texts) == {}


def test_vocabulary_of_rbs_is_recognised() -> None:
    words = vocabulary("rbs")
    assert {"orderStatus", "mdOrder", "orderNumber", "formUrl", "errorCode", "register.do"} <= words
    assert {"sbp/c2b/qr/dynamic/get.do", "totalCount"} <= words
    text = 'if parameters["orderStatus"] == 2 and checksum(parameters): ...  # RBS'
    assert found_in(words, {"leak.py": text}) == {"leak.py": ["RBS", "checksum", "orderStatus"]}
    assert found_in(words, {"clean.py": "order_number amount checksums"}) == {}


def test_vocabulary_of_yookassa_is_recognised() -> None:
    """It has words of no form of its own, so that each of the list must be one of the protocol."""
    words = vocabulary("yookassa")
    spoken = {
        f"{number}.py": inspect.getsource(one) for number, one in enumerate(modules_of("yookassa"))
    }
    assert set().union(*found_in(words, spoken).values()) == words
    text = 'if payment.status == "waiting_for_capture": ...  # YooKassa'
    assert found_in(words, {"leak.py": text}) == {"leak.py": ["YooKassa", "waiting_for_capture"]}
    assert found_in(words, {"clean.py": "payment.status captured_at Idempotency-Key"}) == {}
