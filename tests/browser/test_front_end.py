"""The extension in a real ComfyUI and its real front end."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from comfyui_server import Server
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.files import save_adapter
from lora_workbench.engine.adapters.kinds import LowRank

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

RUN = "async prompt => { await app.loadApiJson(prompt, 'test'); await app.queuePrompt(0) }"
ON_CANVAS = """async () => {
    const {output} = await app.graphToPrompt()
    return [output, app.rootGraph.serialize().nodes.map(node => node.widgets_values)]
}"""
OFFERED = """name => app.rootGraph.nodes.find(node => node.type === "LoraLoader")
    .widgets.find(widget => widget.name === "lora_name").options.values.includes(name)"""
RESULT = "[...document.querySelectorAll('textarea[aria-label=Result]')].some(shown => shown.value.includes('Caption'))"


def test_the_text_of_a_result_is_shown_but_not_saved(front_end: Page) -> None:
    data = {"path": "assets/datasets/fox", "on_unreadable": "skip", "uncaptioned": "no caption"}
    prompt = {
        "1": {"class_type": "LW_LoadDataset", "inputs": data},
        "2": {"class_type": "LW_PreviewDataset", "inputs": {"dataset": ["1", 0], "columns": 6}},
    }
    front_end.evaluate(RUN, prompt)
    front_end.wait_for_function(RESULT)
    output, values = front_end.evaluate(ON_CANVAS)
    assert [output[node_id]["inputs"] for node_id in prompt] == [node["inputs"] for node in prompt.values()]
    assert values == [list(data.values()), [6]]


def test_a_saved_adapter_is_in_the_lists_when_the_run_ends(front_end: Page, server: Server) -> None:
    name = f"fresh-{uuid4().hex}"
    prompt = {
        "1": {"class_type": "LW_LoadAdapter", "inputs": {"adapter": given_adapter(server)}},
        "2": {"class_type": "LW_SaveAdapter", "inputs": {"adapter": ["1", 0], "filename": name, "dtype": "float32"}},
    }
    front_end.evaluate(RUN, prompt)
    front_end.evaluate("() => app.rootGraph.add(LiteGraph.createNode('LoraLoader'))")
    assert front_end.wait_for_function(OFFERED, arg=f"{name}.safetensors")


@pytest.mark.parametrize("blueprint", ["Train an adapter", "Stack and compare"])
def test_a_blueprint_is_found_and_placed(front_end: Page, blueprint: str) -> None:
    front_end.evaluate("() => app.rootGraph.clear()")
    front_end.evaluate("() => app.extensionManager.command.execute('Workspace.SearchBox.Toggle')")
    front_end.locator("[role=dialog] input").first.fill(blueprint)
    front_end.get_by_role("option", name=blueprint).first.wait_for()
    front_end.keyboard.press("Enter")
    front_end.wait_for_function("() => app.rootGraph.nodes.length === 1")
    front_end.mouse.click(700, 500)  # the node hangs on the pointer until it is put down
    kinds = front_end.evaluate("async () => Object.values((await app.graphToPrompt()).output).map(n => n.class_type)")
    assert len(kinds) > 1 and all(kind.startswith("LW_") for kind in kinds)


def given_adapter(server: Server) -> str:
    """Name of a file in the server's folder for LoRAs."""
    import torch

    update = LowRank(down=torch.ones(2, 4), up=torch.ones(4, 2), alpha=2.0)
    adapter = Adapter(name="given", family="sd1", modules={"denoiser.mid_block.attentions.0.proj_in": update})
    path = server.folder / "models" / "loras" / "given.safetensors"
    save_adapter(adapter, path, key_style="kohya", dtype="float32")
    return path.name
