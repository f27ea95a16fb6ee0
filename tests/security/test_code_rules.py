"""What the code of the product never does, read from its syntax: each rule answers ASVS."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
RUNNING = ("services", "gateway", "shared")
"""What runs in production; the installer and the doubles of the demo start programs."""

ALGORITHMS = {
    "argon2": {"PasswordHasher", "Type", "VerifyMismatchError", "hash_secret_raw"},
    "cryptography": {
        "AESGCM",
        "AESSIV",
        "Ed25519PrivateKey",
        "Ed25519PublicKey",
        "Fernet",
        "HKDF",
        "InvalidSignature",
        "InvalidTag",
        "InvalidToken",
        "SHA256",
        # The signatures of a bank's callbacks (RSA, SHA-512), which are only verified.
        "PKCS1v15",
        "RSAPublicKey",
        "hashes",
        "load_pem_x509_certificate",
        "serialization",
    },
}
"""All cryptography there is; docs/security/README.md says what each is for."""


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    return tuple(
        (path.relative_to(REPOSITORY).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for folder in RUNNING
        for path in sorted((REPOSITORY / folder).rglob("*.py"))
    )


@cache
def nodes() -> tuple[tuple[str, ast.AST], ...]:
    """Return every node that a rule may be about, with its place."""
    return tuple(
        (f"{name}:{node.lineno}", node)
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call | ast.Import | ast.ImportFrom | ast.Attribute | ast.keyword)
    )


def found(wanted: Callable[[ast.AST], bool]) -> list[str]:
    return [place for place, node in nodes() if wanted(node)]


@cache
def called(node: ast.AST) -> str:
    """Return the dotted name that a call calls; "" for anything else."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def imported(node: ast.AST) -> set[str]:
    """Return the top-level modules and the full names that a statement imports."""
    if isinstance(node, ast.Import):
        return {part for alias in node.names for part in (alias.name, alias.name.split(".")[0])}
    if isinstance(node, ast.ImportFrom) and node.module:
        return {
            node.module,
            node.module.split(".")[0],
            *(f"{node.module}.{a.name}" for a in node.names),
        }
    return set()


def is_made_up(node: ast.expr) -> bool:
    """Return whether a text is put together: an f-string with values, a sum, a formatting."""
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Mod) or is_made_up(node.left) or is_made_up(node.right)
    return called(node).endswith(".format")


def test_the_rules_find_what_they_look_for() -> None:
    bad = ast.parse("eval(x); os.system(f'ls {x}'); hashlib.md5(b); re.compile(f'a{x}')")
    calls = [node for node in ast.walk(bad) if isinstance(node, ast.Call)]
    assert {called(call) for call in calls} == {"eval", "os.system", "hashlib.md5", "re.compile"}
    assert [is_made_up(call.args[0]) for call in calls] == [False, True, False, True]
    assert imported(ast.parse("from xml.etree import ElementTree").body[0]) >= {"xml"}


def test_no_code_runs_text() -> None:
    assert found(lambda node: called(node) in {"eval", "exec", "compile", "__import__"}) == []


STARTS_OUR_INTERPRETER = {"shared/documents/printing.py"}
"""It has a paper made by this program in a process of its own."""


def test_no_shell_is_started() -> None:
    starts = {"subprocess", "pty", "commands", "popen2"}
    files = {place.partition(":")[0] for place in found(lambda node: bool(imported(node) & starts))}
    assert files == STARTS_OUR_INTERPRETER
    assert found(lambda node: "shell=" in ast.unparse(node) and called(node) != "") == []
    forbidden = ("os.system", "os.popen", "os.exec", "os.spawn", "os.posix_spawn")
    assert found(lambda node: called(node).startswith(forbidden)) == []


def test_nothing_is_unpickled() -> None:
    dangerous = {"pickle", "cPickle", "marshal", "shelve", "dill", "jsonpickle"}
    assert found(lambda node: bool(imported(node) & dangerous)) == []
    loads = found(
        lambda node: (
            called(node) in {"yaml.load", "yaml.unsafe_load", "yaml.full_load"}
            and "yaml.BaseLoader" not in ast.unparse(node)
            and "SafeLoader" not in ast.unparse(node)
        )
    )
    assert loads == []


def test_nothing_reads_xml() -> None:
    readers = {"xml", "lxml", "defusedxml", "xmltodict", "bs4"}
    assert found(lambda node: bool(imported(node) & readers)) == []


def test_no_weak_hash_is_used() -> None:
    weak = ("hashlib.md5", "hashlib.new", "hashlib.sha1", "md5", "sha1")
    uses = found(
        lambda node: called(node) in weak and "usedforsecurity=False" not in ast.unparse(node)
    )
    assert uses == []


def test_only_listed_algorithms_are_used() -> None:
    used = {
        (library, alias.name)
        for _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for library in ALGORITHMS
        if node.module.split(".")[0] == library
        for alias in node.names
    }
    allowed = {(library, name) for library, names in ALGORITHMS.items() for name in names}
    assert used == allowed
    other = {"Crypto", "nacl", "rsa", "ecdsa", "jwt", "jose", "OpenSSL", "M2Crypto"}
    assert found(lambda node: bool(imported(node) & other)) == []


def test_secrets_are_drawn_from_the_system() -> None:
    """`random` serves pauses alone: what must not be guessed comes from `secrets` or `os`."""
    uses = found(lambda node: "random" in imported(node))
    made = found(lambda node: called(node).startswith("random."))
    assert {use.split(":")[0] for use in uses + made} == {"shared/bus/worker.py"}
    assert found(lambda node: called(node) in {"uuid1", "uuid.uuid1", "tempfile.mktemp"}) == []


def test_no_certificate_is_left_unchecked() -> None:
    unchecked = {"ssl._create_unverified_context", "ssl._create_stdlib_context"}
    assert found(lambda node: called(node) in unchecked or "CERT_NONE" in called(node)) == []
    names = {"CERT_NONE", "PROTOCOL_TLSv1", "PROTOCOL_SSLv23"}
    assert found(lambda node: isinstance(node, ast.Attribute) and node.attr in names) == []
    off = found(
        lambda node: (
            isinstance(node, ast.keyword)
            and node.arg in {"verify", "check_hostname"}
            and isinstance(node.value, ast.Constant)
            and node.value.value is False
        )
    )
    assert off == []


def test_every_client_of_tls_names_its_context() -> None:
    """imaplib and smtplib verify nothing unless they are given a context."""
    clients = {
        "imaplib.IMAP4_SSL": "ssl_context=",
        "smtplib.SMTP_SSL": "context=",
        "smtp.starttls": "context=",
        "http.client.HTTPSConnection": "context=",
    }
    bare = found(lambda node: clients.get(called(node), "") not in ast.unparse(node))
    assert bare == []
    assert len(found(lambda node: called(node) in clients)) >= 3


def test_no_older_tls_is_spoken() -> None:
    """Contexts of Python take TLS 1.2 at least; nobody lowers that."""
    lowered = {"minimum_version", "maximum_version", "set_ciphers", "options"}
    assert (
        found(
            lambda node: (
                isinstance(node, ast.Attribute)
                and node.attr in lowered
                and "context" in ast.unparse(node.value)
            )
        )
        == []
    )


def test_no_request_follows_a_redirect() -> None:
    """The bank and the registrar are asked without following; staff ask their own monitoring."""
    users = {place.split(":")[0] for place in found(lambda node: "requests" in imported(node))}
    following = {
        name
        for name in users
        for verb in re.findall(
            r"\.(?:get|post|put|request)\((?:[^()]|\([^()]*\))*\)",
            (REPOSITORY / name).read_text(encoding="utf-8"),
        )
        if "timeout" in verb and "allow_redirects=False" not in verb
    }
    assert following == {"services/top/samples.py"}


def test_no_person_chooses_where_we_connect() -> None:
    """Only these modules open connections; their addresses are settings."""
    openers = {"requests", "urllib3", "urllib.request", "smtplib", "imaplib", "ftplib"}
    users = {place.split(":")[0] for place in found(lambda node: bool(imported(node) & openers))}
    assert users == {
        "services/notifications/bounce_mailboxes.py",
        "services/notifications/mailer.py",
        "services/ledger/seal/witnesses.py",
        "services/payments/acquirers/exchange.py",
        "services/payments/fiscal/atol.py",
        "services/top/samples.py",
        "shared/bus/administration.py",
        "shared/smtp.py",
    }


def test_no_pattern_is_made_of_input() -> None:
    """A pattern is a constant of its module; in functions, only these put one together."""
    verbs = {f"re.{verb}" for verb in ("compile", "search", "match", "fullmatch", "sub", "findall")}
    inside = {
        name
        for name, tree in modules()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and called(node) in verbs
        if node.args and is_made_up(node.args[0])
    }
    assert inside == {
        "gateway/cabinet/styleguide.py",  # names of our own colours
        "gateway/schemas/events.py",  # a number of the code
        "services/accounts/preview.py",  # words of our own
        "services/ledger/importing/partial_rows.py",  # names of our own columns
    }


def test_no_format_is_made_of_input() -> None:
    """`format` and `format_map` never take their template from a request."""
    made = found(
        lambda node: (
            called(node).endswith((".format", ".format_map"))
            and isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and any(word in ast.unparse(node.func.value) for word in ("request", "form[", "body["))
        )
    )
    assert made == []


def test_templates_are_files() -> None:
    made = found(lambda node: called(node).endswith((".from_string", "jinja2.Template")))
    assert made == []
    assert found(lambda node: called(node) == "Template") == []


def is_one_of_two_constants(node: ast.expr) -> bool:
    return isinstance(node, ast.IfExp) and all(
        isinstance(each, ast.Constant) for each in (node.body, node.orelse)
    )


IN_QUERIES = {
    # Each is a word of the code: a table, a column, a condition, a number of the settings.
    "', '.join(names)",
    "answers_of(log)",
    "changes",
    "columns",
    "condition",
    "counter",
    "int(LOCK_TIMEOUT_S * 1000)",
    "key",
    "name",
    "names[0]",
    "order",
    "query",
    "requests_of(log)",
    "requests_of(self._log)",
    "self.PATIENCE",
    "side",
    "statement",
    "table",
    "where",
    "whose",
    "wrong.table",
}


def test_every_query_is_a_constant_or_composed() -> None:
    """Values go as parameters: what stands in a query itself is a constant, or listed here."""
    put = {
        ast.unparse(part.value)
        for _, node in nodes()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args
        if node.func.attr in {"execute", "executemany", "copy"}
        for text in ast.walk(node.args[0])
        if isinstance(text, ast.JoinedStr)
        for part in text.values
        if isinstance(part, ast.FormattedValue) and not is_one_of_two_constants(part.value)
    }
    assert {each for each in put if not each.isupper()} == IN_QUERIES
    formatted = found(
        lambda node: (
            isinstance(node, ast.Call)
            and called(node).endswith((".execute", ".executemany"))
            and bool(node.args)
            and isinstance(node.args[0], ast.BinOp)
            and isinstance(node.args[0].op, ast.Mod)
        )
    )
    assert formatted == []


def test_no_code_starts_a_debugger() -> None:
    debuggers = {"pdb", "ipdb", "debugpy", "werkzeug.debug", "faulthandler", "code"}
    assert found(lambda node: bool(imported(node) & debuggers)) == []
    assert found(lambda node: called(node) in {"breakpoint", "run_simple"}) == []


def test_logs_go_to_standard_output_alone() -> None:
    handlers = ("FileHandler", "SysLogHandler", "SocketHandler", "HTTPHandler", "basicConfig")
    assert found(lambda node: called(node).endswith(handlers)) == []
    [where] = found(lambda node: called(node).endswith("StreamHandler"))
    assert where.startswith("shared/logs.py")


def test_the_image_has_neither_installer_nor_demo_nor_doubles() -> None:
    """Nothing that runs imports them, and the image leaves them out."""
    ours = {"deploy", "tests", "examples"}
    assert found(lambda node: bool(imported(node) & ours)) == []
    dockerfile = (REPOSITORY / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    assert "-path '*/site-packages/deploy' -exec rm -r {} +" in dockerfile
    assert "USER 10001" in dockerfile
    ignored = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    assert not {"!.git", "!tests", "!.saldo", "!docs"} & set(ignored)


def test_texts_of_exceptions_are_formatted_nowhere() -> None:
    """They may quote a row or an argument. `shared.logs` writes types and traces for everybody."""
    formatting = {"traceback", "logging.basicConfig", "logging.config"}
    uses = found(lambda node: bool(imported(node) & formatting))
    assert {use.split(":")[0] for use in uses} == {"shared/logs.py"}
    renderers = (
        "format_exc",
        "print_exc",
        "format_exception",
        "format_exc_info",
        "dict_tracebacks",
        "ExceptionRenderer",
        "ConsoleRenderer",
        "basicConfig",
        "setFormatter",
        "structlog.configure",
    )
    rendered = found(
        lambda node: (
            called(node).endswith(renderers)
            or (isinstance(node, ast.Attribute) and node.attr in renderers)
        )
    )
    assert {use.split(":")[0] for use in rendered} == {"shared/logs.py"}
