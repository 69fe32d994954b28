"""What becomes of canvases with our nodes: subgraphs, group nodes, bypassed and muted nodes, links gone stale."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from canvases import CANVASES, OLD_CANVASES, Canvas
from lora_workbench.cli.nodes import registry
from lora_workbench.headless.reading import read_workflow


@pytest.mark.parametrize("make", [*CANVASES, *OLD_CANVASES], ids=lambda make: make.__name__)
def test_a_canvas_becomes_what_the_front_end_makes_of_it(make: Callable[[], Canvas], tmp_path: Path) -> None:
    canvas = make()
    path = tmp_path / "workflow.json"
    path.write_text(json.dumps(canvas.data))
    prompt = read_workflow(path, registry()).prompt()
    assert {node_id: (node["class_type"], node["inputs"]) for node_id, node in prompt.items()} == canvas.prompt
