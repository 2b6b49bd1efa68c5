"""What the docstrings of public functions must hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "polyreel"
MANY = 3
Function = ast.FunctionDef | ast.AsyncFunctionDef


def public_functions(
    body: list[ast.stmt], owner: ast.ClassDef | None = None
) -> Iterator[tuple[str, Function, str]]:
    """Name, node and docstring of each; a constructor's parameters are described by its class."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node.body, node)
        elif isinstance(node, Function):
            is_constructor = owner is not None and node.name == "__init__"
            if is_constructor or not node.name.startswith("_"):
                described = owner if is_constructor and owner is not None else node
                name = f"{owner.name}.{node.name}" if owner else node.name
                yield name, node, ast.get_docstring(described) or ""


def parameters(function: Function) -> list[str]:
    given = function.args
    names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls")]


def is_route(function: Function) -> bool:
    """A route of the REST API: its docstring is its text in the OpenAPI document, where each parameter has a
    description of its own.
    """
    return any(ast.unparse(decorator).startswith("router.") for decorator in function.decorator_list)


def lacking(source: str) -> list[str]:
    """Functions of a file that have several parameters and do not describe them."""
    return [
        f"{node.lineno} {name}({', '.join(parameters(node))})"
        for name, node, text in public_functions(ast.parse(source).body)
        if len(parameters(node)) >= MANY and "Args:" not in text and not is_route(node)
    ]


def test_functions_of_three_or_more_parameters_describe_them() -> None:
    files = {file: lacking(file.read_text(encoding="utf-8")) for file in sorted(SOURCE.rglob("*.py"))}
    assert len(files) > 40
    assert [f"{file.relative_to(SOURCE)}:{where}" for file, found in files.items() for where in found] == []


def test_what_is_not_described_is_seen() -> None:
    assert lacking('def add(a, b, *, c):\n    """Add."""') == ["1 add(a, b, c)"]
    assert lacking('def add(a, b, *, c):\n    """Add.\n\n    Args:\n        a, b, c: Numbers.\n    """') == []
    assert lacking('class Sum:\n    """A sum."""\n    def __init__(self, a, b, c): ...') == [
        "3 Sum.__init__(a, b, c)"
    ]
    assert lacking('@router.get("/sum")\ndef add(a, b, c):\n    """Add."""') == []
    assert lacking("def _add(a, b, c): ...\ndef two(a, b): ...") == []
