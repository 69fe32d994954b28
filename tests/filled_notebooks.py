"""Notebooks, filled in and executed as a person would."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

FORM = re.compile(r"^(?P<name>\w+) = (?P<value>.+?)\s+# ?@param (?P<kind>.+)$", re.MULTILINE)
"""A field of a form, as Colab reads it."""
LONGEST_CELL = 600
"""Seconds."""
Notebook = nbformat.NotebookNode


def read(path: Path) -> Notebook:
    return nbformat.read(path, as_version=4)


def fields(notebook: Notebook) -> dict[str, tuple[Any, list[Any] | dict[str, Any]]]:
    """Name of each field of the forms -> its default, and its choices or what kind of value it takes."""
    found = [field for cell in _code(notebook) for field in FORM.finditer(cell.source)]
    return {field["name"]: (ast.literal_eval(field["value"]), _known(field["kind"])) for field in found}


def _known(kind: str) -> Any:
    """What Colab is told of a field: the first value of JSON, in which names need no quotes; options may follow."""
    quoted = re.sub(r"([{,]\s*)([\w-]+):", r'\1"\2":', kind.strip())
    return json.JSONDecoder().raw_decode(quoted)[0]


def _code(notebook: Notebook) -> Iterator[Notebook]:
    return (cell for cell in notebook.cells if cell.cell_type == "code")


def filled(notebook: Notebook, **values: Any) -> Notebook:
    """The notebook with other values in its forms.

    Raises:
        KeyError: it has no such field.
    """
    made = nbformat.from_dict(notebook)
    left = dict(values)

    def chosen(field: re.Match[str]) -> str:
        return f"{field['name']} = {left.pop(field['name'])!r}" if field["name"] in left else field[0]

    for cell in _code(made):
        cell.source = FORM.sub(chosen, cell.source)
    if left:
        raise KeyError(*left)
    return made


def executed(notebook: Notebook, folder: Path, *, allow_errors: bool = False, **variables: str) -> Notebook:
    """The notebook with the outputs of its cells, which have run in a kernel of this Python, also as a file.

    Args:
        notebook: as read, or filled in.
        folder: its working directory; nothing else is written.
        allow_errors: whether the cells after one that has failed are run too.
        variables: of the kernel's environment.

    Raises:
        CellExecutionError: a cell has failed.
    """
    from nbclient import NotebookClient

    environment = os.environ | {
        "HOME": str(folder), "IPYTHONDIR": str(folder / ".ipython"), "JUPYTER_RUNTIME_DIR": str(folder / ".runtime"),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **variables,
    }  # fmt: skip
    client = NotebookClient(
        notebook, timeout=LONGEST_CELL, kernel_name="python3", allow_errors=allow_errors,
        resources={"metadata": {"path": str(folder)}},
    )  # fmt: skip
    try:
        client.execute(env=environment)
    finally:
        nbformat.write(notebook, folder / "executed.ipynb")
    return notebook


def outputs(notebook: Notebook, cell: str) -> list[Notebook]:
    return next(found.outputs for found in notebook.cells if found.id == cell)


def text_of(notebook: Notebook, cell: str) -> str:
    """What a cell has printed and shown as text."""
    return "".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in outputs(notebook, cell))


def pictures_of(notebook: Notebook, cell: str) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs(notebook, cell))
