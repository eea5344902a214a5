"""All mutants of a file, and how one of them takes the place of the code that is loaded."""

import ast
import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from tests.mutants.changes import changes, silent

_UNREAD = {"annotation", "returns", "decorator_list", "args", "bases", "keywords", "type_params"}
"""Fields of definitions and of annotated assignments in which nothing is changed."""


@dataclass(frozen=True)
class Mutant:
    """line: the source line as it is written, stripped; change: in words. These and the file name it: numbers move.

    scope: the function (`Class.method`), or the name that is assigned in a module or as a dataclass' default
    path: from the module's tree to the node: (field, index or None) each
    nth: of the changes of this node
    """

    file: str
    number: int
    line: str
    change: str
    scope: str
    in_function: bool
    path: tuple[tuple[str, int | None], ...]
    nth: int

    @property
    def key(self) -> tuple[str, str, str]:
        return self.file, self.line, self.change

    def __str__(self) -> str:
        return f"{self.file}:{self.number}: {self.line}\n    {self.change}"


def mutants(root: Path, file: str) -> Iterator[Mutant]:
    source = (root / file).read_text()
    lines = source.splitlines()
    for path, node, scope, in_function in _nodes(ast.parse(source)):
        for nth, (_, change) in enumerate(changes(node)):
            number = getattr(node, "lineno", None) or _first_line(node)
            yield Mutant(file, number, lines[number - 1].strip(), change, scope, in_function, path, nth)


def _first_line(node: ast.AST) -> int:
    """Of a comprehension or a case, which have no place of their own."""
    return int(min(child.lineno for child in ast.walk(node) if hasattr(child, "lineno")))


Place = tuple[tuple[tuple[str, int | None], ...], ast.AST, str, bool]


def _nodes(tree: ast.Module) -> Iterator[Place]:
    for n, statement in enumerate(tree.body):
        yield from _of_scope((("body", n),), statement, "")


def _of_scope(path: Any, node: ast.stmt, within: str) -> Iterator[Place]:
    """What is outside of functions: of it only values that are assigned to a name can be exchanged later."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            for n, statement in enumerate(node.body):
                yield from _below((*path, ("body", n)), statement, f"{within}{name}", in_function=True)
        case ast.ClassDef(name=name):
            enum = any(isinstance(base, ast.Name) and base.id.endswith("Enum") for base in node.bases)
            for n, statement in enumerate(node.body):
                if not enum or not isinstance(statement, ast.Assign):
                    yield from _of_scope((*path, ("body", n)), statement, f"{within}{name}.")
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=value) | ast.AnnAssign(target=ast.Name(id=name), value=value)
        ):
            is_field = within and isinstance(value, ast.Call) and isinstance(value.func, ast.Name)
            if value is not None and not is_field and not isinstance(value, ast.BinOp):
                yield from _below((*path, ("value", None)), value, f"{within}{name}", in_function=False)


def _below(path: Any, node: ast.AST, scope: str, *, in_function: bool) -> Iterator[Place]:
    if silent(node) or isinstance(node, ast.Assert | ast.JoinedStr):
        return
    yield path, node, scope, in_function
    for name, value in ast.iter_fields(node):
        if name in _UNREAD and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.AnnAssign):
            continue
        for n, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                yield from _below((*path, (name, n)), child, scope, in_function=in_function)


def changed(source: str, mutant: Mutant) -> ast.Module:
    """The module's tree with the change."""
    tree = ast.parse(source)
    *way, (name, index) = mutant.path
    parent: Any = tree
    for step, n in way:
        parent = getattr(parent, step) if n is None else getattr(parent, step)[n]
    node = getattr(parent, name) if index is None else getattr(parent, name)[index]
    other, _ = list(changes(node))[mutant.nth]
    ast.copy_location(other, node)
    if index is None:
        setattr(parent, name, other)
    else:
        getattr(parent, name)[index] = other
    return ast.fix_missing_locations(tree)


def apply(root: Path, mutant: Mutant) -> None:
    """Put it in the place of what is loaded, for everybody who has imported it."""
    module = load(mutant.file)
    assert module.__file__ is not None
    tree = changed((root / mutant.file).read_text(), mutant)
    if mutant.in_function:
        live = function(module, mutant.scope)
        live.__code__ = _code(compile(tree, module.__file__, "exec"), live.__code__)
    else:
        _assign(module, tree, mutant)


def watch(root: Path, file: str, called: Callable[[tuple[str, str]], object]) -> None:
    """From here on each function of the file tells when it is called: by file and scope."""
    module = load(file)
    tree = ast.parse((root / file).read_text())
    scopes = {scope for _, _, scope, in_function in _nodes(tree) if in_function}
    for scope, node in _functions(tree.body, ""):
        node.body.insert(0, ast.parse(f"__called__({(file, scope)!r})").body[0])
    vars(module)["__called__"] = called
    code = compile(ast.fix_missing_locations(tree), str(root / file), "exec")
    for scope in scopes:
        live = function(module, scope)
        live.__code__ = _code(code, live.__code__)


def _functions(body: Sequence[ast.stmt], within: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield f"{within}{name}", node
            case ast.ClassDef(name=name, body=inner):
                yield from _functions(inner, f"{within}{name}.")


def load(file: str) -> ModuleType:
    return importlib.import_module(file.removesuffix(".py").replace("/", "."))


def function(module: ModuleType, scope: str) -> FunctionType:
    """The function behind whatever decorates it."""
    found: Any = module
    for name in scope.split("."):
        found = vars(found)[name]
    for behind in ("fget", "__func__", "__wrapped__"):
        found = getattr(found, behind, found)
    assert isinstance(found, FunctionType), scope
    return found


def _code(within: CodeType, original: CodeType) -> CodeType:
    for const in within.co_consts:
        if isinstance(const, CodeType):
            if (const.co_qualname, const.co_firstlineno) == (original.co_qualname, original.co_firstlineno):
                return const
            if original.co_qualname.startswith(f"{const.co_qualname}."):
                return _code(const, original)
    raise LookupError(original.co_qualname)


def _assign(module: ModuleType, tree: ast.Module, mutant: Mutant) -> None:
    node: Any = tree
    for step, n in mutant.path[: _depth(mutant.path)]:
        node = getattr(node, step) if n is None else getattr(node, step)[n]
    value = eval(compile(ast.Expression(node), mutant.file, "eval"), vars(module))
    owner, _, name = mutant.scope.rpartition(".")
    if not owner:
        setattr(module, name, value)
        return
    init = vars(module)[owner].__init__
    names: Sequence[str] = init.__code__.co_varnames[: init.__code__.co_argcount]
    defaults = dict(zip(reversed(names), reversed(init.__defaults__), strict=False))
    defaults[name] = value
    init.__defaults__ = tuple(defaults[n] for n in names if n in defaults)


def _depth(path: Sequence[tuple[str, int | None]]) -> int:
    """How far it is to the value that is assigned."""
    return next(n for n, (step, _) in enumerate(path, start=1) if step == "value")
