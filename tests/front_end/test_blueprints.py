"""Our subgraph blueprints in the front end: found like nodes, placed, filled in, and saved with the workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

EMPTY = """() => app.loadGraphData({
    nodes: [], links: [], groups: [], version: 0.4, last_node_id: 0, last_link_id: 0,
})"""
PLACED = "() => app.rootGraph.nodes.length === 1"
PUT_DOWN = "() => app.canvas.finalizeGhostPlacement(false)"
FILL = """async values => {
    const [node] = app.rootGraph.nodes
    for (const [name, value] of Object.entries(values)) {
        node.widgets.find(widget => widget.name === name).value = value
    }
    const read = async () => Object.values((await app.graphToPrompt()).output)
    const prompt = await read()
    const shown = node.widgets.map(widget => widget.label ?? widget.name)
    const saved = app.rootGraph.serialize()
    await app.loadGraphData(saved)
    return {prompt, again: await read(), shown, properties: Object.keys(saved.nodes[0].properties)}
}"""
BLUEPRINTS = {
    "Train an adapter": (
        {"path": "my/pictures", "trigger_word": "zwx", "class_word": "fox", "goal": "style", "name": "fox"},
        ["pictures", "trigger word", "class word", "goal", "quality", "name"],
        {
            "LW_LoadDataset": {"path": "my/pictures"},
            "LW_TriggerCaptions": {"trigger_word": "zwx", "class_word": "fox"},
            "LW_Recipe": {"goal": "style", "quality": "standard"},
            "LW_TrainLoRA": {"name": "fox"},
            "LW_SaveAdapter": {"filename": ""},
        },
    ),
    "Stack and compare": (
        {"first_weight": 0.5, "second_weight": 0.5, "prompts": "a zwx fox", "guidance": 3},
        ["first weight", "second weight", "prompts", "guidance"],
        {
            "LW_StackAdapters": {"weight": 0.5, "text_encoder_weight": 0.5},
            "LW_ComparisonGrid": {"prompts": "a zwx fox", "guidance": 3},
        },
    ),
}
"""Name -> what is typed, the labels of its widgets, and inputs of the nodes inside."""


@pytest.mark.parametrize("name", list(BLUEPRINTS))
def test_a_blueprint_is_found_placed_filled_in_and_kept(lasting: Page, name: str) -> None:
    typed, labels, expected = BLUEPRINTS[name]
    lasting.evaluate(EMPTY)
    lasting.evaluate("() => app.extensionManager.command.execute('Workspace.SearchBox.Toggle')")
    lasting.locator("[role=dialog] input").first.fill(name)
    lasting.get_by_role("option", name=name).first.wait_for()
    lasting.keyboard.press("Enter")
    lasting.wait_for_function(PLACED)
    lasting.evaluate(PUT_DOWN)  # the node hangs on the pointer
    found = lasting.evaluate(FILL, typed)
    assert found["shown"] == labels
    assert not [name for name in found["properties"] if name.startswith("proxyWidget")]
    for prompt in (found["prompt"], found["again"]):
        assert {node["class_type"] for node in prompt} == set(expected)
        for node in prompt:
            assert chosen(node["inputs"], expected[node["class_type"]]) == expected[node["class_type"]]


def chosen(inputs: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    return {name: inputs.get(name) for name in names}
