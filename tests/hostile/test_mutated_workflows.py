"""Workflows with anything in them changed: they can be run, or are refused in words; nothing else ever happens."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from canvases import CANVASES
from hostile.mutations import mutations
from lora_workbench.cli.nodes import registry
from lora_workbench.engine.core.errors import WorkflowError
from lora_workbench.headless.preparing import prepare
from lora_workbench.headless.reading import read_workflow
from lora_workbench.headless.running import running
from lora_workbench.headless.validation import validate
from lora_workbench.nodes.host.headless import HeadlessHost

SHIPPED = sorted((Path(__file__).resolve().parents[2] / "workflows").rglob("*.json"))
OF_SHIPPED, OF_CANVAS = 20, 50
"""Mutants of each workflow that comes with the project, and of each canvas with something odd about it."""


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_workflows_with_anything_changed_can_be_run_or_are_refused(path: Path, tmp_path: Path) -> None:
    survive(json.loads(path.read_text(encoding="utf-8")), OF_SHIPPED, tmp_path)


@pytest.mark.parametrize("make", CANVASES, ids=lambda make: make.__name__)
def test_canvases_with_anything_changed_can_be_run_or_are_refused(make: Callable[[], Any], tmp_path: Path) -> None:
    survive(make().data, OF_CANVAS, tmp_path)


def survive(data: Any, count: int, folder: Path) -> None:
    nodes = registry()
    file = folder / "workflow.json"
    with running(HeadlessHost(folder)):
        for mutant in islice(mutations(data, seed=7), count):
            file.write_text(json.dumps(mutant), encoding="utf-8")
            with contextlib.suppress(WorkflowError):
                validate(prepare(read_workflow(file, nodes), nodes), nodes)
    assert list(folder.iterdir()) == [file]
