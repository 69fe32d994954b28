"""Each of our widgets through what happens to nodes: saved, copied, undone, collapsed, and put inside a subgraph.

On the front end that ComfyUI pins, drawn on a canvas, and on the newest one, made of Vue components; with ``-m pages``
the other way round, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Opened
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.nodes.kit.galleries import gallery
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page
    from standin import Standin

ROWS = "on | fox.safetensors | 0.8\noff | riso.safetensors | 0.4"
OPEN = """async prompt => {
    await app.loadApiJson(prompt, "lives")
    Object.assign(app.canvas.ds, {scale: 1, offset: [60, 100]})
    app.canvas.setDirty(true, true)
}"""
# The page's address names the subgraph in view; the front end goes there if another workflow is opened too soon.
LEAVE = "async () => { app.canvas.setGraph(app.rootGraph); await new Promise(done => setTimeout(done, 300)) }"
AGAIN = "async () => { await app.loadGraphData(JSON.parse(JSON.stringify(app.rootGraph.serialize()))) }"
QUEUED = """async ([kind, input]) => Object.values((await app.graphToPrompt()).output)
    .filter(node => node.class_type === kind).map(node => node.inputs[input])"""
SELECT = """() => {
    app.canvas.deselectAll()
    app.canvas.selectItems([app.canvas.graph.nodes[0]])
    document.activeElement?.blur()
    app.canvas.canvas.focus()
}"""
PLACE_COPY = """() => {
    const [first, second] = app.canvas.graph.nodes
    second.pos = [first.pos[0] + first.size[0] + 60, first.pos[1]]
    app.canvas.deselectAll()
    app.canvas.setDirty(true, true)
}"""
COLLAPSE = "() => app.canvas.graph.nodes[0].collapse()"
INTO_SUBGRAPH = """async () => {
    app.canvas.selectItems([app.canvas.graph.nodes[0]])
    const { node } = app.canvas.graph.convertToSubgraph(app.canvas.selectedItems)
    await new Promise(done => setTimeout(done, 300)) // as a person takes before they enter it
    app.canvas.openSubgraph(node.subgraph, node)
    Object.assign(app.canvas.ds, {scale: 1, offset: [60, 100]})
    const inner = app.canvas.graph.nodes.find(each => each.type.startsWith("LW_"))
    inner.pos = [100, 40]
    app.canvas.setDirty(true, true)
}"""
NODE_IDS = "() => app.canvas.graph.nodes.filter(node => node.type.startsWith('LW_')).map(node => node.id)"


@dataclass(frozen=True)
class Kind:
    """A widget of ours.

    Attributes:
        node: which has it.
        input: what its prompt holds of it.
        inputs: the node's, in a prompt.
        selector: the element.
        edit: what a person does to it.
        edited: what the prompt holds then.
        output: what the node gave when it ran, for those that show a result.
    """

    node: str
    input: str
    inputs: dict[str, Any]
    selector: str
    edit: Callable[[Locator], None]
    edited: str
    output: Callable[[], dict[str, Any]] | None = None


def turn_on_second(widget: Locator) -> None:
    widget.locator(".lw-row:has(.lw-line)").nth(1).get_by_role("switch").click()


def choose_steps(widget: Locator) -> None:
    widget.get_by_role("button", name="Edit as text").click()
    widget.get_by_label("Settings as text").fill("steps = 250")
    widget.get_by_label("Settings as text").blur()


def edit_caption(widget: Locator) -> None:
    page = widget.page
    widget.locator(".lw-tile").first.click()
    page.locator(".lw-large textarea").fill("a fox at night")
    page.keyboard.press("Control+Enter")
    page.keyboard.press("Escape")


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    folder: Path = tmp_path_factory.mktemp("fox")
    for number in range(3):
        Image.new("RGB", (64, 64), (80 * number, 90, 160)).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"fox {number}", encoding="utf-8")
    dataset = load_dataset(folder)
    return {
        "stack": Kind(
            "LW_Stack", "rows", {"rows": ROWS}, ".lw-stack", turn_on_second,
            "on | fox.safetensors | 0.8\non | riso.safetensors | 0.4",
        ),
        "recipe": Kind(
            "LW_Recipe", "settings", {"goal": "subject", "quality": "standard", "settings": "steps = 300"},
            ".lw-recipe", choose_steps, "steps = 250",
        ),
        "gallery": Kind(
            "LW_EditCaptions", "overrides", {"overrides": ""}, ".lw-gallery", edit_caption,
            "0.png: a fox at night", lambda: {"lw_dataset": [gallery(dataset)]},
        ),
    }  # fmt: skip


PAGES = [pytest.param(name, marks=pytest.mark.pages) for name in ("pinned-vue", "newest-canvas")]


@pytest.fixture(scope="module", params=["pinned-canvas", "newest-vue", *PAGES])
def place(request: pytest.FixtureRequest, standin: Standin, newest: Standin) -> tuple[Standin, str]:
    """A server with a front end, and the renderer."""
    version, renderer = request.param.split("-")
    return {"pinned": standin, "newest": newest}[version], renderer


@pytest.fixture(scope="module")
def server(place: tuple[Standin, str]) -> Standin:
    return place[0]


@pytest.fixture(scope="module")
def page(browser: Browser, place: tuple[Standin, str]) -> Iterator[Page]:
    server, renderer = place
    server.forget()
    pages = Opened(browser)
    yield pages.open(server, renderer)
    pages.close()


@pytest.fixture(params=["stack", "recipe", "gallery"])
def kind(request: pytest.FixtureRequest, kinds: dict[str, Kind]) -> Kind:
    return kinds[request.param]


@pytest.fixture
def widget(page: Page, server: Standin, kind: Kind) -> Locator:
    """The widget on a node of its own, after a run where it shows one."""
    page.evaluate(OPEN, {"1": {"class_type": kind.node, "inputs": kind.inputs}})
    run(page, server, kind)
    found = page.locator(kind.selector)
    found.wait_for()
    return found


def run(page: Page, server: Standin, kind: Kind) -> None:
    if not kind.output:
        return
    for node in map(str, page.evaluate(NODE_IDS)):
        server.send("executed", {"node": node, "display_node": node, "output": kind.output(), "prompt_id": "x"})
    page.locator(".lw-tile").first.wait_for()


def queued(page: Page, kind: Kind) -> list[str]:
    """What the nodes would be queued with."""
    return page.evaluate(QUEUED, [kind.node, kind.input])


def test_it_is_saved_and_opened_again(page: Page, kind: Kind, widget: Locator) -> None:
    kind.edit(widget)
    assert queued(page, kind) == [kind.edited]
    page.evaluate(AGAIN)
    widget.wait_for()
    assert queued(page, kind) == [kind.edited]


def test_a_copy_is_edited_by_itself(page: Page, server: Standin, kind: Kind, widget: Locator) -> None:
    widget.wait_for()
    before = queued(page, kind)
    page.evaluate(SELECT)
    page.keyboard.press("Control+c")
    page.keyboard.press("Control+v")
    page.wait_for_function("app.canvas.graph.nodes.length === 2")
    page.evaluate(PLACE_COPY)
    run(page, server, kind)
    page.wait_for_function("selector => document.querySelectorAll(selector).length === 2", arg=kind.selector)
    copy = widget.nth(1)
    kind.edit(copy)
    assert queued(page, kind) == [*before, kind.edited]


def test_an_edit_is_undone_and_done_again(page: Page, kind: Kind, widget: Locator) -> None:
    [before] = queued(page, kind)
    kind.edit(widget)
    page.evaluate(SELECT)
    page.keyboard.press("Control+z")
    page.wait_for_function(f"async () => ({QUEUED})(['{kind.node}', '{kind.input}']).then(([v]) => v === `{before}`)")
    widget.wait_for()
    page.evaluate(SELECT)
    page.keyboard.press("Control+y")
    page.wait_for_function(
        f"async () => ({QUEUED})(['{kind.node}', '{kind.input}']).then(([v]) => v === `{kind.edited}`)"
    )
    widget.wait_for()


def test_it_is_there_again_after_its_node_was_collapsed(page: Page, kind: Kind, widget: Locator) -> None:
    page.evaluate(COLLAPSE)
    widget.wait_for(state="hidden")
    page.evaluate(COLLAPSE)
    widget.wait_for()
    kind.edit(widget)
    assert queued(page, kind) == [kind.edited]


def test_it_works_inside_a_subgraph(page: Page, server: Standin, kind: Kind, widget: Locator) -> None:
    widget.wait_for()
    page.evaluate(INTO_SUBGRAPH)
    inner = page.evaluate("() => app.canvas.graph.nodes.find(node => node.type.startsWith('LW_')).id")
    if kind.output:
        outer = page.evaluate("() => app.rootGraph.nodes[0].id")
        node = f"{outer}:{inner}"
        server.send("executed", {"node": node, "display_node": node, "output": kind.output(), "prompt_id": "x"})
        page.locator(".lw-tile").first.wait_for()
    widget.wait_for()
    kind.edit(widget)
    assert queued(page, kind) == [kind.edited]
    page.evaluate(LEAVE)
    page.evaluate(AGAIN)
    assert queued(page, kind) == [kind.edited]
