"""Six tasks as an adept does them with our nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from desk import assert_sampled
from effort_givens import ADDED, CHOSEN, COMPARED, NAMED, OLD, PROMPTS, WEIGHTS

if TYPE_CHECKING:
    from desk import Desk
    from playwright.sync_api import Locator


def stack(desk: Desk) -> None:
    hand, spots = desk.hand, desk.spots
    hand.right_click(spots.title("CheckpointLoaderSimple"), "the checkpoint")
    hand.click(desk.page.get_by_text("Stack adapters here").last, "the entry")
    editor = desk.page.locator(".lw-stack")
    for name, weight in WEIGHTS.items():
        desk.pick(editor.get_by_role("button", name="Add an adapter"), name)
        hand.press("Tab", "to its weight")
        hand.type(weight, "weight")
    hand.press("Enter", "takes the last weight")
    [applied], [stack] = desk.of("LW_ApplyStack"), desk.of("LW_Stack")
    rows = [f"on | subjects/{name}.safetensors | {weight}" for name, weight in WEIGHTS.items()]
    assert stack["rows"].splitlines() == rows
    assert desk.source(applied["stack"]) == ("LW_Stack", 0)
    assert desk.source(applied["clip"]) == ("CheckpointLoaderSimple", 1)
    assert_sampled(desk, "LW_ApplyStack")


def caption(desk: Desk) -> None:
    from lora_workbench.engine.data.loading import load_dataset
    from lora_workbench.nodes.kit.galleries import gallery

    page, hand = desk.page, desk.hand
    dataset = load_dataset(desk.standin.folder / "input" / "old")

    def ran(kind: str) -> Locator:
        """The gallery of a node, as after a run."""
        own = page.evaluate("kind => String(app.rootGraph.nodes.find(node => node.type === kind).id)", kind)
        told = {"node": own, "display_node": own, "output": {"lw_dataset": [gallery(dataset)]}}
        desk.standin.play([("executed", told), ("execution_success", {})])
        page.locator(".lw-tile .lw-caption").first.wait_for()
        return page.locator(".lw-gallery").last

    hand.click(ran("LW_LoadDataset").locator(".lw-tile").first, "any picture")
    hand.click(page.get_by_role("button", name="Add Edit Captions after this node"), "the button")
    desk.run(1)
    shown = ran("LW_EditCaptions")
    shown.locator("text=Enter edits a caption").wait_for()
    tile = shown.locator(f".lw-tile[data-name='{CHOSEN:02}.png']")
    hand.wheel(shown.locator(".lw-grid"), 4, "to the picture")
    hand.click(tile, "the picture")
    page.locator(".lw-large textarea:focus").wait_for()
    hand.type(ADDED, "at the end of the caption")
    hand.press("Escape", "keeps the caption")
    [edits] = desk.of("LW_EditCaptions")
    assert edits["overrides"] == f"{CHOSEN:02}.png: a photo of ohwx fox on a {OLD}{ADDED}"
    assert desk.source(desk.of("LW_TrainLoRA")[0]["dataset"]) == ("LW_EditCaptions", 0)


def choose(desk: Desk) -> None:
    desk.pick(desk.page.locator(".lw-stack .lw-name"), "fox")
    assert desk.of("LW_Stack")[0]["rows"] == "on | subjects/fox.safetensors | 1"


def triggers(desk: Desk) -> None:
    desk.page.locator(".lw-stack .lw-chip", has_text=NAMED["fox"]).wait_for()


def compare(desk: Desk) -> None:
    hand, page = desk.hand, desk.page
    hand.click(desk.spots.widget("LW_Generate", "prompts"), "prompts")
    hand.press("Control+a", "to type over them")
    hand.type(PROMPTS[0], "first prompt")
    hand.press("Enter", "next line")
    hand.type(PROMPTS[1], "second prompt")
    desk.run(1)
    for number, weight in enumerate(COMPARED[1:], start=2):
        if number == 2:
            hand.double_click(page.get_by_label("Weight for the denoiser"), "weight")
        else:
            hand.press("Control+a", "to type over it")
        hand.type(weight, "weight")
        hand.press("Enter", "takes it")
        desk.run(number)
    drawn = [prompt["prompt"] for prompt in desk.standin.prompts]
    prompts = [own["inputs"]["prompts"] for one in drawn for own in one.values() if own["class_type"] == "LW_Generate"]
    rows = [own["inputs"]["rows"] for one in drawn for own in one.values() if own["class_type"] == "LW_Stack"]
    assert prompts == ["\n".join(PROMPTS)] * 3
    assert [float(row.split(" | ")[2]) for row in rows] == [float(weight) for weight in COMPARED]


def train(desk: Desk) -> None:
    hand, spots, name = desk.hand, desk.spots, "Train an adapter"
    hand.double_click((900, 250), "the canvas")
    desk.search((900, 250), name, "train a")
    desk.fill(name, "path", "foxes")
    desk.pull(spots.input(name, "base"), (580, 700), "Base Model from ComfyUI", "bas")
    kind = "LW_BaseFromComfy"
    desk.pull(spots.input(kind, "model"), (240, 700), "Load Checkpoint")
    for slot, socket in ((1, "clip"), (2, "vae")):
        hand.drag(spots.output("CheckpointLoaderSimple", slot), spots.input(kind, socket), socket)
    [data], [base], [training] = desk.of("LW_LoadDataset"), desk.of(kind), desk.of("LW_TrainLoRA")
    assert data["path"] == "foxes" and desk.of("LW_SaveAdapter")
    assert {name: desk.source(base[name]) for name in ("model", "clip", "vae")} == {
        name: ("CheckpointLoaderSimple", slot) for slot, name in enumerate(("model", "clip", "vae"))
    }
    assert desk.source(training["base"]) == (kind, 0)
