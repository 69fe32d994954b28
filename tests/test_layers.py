"""The direction of imports, as docs/architecture.md draws it: js -> nodes -> engine, and the levels inside engine."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import lora_workbench
import pytest

ROOT = Path(lora_workbench.__file__).parent
TOPS = ("engine", "headless", "nodes", "agents", "cli")
LEVELS = {
    "engine.core": 0,
    "engine.diffusion": 1,
    "engine.data": 1,
    "engine.models": 2,
    "engine.adapters": 2,
    "engine.captions": 3,
    "engine.checkpoints": 3,
    "engine.embeddings": 3,
    "engine.figures": 3,
    "engine.generation": 3,
    "engine.inspection": 3,
    "engine.memory": 3,
    "engine.training": 3,
    "engine.vault": 3,
    "engine.evaluation": 4,
    "engine.runs": 5,
    "engine.remote": 6,
    "engine.reports": 6,
    "headless": 6,
    "engine.batches": 7,
    "nodes": 8,
    "agents": 9,
    "cli": 10,
}
"""Unit -> level. A unit imports from itself and from lower levels."""

COMFYUI = {"comfy", "comfy_api", "comfy_execution", "comfy_extras", "execution", "folder_paths", "nodes", "server"}
SEAM = "nodes.native.seam"
HEAVY = {"torch", "diffusers", "peft", "transformers", "safetensors", "accelerate", "wordfreq", "onnxruntime"}


@dataclass(frozen=True)
class Import:
    """One import statement's view of one module."""

    importer: str
    """Dotted name of the module that imports, without ``lora_workbench``; the root is the empty name."""
    name: str
    """What is imported: a module inside the package, or an absolute name."""
    relative: bool
    place: str
    """``file:line``, for messages."""
    at_start: bool
    """Whether merely importing the importer runs this import."""


def sources() -> list[Path]:
    return [ROOT / "__init__.py", *(path for top in TOPS for path in sorted((ROOT / top).rglob("*.py")))]


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    return {dotted(path): path for path in sources()}


def statements(node: ast.AST, at_start: bool = True) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Every import below ``node``, and whether it runs when the module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child, at_start
        elif isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for inner in child.body:
                yield from statements(ast.Module([inner], []), False)
            yield from statements(ast.Module(child.orelse, []), at_start)
        else:
            lazy = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from statements(child, at_start and not lazy)


def names(statement: ast.Import | ast.ImportFrom, importer: str, is_package: bool) -> Iterator[tuple[str, bool]]:
    """(name, is relative) of everything that one statement imports, submodules told from attributes."""
    if isinstance(statement, ast.Import):
        yield from ((alias.name, False) for alias in statement.names)
    elif statement.level == 0:
        yield statement.module or "", False
    else:
        package = importer.split(".") if importer else []
        up = statement.level - is_package
        base = ".".join([*package[: len(package) - up], *([statement.module] if statement.module else [])])
        for alias in statement.names:
            submodule = f"{base}.{alias.name}".lstrip(".")
            yield (submodule if submodule in modules() else base), True


@cache
def imports() -> list[Import]:
    found = []
    for importer, path in modules().items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for statement, at_start in statements(tree):
            place = f"{path.relative_to(ROOT)}:{statement.lineno}"
            for name, relative in names(statement, importer, path.name == "__init__.py"):
                found.append(Import(importer, name, relative, place, at_start))
    return found


def unit(module: str) -> str:
    """The unit of ``LEVELS`` that a module belongs to, or its own first two names where the table has none."""
    parts = module.split(".")
    return parts[0] if parts[0] != "engine" else ".".join(parts[:2])


def allowed(importer: str, imported: str) -> bool:
    if importer == "":
        return unit(imported) == "nodes"
    if unit(importer) == unit(imported):
        return True
    if "" in (imported, unit(imported)) or imported == "engine":
        return False
    here, there = LEVELS[unit(importer)], LEVELS[unit(imported)]
    return there < here


def test_every_module_has_a_level():
    unknown = {name for name in modules() if name not in ("", "engine") and unit(name) not in LEVELS}
    assert not unknown, f"give these a level in LEVELS and in docs/architecture.md: {sorted(unknown)}"


def test_imports_point_downwards():
    wrong = [
        f"{i.place}: {i.importer} imports {i.name}" for i in imports() if i.relative and not allowed(i.importer, i.name)
    ]
    assert not wrong, "\n".join(wrong)


def test_own_modules_are_imported_relatively():
    own = {"lora_workbench", "engine"}
    wrong = [f"{i.place}: {i.name}" for i in imports() if not i.relative and i.name.split(".")[0] in own]
    assert not wrong, "\n".join(wrong)


def test_comfyui_is_imported_in_its_two_places_only():
    wrong = [
        f"{i.place}: {i.name}"
        for i in imports()
        if not i.relative and i.name.split(".")[0] in COMFYUI and i.importer not in ("nodes.host.comfyui", SEAM)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_seam_is_the_one_way_around_imports():
    """Below ``nodes/``, names that are looked up while running are ComfyUI's, and belong into the seam."""
    looking = {i.importer for i in imports() if i.name == "importlib" and unit(i.importer) == "nodes"}
    assert looking == {SEAM}


def test_heavy_libraries_are_imported_inside_functions():
    wrong = [f"{i.place}: {i.name}" for i in imports() if i.at_start and i.name.split(".")[0] in HEAVY]
    assert not wrong, "\n".join(wrong)


def test_no_cycles():
    """Imports inside functions count too: a cycle that is put off is still a cycle."""
    edges: dict[str, set[str]] = {name: set() for name in modules()}
    for i in imports():
        if i.relative and i.name in edges and i.name != i.importer:
            edges[i.importer].add(i.name)
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, "cycle: " + " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for imported in sorted(edges[module]):
                visit(imported, (*path, module))
            done.add(module)

    for module in edges:
        visit(module, ())


@pytest.mark.parametrize("script", sorted((ROOT / "js").rglob("*.*js")), ids=lambda path: path.name)
def test_front_end_imports_only_what_comfyui_offers(script: Path):
    """Other modules of the front end are internal and warn, or go away."""
    imported = re.findall(r"""\b(?:from\s+|import\s*\(?\s*)["']([^"']+)["']""", script.read_text(encoding="utf-8"))
    public = {"/scripts/app.js", "/scripts/api.js"}
    top = ROOT / "js"
    near = [name for name in imported if name.startswith(".")]
    own = {name for name in near if (script.parent / name).resolve().is_relative_to(top.resolve())}
    assert not {name for name in imported if name not in public | own}
    assert not [name for name in own if not (script.parent / name).is_file()]
