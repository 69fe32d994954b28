"""Our workflows, and those of others with our nodes, in the front end: they open, and stay what they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lora_workbench
import pytest

if TYPE_CHECKING:
    from conftest import Opened
    from playwright.sync_api import Page
    from standin import Standin

WORKFLOWS = Path(lora_workbench.__file__).parent / "workflows"
ADAPTERS = ("fox", "riso", "my-subject", "my-style")
OPEN = """async workflow => {
    await app.loadGraphData(workflow)
    const {output} = await app.graphToPrompt()
    return {
        inputs: Object.fromEntries(Object.entries(output).map(([id, node]) => [id, node.inputs])),
        saved: app.rootGraph.serialize(),
        unknown: app.rootGraph.nodes.filter(node => node.has_errors).map(node => node.type),
        dialogs: [...document.querySelectorAll("[role=dialog], .p-toast-message")].map(shown => shown.innerText),
    }
}"""


@pytest.fixture(scope="module", autouse=True)
def named_adapters(standin: Standin) -> Iterator[None]:
    """The files that the workflows name: empty, as none of them is run."""
    files = [standin.host.adapter_directory() / f"{name}.safetensors" for name in ADAPTERS]
    made = [file for file in files if not file.exists()]
    for file in made:
        file.touch()
    yield
    for file in made:
        file.unlink()


@pytest.mark.parametrize("name", sorted(path.stem for path in WORKFLOWS.glob("*.json")))
def test_workflows_open_and_stay_what_they_are(lasting: Page, name: str) -> None:
    file = json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))
    twin = json.loads((WORKFLOWS / "api" / f"{name}.json").read_text(encoding="utf-8"))
    opened = lasting.evaluate(OPEN, file)
    assert not opened["unknown"]
    assert not opened["dialogs"]
    assert opened["inputs"] == {node_id: node["inputs"] for node_id, node in twin.items()}
    assert meaning(opened["saved"]) == meaning(file)
    assert shapes(opened["saved"]) == pytest.approx(shapes(file), rel=0.01)


def meaning(workflow: dict[str, Any]) -> dict[str, Any]:
    """What a workflow says, without the places of things and what the front end adds for itself."""
    return {
        "links": workflow["links"],
        "groups": [group["title"] for group in workflow["groups"]],
        "nodes": {
            node["id"]: {
                "sockets": [[slot["name"], slot["type"], slot["link"]] for slot in node["inputs"]],
                "values": node.get("widgets_values") or [],
                **{name: node.get(name) for name in ("type", "title", "mode", "properties")},
            }
            for node in workflow["nodes"]
        },
    }


def shapes(workflow: dict[str, Any]) -> list[float]:
    """Widths and heights over the greatest width: front ends of early 2026 enlarge all nodes made of Vue components."""
    sizes = [node["size"] for node in sorted(workflow["nodes"], key=lambda node: node["id"])]
    widest = max(width for width, _ in sizes)
    return [side / widest for size in sizes for side in size]


def test_without_our_scripts_a_workflow_still_gives_the_same_prompt(opened: Opened, standin: Standin) -> None:
    standin.extension_on = False
    page = opened.open(standin)
    for path in sorted(WORKFLOWS.glob("*.json")):
        twin = json.loads((WORKFLOWS / "api" / path.name).read_text(encoding="utf-8"))
        found = page.evaluate(OPEN, json.loads(path.read_text(encoding="utf-8")))
        assert found["inputs"] == {node_id: node["inputs"] for node_id, node in twin.items()}, path.name
        assert not found["unknown"]
