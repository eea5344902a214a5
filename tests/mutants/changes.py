"""The changes that are made: of one node of a module's syntax tree, what could stand in its place.

Not changed is what only people or another tool read: annotations (mypy), docstrings, texts, asserts, logs, metrics,
failpoints. A name that is not assigned, an argument that is missing: what no test could miss is not made either.
"""

import ast
import copy
from collections.abc import Iterator, Sequence

Change = tuple[ast.AST, str]
"""The node in the other's place, and what it changes, in words."""

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "ACK": "NACK", "NACK": "ACK"}
_SILENT = {"log", "telemetry", "failpoints", "span"}


def silent(node: ast.AST) -> bool:
    """Whether it only tells: a log, a metric, a failpoint."""
    if isinstance(node, ast.Expr):
        return silent(node.value)
    function = node.func if isinstance(node, ast.Call) else None
    return isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id in _SILENT


def changes(node: ast.AST) -> Iterator[Change]:
    for made in (_of_statement, _of_operator, _of_value, _of_parts):
        yield from made(node)


def _of_statement(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Expr(ast.Call() | ast.Await()) | ast.Delete() | ast.Raise():
            yield _instead(node, ast.Pass())
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield _instead(node, ast.Pass())
        case ast.AugAssign(op=op):
            yield _instead(node, ast.Pass())
            if type(op) in _OPERATORS:
                yield _instead(node, _with(node, op=_OPERATORS[type(op)]()))
        case ast.Return(ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield _instead(node, ast.Return(ast.Constant(None)))
        case ast.Continue():
            yield _instead(node, ast.Break())
            yield _instead(node, ast.Pass())
        case ast.Break():
            yield _instead(node, ast.Continue())
        case ast.If(test=test) | ast.While(test=test) if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            no = ast.UnaryOp(ast.Not(), test)
            yield _with(node, test=no), _arrow(test, no)


def _of_operator(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Compare(ops=[op]):
            for other in _COMPARISONS[type(op)]:
                yield _instead(node, _with(node, ops=[other()]))
        case ast.BoolOp(op=op, values=values):
            yield _instead(node, _with(node, op=ast.Or() if isinstance(op, ast.And) else ast.And()))
            for left, out in _without_one(values):
                yield left[0] if len(left) == 1 else _with(node, values=left), _less(out)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield _instead(node, operand)
        case ast.IfExp(body=body, orelse=orelse):
            yield _instead(node, body)
            yield _instead(node, orelse)
        case ast.BinOp(op=op) if type(op) in _OPERATORS:
            yield _instead(node, _with(node, op=_OPERATORS[type(op)]()))


def _of_value(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Constant(value=bool() as value):
            yield _instead(node, ast.Constant(not value))
        case ast.Constant(value=int() | float() as value):
            yield _instead(node, ast.Constant(value + 1))
        case ast.Name(id=name) if name in _NAMES:
            yield _instead(node, _with(node, id=_NAMES[name]))
        case ast.Attribute(attr=name) if name in _NAMES:
            yield _instead(node, _with(node, attr=_NAMES[name]))


def _of_parts(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Call(keywords=keywords):
            for left, out in _without_one(keywords):
                yield _with(node, keywords=left), _less(out)
        case ast.Set(elts=parts) | ast.List(elts=parts) if len(parts) > 1:
            for left, out in _without_one(parts):
                yield _with(node, elts=left), _less(out)
        case ast.MatchOr(patterns=patterns):
            for left, out in _without_one(patterns):
                yield left[0] if len(left) == 1 else _with(node, patterns=left), _less(out)
        case ast.match_case(guard=ast.expr() as guard):
            yield _with(node, guard=None), _less(guard)
        case ast.comprehension(ifs=ifs):
            for left, out in _without_one(ifs):
                yield _with(node, ifs=left), _less(out)
        case ast.ExceptHandler(type=ast.Tuple(elts=parts) as types):
            for left, out in _without_one(parts):
                yield _with(node, type=_with(types, elts=left)), _less(out)


def _without_one(parts: Sequence[ast.AST]) -> Iterator[tuple[list[ast.AST], ast.AST]]:
    for n, out in enumerate(parts):
        yield [*parts[:n], *parts[n + 1 :]], out


def _with(node: ast.AST, **fields: object) -> ast.AST:
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def _instead(node: ast.AST, other: ast.AST) -> Change:
    return other, _arrow(node, other)


def _arrow(node: ast.AST, other: ast.AST) -> str:
    return f"`{_text(node)}` → `{_text(other)}`"


def _less(out: ast.AST) -> str:
    return f"without `{_text(out)}`"


def _text(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())
