"""A page with a hand at work on it, what the hand often does there, and what would be queued."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hand import Hand, Spot
from spots import Spots
from waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page
    from standin import Standin

OPEN = """async ([prompt, places]) => {
    const reading = async () => (await (await fetch("/lora_workbench/vault?count=0")).json()).reading
    while (await reading()) await new Promise(done => setTimeout(done, 50)) // the library has been looked at before
    const tabs = app.extensionManager.sidebarTab
    if (tabs.activeSidebarTabId) tabs.toggleSidebarTab(tabs.activeSidebarTabId)
    await app.loadApiJson(prompt, "effort")
    for (const [id, place] of Object.entries(places)) {
        const node = app.rootGraph.getNodeById(id)
        if (node) node.pos = place
    }
    for (const {widgets = []} of app.rootGraph.nodes) {
        for (const widget of widgets) if (widget.name === "control_after_generate") widget.value = "fixed"
    }
    Object.assign(app.canvas.ds, {scale: 1, offset: [0, 0]})
    app.canvas.setDirty(true, true)
}"""
FILTERED = """([entry, typed]) => {
    const shown = [...document.querySelectorAll(entry)].filter(own => own.checkVisibility())
    return shown.length && shown.every(own => own.textContent.includes(typed))
}"""
QUEUED = "async () => (await app.graphToPrompt()).output"
FOCUSED = "() => document.activeElement?.tagName === 'INPUT' && document.activeElement.closest('[role=dialog]')"


@dataclass
class Desk:
    """A page with a hand at work on it."""

    page: Page
    standin: Standin
    hand: Hand = field(init=False)

    def __post_init__(self) -> None:
        self.hand = Hand(self.page)

    @cached_property
    def spots(self) -> Spots:
        return Spots(self.page)

    @property
    def prompt(self) -> dict[str, Any]:
        """What would be queued, by node."""
        return self.page.evaluate(QUEUED)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The inputs of all nodes of a type that would be queued."""
        return [node["inputs"] for node in self.prompt.values() if node["class_type"] == kind]

    def source(self, link: list[Any]) -> tuple[str, int]:
        """The type of the node that a link comes from, and its output."""
        return self.prompt[link[0]]["class_type"], link[1]

    # What several ways do.

    def pick(self, at: Locator, typed: str) -> None:
        """Takes an adapter in the picker of a stack."""
        self.choose(at, typed, ".lw-popover input", ".lw-popover .lw-pick")
        self.page.locator(f".lw-name[title^='subjects/{typed}.safetensors']").wait_for()

    def search(self, place: Spot, title: str, typed: str = "", down: int = 0) -> None:
        """Takes a node in the search that is open, and puts it down: it hangs on the pointer."""
        self.page.wait_for_function(FOCUSED)
        if typed:
            self.hand.type(typed, "in the search")
        option = self.page.get_by_role("option").nth(down)
        option.filter(has_text=title).wait_for()
        for _ in range(down):
            self.hand.press("ArrowDown", "to the node")
        self.hand.press("Enter", f"takes {title}")
        option.wait_for(state="detached")
        self.hand.click(place, f"puts {title} down")

    def pull(self, start: Spot, end: Spot, title: str, typed: str = "", down: int = 0) -> None:
        """Pulls a link onto the bare canvas and takes the node to connect it to."""
        self.hand.drag(start, end, f"link to a new {title}")
        self.search(end, title, typed, down)

    def choose(self, at: Locator | Spot, typed: str, field: str, entry: str) -> None:
        """Takes the one of a list that has what is typed, once it shows.

        Args:
            at: opens the list.
            typed: into its field.
            field: the field of the list.
            entry: what the list has.
        """
        self.hand.click(at, "the list")
        self.page.locator(field).wait_for()
        self.hand.type(typed, "to filter the list")
        self.page.wait_for_function(FILTERED, arg=[entry, typed])
        self.hand.press("Enter", "takes it")

    def fill(self, kind: str, name: str, typed: str, at: int = 0) -> None:
        """Types into a field that the canvas draws."""
        self.hand.click(self.spots.widget(kind, name, at), f"{name}")
        self.page.locator(".graphdialog input").wait_for()
        self.hand.type(typed, name)
        self.hand.press("Enter", "closes the field")

    def choose_stock(self, kind: str, name: str, typed: str, at: int = 0) -> None:
        field, entry = ".comfy-context-menu-filter", ".litecontextmenu .litemenu-entry"
        self.choose(self.spots.widget(kind, name, at), typed, field, entry)

    def run(self, times: int) -> None:
        """Queues the graph."""
        self.hand.press("Control+Enter", "runs")
        until(self.page, lambda: len(self.standin.prompts), times)


@dataclass(frozen=True, kw_only=True)
class Way:
    """How something is done: the graph it begins with, and what the hand does.

    Attributes:
        graph: in API format; empty for an empty canvas.
        places: where its nodes are.
        act: does it, and checks that it is done.
    """

    graph: dict[str, Any]
    places: dict[str, tuple[int, int]]
    act: Callable[[Desk], None]

    def do(self, page: Page, standin: Standin) -> Hand:
        """Do it; gives the hand, which has counted."""
        standin.prompts.clear()
        page.evaluate(OPEN, [self.graph, self.places])
        desk = Desk(page, standin)
        desk.hand.rest()
        self.act(desk)
        return desk.hand


def to_sampler(desk: Desk, kind: str, at: int = 0) -> None:
    """From a node's model and clip to the sampler and both prompts."""
    hand, spots = desk.hand, desk.spots
    hand.drag(spots.output(kind, 0, at), spots.input("KSampler", "model"), "model")
    for number in (0, 1):
        hand.drag(spots.output(kind, 1, at), spots.input("CLIPTextEncode", "clip", number), "clip")


def assert_sampled(desk: Desk, kind: str) -> None:
    """The sampler and both prompts take what a node of this type gives."""
    assert desk.source(desk.of("KSampler")[0]["model"]) == (kind, 0)
    assert [desk.source(prompt["clip"]) for prompt in desk.of("CLIPTextEncode")] == [(kind, 1)] * 2
