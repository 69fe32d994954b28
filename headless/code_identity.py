"""The code that a node computes with, as a hash: a change of code invalidates only the results that it may change."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ..engine.core.hashing import bytes_hash

SHOWN = frozenset({"tooltip", "description", "placeholder", "display_name", "display_mode", "hint", "expected"})
"""Keyword arguments that are only for people to read."""
DESCRIBING = frozenset({"define_schema", "validate_inputs"})
"""Methods of nodes that compute nothing. Inputs are part of a node's signature anyway."""
DRIVING = ("headless/", "nodes/host/", "cli/")
"""Packages that only decide when something is computed and where results go."""


def code_identity(module: str, package: Path) -> str:
    """Hash of a module and of everything that it imports from its package, however indirectly.

    Imports inside functions count. Docstrings, comments, tooltips and imports for type checkers don't.

    Args:
        module: dotted name below the package, for example ``nodes.training.train_lora``.
        package: the package's folder.
    """
    reached = files_reached(module, package)
    return bytes_hash("".join(f"{path.relative_to(package)} {reached[path]}\n" for path in sorted(reached)).encode())


def files_reached(module: str, package: Path) -> dict[Path, str]:
    """File -> hash of its code, for a module and everything that it imports; see :func:`code_identity`."""
    reached: dict[Path, str] = {}
    waiting = [_file(package, module.split("."))]
    while waiting:
        path = waiting.pop()
        if path is None or path in reached:
            continue
        status = path.stat()
        digest, imported = _reduced(path, package, status.st_mtime_ns, status.st_size)
        reached[path] = digest
        waiting += [found for found in imported if not found.relative_to(package).as_posix().startswith(DRIVING)]
    return reached


@cache
def _reduced(path: Path, package: Path, modified: int, size: int) -> tuple[str, tuple[Path, ...]]:
    """(hash of a file's code, files that it imports); parsed again only when the file has changed."""
    del modified, size  # part of the key only
    tree = _Reduce().visit(ast.parse(path.read_text(encoding="utf-8")))
    parts = path.relative_to(package).with_suffix("").parts
    return bytes_hash(ast.dump(tree).encode()), tuple(_imports(tree, package, parts[:-1]))


def _imports(tree: ast.AST, package: Path, folder: tuple[str, ...]) -> Iterator[Path]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*folder[: len(folder) - node.level + 1], *(node.module or "").split(".")]
            base = [part for part in base if part]
            for name in node.names:
                if found := _file(package, [*base, name.name]) or _file(package, base):
                    yield found
                    yield from _initialized(found, package)


def _initialized(path: Path, package: Path) -> Iterator[Path]:
    """The ``__init__.py`` files below ``engine`` that importing a module runs too."""
    engine = package / "engine"
    for folder in path.parents:
        if engine in folder.parents and (folder / "__init__.py").is_file():
            yield folder / "__init__.py"


def _file(package: Path, parts: list[str]) -> Path | None:
    module = package.joinpath(*parts)
    for path in (module.with_name(f"{module.name}.py") if parts else module, module / "__init__.py"):
        if path.is_file():
            return path
    return None


class _Reduce(ast.NodeTransformer):
    """Removes what only people or type checkers read."""

    def visit_If(self, node: ast.If) -> ast.AST:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST | None:
        return None if node.name in DESCRIBING else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        node.keywords = [keyword for keyword in node.keywords if keyword.arg not in SHOWN]
        if isinstance(node.func, ast.Name) and node.func.id == "setting":
            node.args = node.args[:1]  # the second is the tooltip
        return self.generic_visit(node)
