"""Whose texts the nodes show: those of their own node in their own run, wherever the user looks meanwhile."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest
from browser_pages import ENDED, OPEN, QUEUE, STARTED, numbered
from comfyui_graphs import demo_training
from comfyui_server import Graph, Server
from workspace import changed, in_api_format

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

CHOOSE = """([kind, name, value]) => {
    app.rootGraph.nodes.find(node => node.type === kind).widgets.find(widget => widget.name === name).value = value
}"""
WIDGETS = """() => {
    const ours = widget => ["lw_text", "lw_training", "$$node-text-preview"].includes(widget.name) && widget.value
    const texts = graph => graph.nodes.flatMap(node => [
        ...(node.widgets ?? []).filter(ours).map(widget => [node.type, widget.value]),
        ...(node.subgraph ? texts(node.subgraph) : []),
    ])
    return texts(app.rootGraph)
}"""
COMPONENTS = """() => [...document.querySelectorAll("[data-node-id] textarea[aria-label=Result]")].map(shown =>
    [app.canvas.graph.getNodeById(shown.closest("[data-node-id]").dataset.nodeId).type, shown.value])"""
INTO_SUBGRAPH = """kinds => {
    const {node} = app.rootGraph.convertToSubgraph(new Set(app.rootGraph.nodes.filter(one => kinds.includes(one.type))))
    app.canvas.setGraph(node.subgraph)
}"""
WORDS = {
    "LW_DemoCheckpoint": (),
    "LW_LoadDataset": ("fox: 16 pictures",),
    "LW_TriggerCaptions": ("Caption\n",),
    "LW_PreviewDataset": ("Caption\n",),
    "LW_Recipe": ("16 pictures of a subject",),
    "LW_TrainLoRA": ("training ", "encoding ", "steps in "),
    "LW_SaveAdapter": ("saved: loras/",),
    "LW_Generate": ("generating ",),
}
"""What only this node's text has, whether it works or has ended."""


SEEDS = count(1)
RAN = {"LW_LoadDataset", "LW_TriggerCaptions", "LW_Recipe", "LW_TrainLoRA", "LW_SaveAdapter"}
"""Nodes of a training that show a text."""


@pytest.fixture
def training(server: Server) -> Graph:
    """A training of which ComfyUI has nothing yet."""
    server.post("/free", {"free_memory": True})
    seed = next(SEEDS)
    return numbered(demo_training(steps=12, batch_size=2, seed=seed, name=f"texts {seed}"))


@pytest.fixture
def other() -> Graph:
    """Nodes of ours under the numbers that other ones have in a training."""
    return numbered(in_api_format({
        "data": ("LW_LoadDataset", {"path": "assets/datasets/riso", "on_unreadable": "skip"}),
        "demo": ("LW_DemoCheckpoint", {}),
        "look": ("LW_PreviewDataset", {"dataset": ["data", 0], "columns": 6}),
        "more": ("LW_PreviewDataset", {"dataset": ["data", 0], "columns": 5}),
        "most": ("LW_PreviewDataset", {"dataset": ["data", 0], "columns": 4}),
        "generate": ("LW_Generate", {"base": ["demo", 3], "prompts": "an emoji", "seed": 1, "steps": 2}),
    }))  # fmt: skip


def shown(page: Page, components: bool) -> list[tuple[str, str]]:
    """Kind of node and text, for each text that stands on the canvas."""
    return [(kind, text) for kind, text in page.evaluate(COMPONENTS if components else WIDGETS)]


def assert_own(texts: list[tuple[str, str]]) -> None:
    strays = [(kind, text) for kind, text in texts if not any(word in text for word in WORDS[kind])]
    assert not strays


def assert_ends_with_own_texts(page: Page) -> None:
    page.wait_for_function(f"many => ({WIDGETS})().length === many", arg=len(RAN))
    page.wait_for_function(ENDED)
    for components in (False, True):
        assert_own(shown(page, components))
    assert {kind for kind, _ in shown(page, components=False)} == RAN


def test_each_text_is_under_its_node(front_end: Page, training: Graph) -> None:
    front_end.evaluate(OPEN, [training, "each"])
    front_end.evaluate(QUEUE)
    assert_ends_with_own_texts(front_end)


def test_cached_nodes_between_keep_their_texts(front_end: Page, training: Graph) -> None:
    front_end.evaluate(OPEN, [training, "cached"])
    front_end.evaluate(QUEUE)
    assert_ends_with_own_texts(front_end)
    front_end.evaluate(CHOOSE, ["LW_TrainLoRA", "seed", next(SEEDS)])
    front_end.evaluate(QUEUE)
    front_end.wait_for_function(f"() => ({WIDGETS})().some(([, text]) => text.includes('training '))")
    assert_ends_with_own_texts(front_end)


def test_nodes_in_a_subgraph_show_their_own(front_end: Page, training: Graph) -> None:
    front_end.evaluate(OPEN, [training, "nested"])
    front_end.evaluate(INTO_SUBGRAPH, ["LW_LoadDataset", "LW_TriggerCaptions"])
    front_end.evaluate(QUEUE)
    assert_ends_with_own_texts(front_end)


def test_a_run_that_others_queued_shows_nothing_here(
    front_end: Page, server: Server, training: Graph, other: Graph
) -> None:
    front_end.evaluate(OPEN, [other, "mine"])
    server.run(training)
    front_end.wait_for_function(ENDED)
    assert shown(front_end, components=False) == []


def test_a_run_in_another_tab_shows_its_texts_there(front_end: Page, training: Graph, other: Graph) -> None:
    front_end.evaluate(OPEN, [other, "mine"])
    front_end.wait_for_load_state("networkidle")
    front_end.evaluate(OPEN, [changed(training, **{"4__settings": "steps = 60; batch_size = 2"}), "theirs"])
    front_end.evaluate(QUEUE)
    front_end.wait_for_function(f"() => ({WIDGETS})().length > 2")
    go_to(front_end, "Previous")
    assert front_end.evaluate(STARTED)
    front_end.wait_for_function(ENDED)
    assert shown(front_end, components=False) == []
    go_to(front_end, "Next")
    assert_ends_with_own_texts(front_end)
    go_to(front_end, "Previous")
    assert shown(front_end, components=False) == []


def go_to(page: Page, which: str) -> None:
    """The ``Next`` tab or the ``Previous`` one."""
    page.evaluate("which => app.extensionManager.command.execute(`Workspace.${which}OpenedWorkflow`)", which)
    page.wait_for_load_state("networkidle")
