"""The workflows that come with the project, which programs know by their names."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from ..engine.core.errors import WorkflowError
from ..engine.core.resources import PROJECT_ROOT

WORKFLOWS = PROJECT_ROOT / "workflows"


@cache
def packaged() -> Mapping[str, Path]:
    """Name -> file, sorted by name."""
    return MappingProxyType({path.stem: path for path in sorted(WORKFLOWS.glob("*.json"), key=lambda path: path.stem)})


def title(path: Path) -> str:
    """The heading of the first note on a packaged workflow's canvas; nothing if its notes have none."""
    nodes = json.loads(path.read_text(encoding="utf-8"))["nodes"]
    notes = [node["widgets_values"][0] for node in nodes if node["type"] == "MarkdownNote"]
    headings = [note.splitlines()[0].lstrip("# ") for note in notes if note.startswith("#")]
    return headings[0] if headings else ""


def find(given: Path) -> Path:
    """The file that is asked for: a path, or the name of a packaged workflow. A file that is there goes first.

    Raises:
        WorkflowError: there is neither.
    """
    if str(given) in packaged() and not given.is_file():
        return packaged()[str(given)]
    if given.exists():
        return given
    meant = difflib.get_close_matches(given.stem, packaged(), n=1)
    raise WorkflowError(
        f"The workflow {given} can't be read: there is no such file.",
        expected="a file, or the name of a workflow that comes with LoRA Workbench",
        hint=(f"`{meant[0]}` comes with it, and is run by this name. " if meant else "check the path. ")
        + "`lora-workbench workflows` lists all of them.",
    )
