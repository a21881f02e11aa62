"""Reads the configuration of a MONAI bundle as data: references are followed, nothing is called or executed.

Of MONAI's expressions ("$...") those of plain values are evaluated: numbers, texts, lists, arithmetic, "a if
b else c", len() and types such as torch.float32. All others are refused.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from typing import Any, NoReturn

from operators.importing.published import unsupported

REFERENCE = re.compile(r"@(\w+(?:(?:::|#)\w+)*)")
# Real bundles need far fewer values; a circular reference needs more
MOST_VALUES = 20_000
LONGEST = 500
# Keys of where something runs, is read from or written to; they are often expressions, and are not needed
UNREAD = {"device", "sw_device", "transform", "output_dir"}
WRITERS = ("SaveImage", "SaveImaged", "SaveImageD", "SaveImageDict")
OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.Gt: operator.gt,
}
TYPES = ("torch", "np", "numpy")


class BundleConfig:
    """A configuration's values by name, with references followed."""

    def __init__(self, table: dict[str, Any]) -> None:
        self.table = table
        self.left = MOST_VALUES

    def get(self, name: str, default: Any = None) -> Any:
        """Returns a top-level value. Raises ModelError for an expression that is not plain."""
        return self.resolved(self.table[name]) if name in self.table else default

    def resolved(self, value: Any) -> Any:
        """Returns a value without references and expressions. Raises ValueError for circular references."""
        self.left -= 1
        if self.left < 0:
            raise ValueError("expected values, got circular references")
        if isinstance(value, dict):
            read = {"_target_"} if value.get("_target_") in WRITERS else set(value) - UNREAD
            return {key: self.resolved(inner) for key, inner in value.items() if key in read}
        if isinstance(value, list):
            return [self.resolved(inner) for inner in value]
        if not isinstance(value, str):
            return value
        if value.startswith("$"):
            return self.evaluated(value[1:])
        if value.startswith("%"):
            refused(value)
        return self.followed(value[1:]) if REFERENCE.fullmatch(value) else value

    def followed(self, path: str) -> Any:
        """Resolves a reference such as a::b."""
        value: Any = self.table
        for part in re.split("::|#", path):
            value = value[int(part)] if isinstance(value, list) else value[part]
            if isinstance(value, str) and value[:1] in "@$":
                value = self.resolved(value)
        return self.resolved(value)

    def evaluated(self, text: str) -> Any:
        """Evaluates an expression of plain values. Raises ModelError for any other."""
        found = dict(enumerate(REFERENCE.findall(text)))
        numbers = iter(found)
        try:
            tree = ast.parse(REFERENCE.sub(lambda _: f"ref_{next(numbers)}", text.strip()), mode="eval")
        except (SyntaxError, MemoryError, RecursionError):
            refused(f"${text}")
        if len(text) > LONGEST:
            refused(f"${text[:40]}...")
        names = {f"ref_{number}": path for number, path in found.items()}
        return self.worked_out(tree.body, names, f"${text}")

    def worked_out(self, node: ast.AST, names: dict[str, str], text: str) -> Any:
        """Evaluates one node of an expression."""

        def inner(part: ast.AST) -> Any:
            return self.worked_out(part, names, text)

        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name) if name in names:
                return self.followed(names[name])
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                return [inner(part) for part in parts]
            case ast.IfExp(test=test, body=body, orelse=other):
                return inner(body) if inner(test) else inner(other)
        return calculated(node, inner, text)


def calculated(node: ast.AST, inner: Callable[[ast.AST], Any], text: str) -> Any:
    """Evaluates a node that combines other values."""
    match node:
        case ast.Attribute(value=ast.Name(id=library), attr=name) if library in TYPES:
            return name
        case ast.Call(func=ast.Name(id="len"), args=[part], keywords=[]):
            return len(inner(part))
        case ast.UnaryOp(op=op, operand=part) if type(op) in OPERATORS:
            return OPERATORS[type(op)](inner(part))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return combined(type(op), inner(left), inner(right), text)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in OPERATORS:
            return OPERATORS[type(op)](inner(left), inner(right))
    return refused(text)


def combined(kind: type[ast.AST], left: Any, right: Any, text: str) -> Any:
    """Evaluates arithmetic of numbers; texts and lists are only joined, so nothing outgrows the file."""
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    if not numbers and kind is not ast.Add:
        refused(text)
    return OPERATORS[kind](left, right)


def refused(text: str) -> NoReturn:
    """Raises ModelError for an expression that would have to be executed."""
    unsupported(
        f"expected a bundle of plain values, got the expression {text!r}: nothing of a bundle is executed"
    )
