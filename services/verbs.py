"""The verbs of staff CLIs: what each does, and where its function is.

``saldo`` knows the names of all verbs, and imports the module of the one that is called: all of
them would take several times as long as most verbs do.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache, wraps
from importlib import import_module
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeAlias, TypeVar, cast

import typer
from typer.core import TyperCommand, TyperGroup

from services.chosen_book import Book, choosing, chosen_book, has_books, in_each_book
from services.language import Lang, spoken
from services.printed_json import print_json
from shared.books import SPLIT, book_of

V = TypeVar("V", bound=Callable[..., Any])
Command: TypeAlias = Any
"""A command as Typer makes it."""


class Verb(NamedTuple):
    """What a verb does: ``writes`` changes data, ``long`` takes time that grows with the data."""

    writes: bool
    long: bool


class Function(NamedTuple):
    """Where the function of a verb is; with ``arguments``, it is what that one there returns."""

    module: str
    name: str
    arguments: tuple[str, ...] = ()

    def load(self) -> Callable[..., Any]:
        """Import the module, and return the function."""
        found: Callable[..., Any] = getattr(import_module(self.module), self.name)
        return found(*self.arguments) if self.arguments else found

    def documentation(self) -> str:
        """Return the docstring of the function without importing its module."""
        found = _functions(self.module)[self.name]
        if self.arguments:
            found = next(node for node in found.body if isinstance(node, ast.FunctionDef))
        return ast.get_docstring(found) or ""


class _Coercion:
    """What Typer makes of the value of a parameter; it imports Pydantic for each, even for none."""

    def __init__(self, parameter: Any) -> None:
        self._of_typer = parameter.get_runtime_param
        described = parameter.type_descriptor
        self._is_text = described.annotation is str and not described.parameter_info.parser

    def itself(self) -> _Coercion:
        """Return this, where Typer asks for its own."""
        return self

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a text, and a value that is left out, as they are."""
        one = not param.multiple and param.nargs == 1
        if one and (value is None or (self._is_text and isinstance(value, str))):
            return value
        return self._of_typer().coerce(value, param=param, ctx=ctx)


class _LightlyParsed:
    """A command or group that is parsed without Pydantic where its parameters allow it."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            if "get_runtime_param" not in vars(parameter):
                parameter.get_runtime_param = _Coercion(parameter).itself
        return parameters


class _LightCommand(_LightlyParsed, TyperCommand):
    """A verb."""


class LazyGroup(_LightlyParsed, TyperGroup):
    """A group of commands, of which one is made when it is called, and none to be listed."""

    of: ClassVar[StaffVerbs]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = _LazyCommands(self.of, self.commands)
        self._lists = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Command | None:
        """Return a command; in a list of all, what the list says of it."""
        if self._lists and cmd_name in self.of.functions:
            documentation = self.of.functions[cmd_name].documentation()
            return TyperCommand(cmd_name, help=_in_paragraphs(documentation))
        return super().get_command(ctx, cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, which lists the commands."""
        with self._listing():
            super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Return the commands that begin with a text."""
        with self._listing():
            return super().shell_complete(ctx, incomplete)

    @contextmanager
    def _listing(self) -> Iterator[None]:
        self._lists = True
        try:
            yield
        finally:
            self._lists = False


class StaffVerbs(typer.Typer):
    """The verbs of one subject, each declared as reading or writing, and as long.

    A reading verb has ``--json``; a writing one ``--dry-run`` and ``--reason``; a long
    one shows its progress and ends with a summary (tests/unit/terminal/test_terminal_verbs.py).
    ``package`` is where the modules of its verbs are. ``languages``: their output is in Russian or
    English, and each has ``--lang``. ``books``: each has ``--book``; without it those of
    ``each_book`` run for all books of the ledger.
    """

    def __init__(
        self,
        help_: str,
        package: str,
        *,
        languages: bool = False,
        books: bool = False,
        each_book: Collection[str] = (),
        group: type[LazyGroup] = LazyGroup,
        **options: Any,
    ) -> None:
        self.verbs: dict[str, Verb] = {}
        self.functions: dict[str, Function] = {}
        self._package = package
        self._languages = languages
        self._books = books
        self._each_book = each_book
        super().__init__(
            cls=type(group.__name__, (group,), {"of": self}),
            callback=_no_options_of_the_group,
            no_args_is_help=True,
            pretty_exceptions_show_locals=False,
            help=help_,
            **options,
        )

    def reads(self, name: str, function: str, *arguments: str, long: bool = False) -> None:
        """Mount a verb that changes nothing: ``.module:function``, within the package or not."""
        self._mount(name, Verb(writes=False, long=long), function, arguments)

    def writes(self, name: str, function: str, *arguments: str, long: bool = False) -> None:
        """Mount a verb that changes data."""
        self._mount(name, Verb(writes=True, long=long), function, arguments)

    def _mount(self, name: str, verb: Verb, function: str, arguments: tuple[str, ...]) -> None:
        module, _, attribute = function.partition(":")
        self.verbs[name] = verb
        self.functions[name] = Function(resolve_name(module, self._package), attribute, arguments)

    def command_of(self, name: str) -> Command:
        """Import the function of a verb, and return its command."""
        function = self.functions[name].load()
        alone = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
        mounted = in_languages(function) if self._languages else function
        if self._books:
            mounted = of_books(mounted, each=name in self._each_book)
        alone.command(name, cls=_LightCommand, help=help_of(function))(mounted)
        return typer.main.get_command(alone)


class _LazyCommands(MutableMapping[str, Command]):
    """Commands by name, each made when it is asked for first."""

    def __init__(self, verbs: StaffVerbs, made: Mapping[str, Command]) -> None:
        self._verbs = verbs
        self._made: dict[str, Command] = {**dict.fromkeys(verbs.functions), **made}

    def __getitem__(self, name: str) -> Command:
        if self._made[name] is None:
            self._made[name] = self._verbs.command_of(name)
        return self._made[name]

    def __setitem__(self, name: str, command: Command) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


_OF_ONE_LOG = ("against", "key")
"""Options that name what is kept of one log: in another it would look like a forgery."""
_WITNESS = "witness"
"""The option that names such things too; a folder may hold one more for each further book."""


def in_languages(function: V) -> V:
    """Give a verb the option ``--lang``, and run it in that language."""
    return _with_option(function, "lang", Lang, spoken)


def of_books(function: V, *, each: bool) -> V:
    """Give a verb the option ``--book``, and run it for that book; without it for ``each``.

    What concerns one account it looks for in the book of that. A folder of a witness is that of the
    first book, and has one for each further book, under its name.
    """

    @wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        of_all = each and chosen_book() is None and options.get("number") is None
        if of_all and has_books():
            if given := _of_one_log(options):
                raise typer.BadParameter(f"--{given[0]} is of one log: name its book by --book")
            done = in_each_book(lambda: function(*arguments, **_in_folder_of_book(options)))
            if options.get("json"):
                print_json(done)
            raise typer.Exit(max(one.exit_code for one in done))
        return function(*arguments, **options)

    return _with_option(cast(V, run), "book", Book, choosing)


def _of_one_log(options: Mapping[str, Any]) -> list[str]:
    """Return the options that name what is kept of one log; a folder that is missing does not."""
    given = [name for name in _OF_ONE_LOG if options.get(name)]
    kept: Iterable[Path] = options.get(_WITNESS) or ()
    alone = any(str(one) == "-" or (one.exists() and not one.is_dir()) for one in kept)
    return [*given, _WITNESS] if alone else given


def _in_folder_of_book(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return options in which a witness's folders are those of the chosen book."""
    book = book_of(chosen_book() or SPLIT)
    if not book or not options.get(_WITNESS):
        return options
    return {**options, _WITNESS: [folder / book for folder in options[_WITNESS]]}


def _with_option(
    function: V,
    name: str,
    annotation: Any,
    within: Callable[[Any], AbstractContextManager[None]],
) -> V:
    """Give a verb an option, and run it within what the option asks for."""

    @wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        with within(options.pop(name, None)):
            return function(*arguments, **options)

    signature = inspect.signature(function, eval_str=True)
    option = inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=None
    )
    parameters = [*signature.parameters.values(), option]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return cast(V, run)


def help_of(function: Callable[..., Any]) -> str:
    """Return a docstring as help."""
    return _in_paragraphs(inspect.getdoc(function) or "")


def _in_paragraphs(documentation: str) -> str:
    """Return a text without the line ends within its paragraphs: Typer would keep them."""
    return "\n\n".join(part.replace("\n", " ") for part in documentation.split("\n\n"))


@cache
def _functions(module: str) -> Mapping[str, ast.FunctionDef]:
    """Return the functions of a module by name, as its source has them."""
    loader: Any = getattr(find_spec(module), "loader", None)
    tree = ast.parse(loader.get_source(module))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def _no_options_of_the_group() -> None:
    """Do nothing: without a callback Typer takes an app of one verb for that verb."""
