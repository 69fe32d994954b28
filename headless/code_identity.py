"""The code that a node computes with, as a hash: a change of code invalidates only the results that it may change."""

from __future__ import annotations

import ast
import contextlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ..engine.core.errors import StorageError
from ..engine.core.hashing import bytes_hash, file_hash
from ..engine.core.storage import write_json

SHOWN = {"tooltip", "description", "placeholder", "display_name", "display_mode", "help", "hint", "expected"}
"""Keyword arguments that are only for people to read."""
DESCRIBING = {"define_schema", "validate_inputs"}
"""Methods of nodes that compute nothing. Inputs are part of a node's signature anyway."""
DRIVING = ("headless/", "nodes/host/", "cli/")
"""Packages that only decide when something is computed and where results go."""


class Source(NamedTuple):
    """What counts of one file, as long as its time and size stay the same."""

    modified: int
    """Nanoseconds since the epoch."""
    size: int
    digest: str
    """Hash of what computes in it."""
    imports: tuple[tuple[str, str], ...]
    """(module, name) of what it imports from the package; the name may be a module's too."""


class ProjectCode:
    """The code of a package by what computes in it.

    Docstrings, comments and tooltips don't count, nor do imports for type checkers only. Each file is looked at once.

    Args:
        package: its folder.
        kept: file that keeps what was found for the next process, as parsing takes longer than many a workflow.
    """

    def __init__(self, package: Path, kept: Path | None = None) -> None:
        self._package, self._kept = package, kept
        self._reader = file_hash(Path(__file__))
        self._sources = self._read_kept()
        self._is_new = False
        self._file = cache(self._look_for)  # nearly all nodes use the same modules
        self._used = cache(self._look_at)

    def identity(self, module: str) -> str:
        """Hash of a module and of everything that it imports from the package, however indirectly.

        Imports inside functions count.

        Args:
            module: dotted name below the package, for example ``nodes.training.train_lora``.
        """
        digests = self.digests(module)
        return bytes_hash("".join(f"{file} {digests[file]}\n" for file in sorted(digests)).encode())

    def digests(self, module: str) -> dict[str, str]:
        """File below the package -> hash of what computes in it, for all that counts for :meth:`identity`."""
        reached: dict[str, str] = {}
        waiting = [self._file(module)]
        while waiting:
            file = waiting.pop()
            if file is not None and file not in reached:
                reached[file], imported = self._used(file)
                waiting += imported
        return reached

    def keep(self) -> None:
        """Write what was found, if anything of it is new."""
        if self._kept and self._is_new:
            with contextlib.suppress(StorageError):  # then the next process parses again
                write_json(self._kept, {"reader": self._reader, "sources": self._sources})
            self._is_new = False

    def _look_at(self, file: str) -> tuple[str, list[str]]:
        """A file's digest, and the files that it imports."""
        source, imported = self._source(file), []
        for name, part in source.imports:
            found = self._file(f"{name}.{part}") or self._file(name)
            if found and not found.startswith(DRIVING):
                imported += [found, *self._run_before(found)]
        return source.digest, imported

    def _source(self, file: str) -> Source:
        path = self._package / file
        status = path.stat()
        known = self._sources.get(str(path))
        if known is None or (known.modified, known.size) != (status.st_mtime_ns, status.st_size):
            known = _parse(path, file, status.st_mtime_ns, status.st_size)
            self._sources[str(path)] = known
            self._is_new = True
        return known

    def _look_for(self, module: str) -> str | None:
        """The file of a module."""
        parts = [part for part in module.split(".") if part]
        for file in ("/".join(parts) + ".py", "/".join([*parts, "__init__.py"])):
            if (self._package / file).is_file():
                return file
        return None

    def _run_before(self, file: str) -> Iterator[str]:
        """The ``__init__.py`` files that importing a file of the engine runs too: they register things."""
        folders = file.split("/")[:-1]
        for depth in range(2, len(folders) + 1):
            init = self._file(".".join(folders[:depth]))
            if folders[0] == "engine" and init:
                yield init

    def _read_kept(self) -> dict[str, Source]:
        """What another process has found, unless it looked at files in another way."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            entry = json.loads(self._kept.read_text(encoding="utf-8")) if self._kept else {}
            if entry["reader"] == self._reader:
                return {
                    path: Source(modified, size, digest, tuple((module, name) for module, name in imports))
                    for path, (modified, size, digest, imports) in entry["sources"].items()
                }
        return {}


@cache
def _parse(path: Path, file: str, modified: int, size: int) -> Source:
    tree = _Reduce().visit(ast.parse(path.read_text(encoding="utf-8")))
    return Source(modified, size, bytes_hash(ast.dump(tree).encode()), tuple(_imports(tree, file)))


def _imports(tree: ast.AST, file: str) -> Iterator[tuple[str, str]]:
    folders = file.split("/")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            module = [*folders[: len(folders) - node.level + 1], *([node.module] if node.module else [])]
            yield from ((".".join(module), name.name) for name in node.names)


class _Reduce(ast.NodeTransformer):
    """Removes what only people or type checkers read."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        return node.orelse if ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING") else node

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
