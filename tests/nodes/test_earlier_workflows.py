"""Workflows and prompts that were saved with earlier versions of our nodes, read without ComfyUI."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from lora_workbench.cli.nodes import registry
from lora_workbench.headless.reading import read_workflow
from lora_workbench.headless.running import running
from lora_workbench.headless.validation import validate
from lora_workbench.nodes.host.headless import HeadlessHost
from stock_nodes import stock_nodes

EARLIER = Path(__file__).parents[1] / "earlier_workflows"
every_earlier = pytest.mark.parametrize(
    "name", sorted(str(path.relative_to(EARLIER)) for path in EARLIER.rglob("*.json"))
)


NODES = {**registry(), **stock_nodes()}


@pytest.fixture(autouse=True)
def host(root: Path, tmp_path: Path) -> Iterator[None]:
    host = HeadlessHost(tmp_path, workflow_folder=root / "workflows")
    host.adapter_directory().mkdir()
    for name in ("fox", "riso", "my-subject", "my-style"):
        (host.adapter_directory() / f"{name}.safetensors").touch()
    with running(host):
        yield


@every_earlier
def test_what_was_saved_means_what_it_meant(tmp_path: Path, name: str) -> None:
    earlier = json.loads((EARLIER / name).read_text(encoding="utf-8"))
    (tmp_path / "saved.json").write_text(json.dumps(earlier["workflow"]), encoding="utf-8")
    prompt = read_workflow(tmp_path / "saved.json", NODES).prompt()
    assert prompt.keys() == earlier["prompt"].keys()
    for node_id, node in earlier["prompt"].items():
        now = prompt[node_id]["inputs"]
        assert {key: now.get(key) for key in node["inputs"]} == node["inputs"], node["class_type"]


@every_earlier
def test_a_prompt_of_then_is_still_valid(tmp_path: Path, name: str) -> None:
    earlier = json.loads((EARLIER / name).read_text(encoding="utf-8"))
    (tmp_path / "prompt.json").write_text(json.dumps(earlier["prompt"]), encoding="utf-8")
    workflow = read_workflow(tmp_path / "prompt.json", NODES)
    validate(workflow, NODES)
