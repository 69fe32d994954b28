"""Six tasks as an adept does them on the page, with our nodes and with ComfyUI's own, counted by a hand.

Each way begins with a graph, acts by a `Hand`, and checks that what would be queued, or what is to be seen, is right.
docs/effort.md holds the counts and their rules.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from effort_nodes import effort_nodes
from hand import Hand, Spot
from spots import Spots
from stock_nodes import CHECKPOINT
from vault_files import lora_file

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page
    from standin import Standin

MANY = 300
"""Adapters in the library."""
NAMED = {"fox": "ohwx fox", "riso": "riso print", "rain": "wet rain"}
"""Adapter -> its trigger phrase; the others have numbers for names, and none."""
WEIGHTS = {"fox": ".8", "riso": ".6", "rain": ".4"}
OTHER = "styles/adapter 000.safetensors"
PICTURES, CAPTIONED, CHOSEN = 15, 30, 11
"""How many pictures are trained on, how many have captions, and which of these is edited."""
OLD, ADDED = "log", ", in snow"
"""A word that only the caption to edit has, at its end, and what is to follow it."""
PROMPTS = ("a fox in snow", "a fox at sea")
COMPARED = ("1", ".4", ".7")

OPEN = """async ([prompt, places]) => {
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

    def choose(self, at: Locator | Spot, typed: str, field: str) -> None:
        """Takes the one of a list that has what is typed."""
        self.hand.click(at, "the list")
        self.page.locator(field).wait_for()
        self.hand.type(typed, "to filter the list")
        self.hand.press("Enter", "takes it")

    def fill(self, kind: str, name: str, typed: str, at: int = 0) -> None:
        """Types into a field that the canvas draws."""
        self.hand.click(self.spots.widget(kind, name, at), f"{name}")
        self.page.locator(".graphdialog input").wait_for()
        self.hand.type(typed, name)
        self.hand.press("Enter", "closes the field")

    def choose_stock(self, kind: str, name: str, typed: str, at: int = 0) -> None:
        self.choose(self.spots.widget(kind, name, at), typed, ".comfy-context-menu-filter")

    def run(self, times: int) -> None:
        """Queues the graph."""
        self.hand.press("Control+Enter", "runs")
        for _ in range(100):
            if len(self.standin.prompts) >= times:
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{len(self.standin.prompts)} prompts were queued, not {times}")


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

    def count(self, page: Page, standin: Standin) -> int:
        """Do it, and count."""
        standin.prompts.clear()
        page.evaluate(OPEN, [self.graph, self.places])
        desk = Desk(page, standin)
        desk.hand.rest()
        self.act(desk)
        return desk.hand.count


def prepare(standin: Standin) -> None:
    """The library of adapters, the pictures, and the nodes that the ways need."""
    folder = standin.host.adapter_directory()
    for number in range(MANY - len(NAMED)):
        lora_file(folder / f"styles/adapter {number:03d}.safetensors")
    for name, phrase in NAMED.items():
        told = {"modelspec__title": name, "modelspec__trigger_phrase": phrase, "lw__triggers": json.dumps([phrase])}
        lora_file(folder / f"subjects/{name}.safetensors", **told)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.safetensors"))
    for name in ("clips", "foxes", "old"):
        (standin.folder / "input" / name).mkdir(exist_ok=True)
    write_pictures(standin.folder / "input" / "foxes", PICTURES)
    write_pictures(standin.folder / "input" / "old", CAPTIONED)
    standin.add_nodes(effort_nodes(names, ["clips", "foxes", "old"]))


def write_pictures(folder: Path, count: int) -> None:
    from PIL import Image

    for number in range(count):
        Image.new("RGB", (64, 64), (8 * number, 90, 160)).save(folder / f"{number:02}.png")
        words = f"a photo of ohwx fox on a {OLD if number == CHOSEN else 'hill'}"
        (folder / f"{number:02}.txt").write_text(words, encoding="utf-8")


# The graphs that the ways begin with.


def drawing(model: str = "4", clip: str = "4") -> dict[str, Any]:
    """A picture by a sampler, from a checkpoint or from what is between."""
    return {
        "4": node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT),
        "6": node("CLIPTextEncode", text="a fox", clip=[clip, 1]),
        "7": node("CLIPTextEncode", text="", clip=[clip, 1]),
        "5": node("EmptyLatentImage", width=512, height=512, batch_size=1),
        "3": node(
            "KSampler", seed=3, steps=25, cfg=7.0, sampler_name="euler", scheduler="normal", denoise=1.0,
            model=[model, 0], positive=["6", 0], negative=["7", 0], latent_image=["5", 0],
        ),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": node("SaveImage", images=["8", 0], filename_prefix="picture"),
    }  # fmt: skip


DRAWING = {"4": (100, 120), "6": (900, 120), "7": (900, 370), "5": (900, 640), "3": (1310, 120), "8": (1310, 450),
           "9": (1310, 560)}  # fmt: skip


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


# Three adapters in front of a sampler.


def stack_with_ours(desk: Desk) -> None:
    hand, spots = desk.hand, desk.spots
    desk.pull(spots.output("CheckpointLoaderSimple", 0), (620, 200), "Apply Stack", "ap sta")
    hand.drag(spots.output("CheckpointLoaderSimple", 1), spots.input("LW_ApplyStack", "clip"), "clip")
    to_sampler(desk, "LW_ApplyStack")
    desk.pull(spots.input("LW_ApplyStack", "stack"), (330, 600), "Stack")
    editor = desk.page.locator(".lw-stack")
    for name, weight in WEIGHTS.items():
        desk.choose(editor.get_by_role("button", name="Add an adapter"), name, ".lw-popover input")
        editor.locator(f".lw-name[title^='subjects/{name}.safetensors']").wait_for()
        hand.press("Tab", "to its weight")
        hand.type(weight, "weight")
    hand.press("Enter", "takes the last weight")
    [applied], [stack] = desk.of("LW_ApplyStack"), desk.of("LW_Stack")
    rows = [f"on | subjects/{name}.safetensors | {weight}" for name, weight in WEIGHTS.items()]
    assert stack["rows"].splitlines() == rows
    assert desk.source(applied["stack"]) == ("LW_Stack", 0)
    assert desk.source(applied["clip"]) == ("CheckpointLoaderSimple", 1)
    assert_sampled(desk, "LW_ApplyStack")


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


def stack_with_stock(desk: Desk) -> None:
    hand, spots, kind = desk.hand, desk.spots, "LoraLoader"
    desk.pull(spots.output("CheckpointLoaderSimple", 0), (620, 200), "Load LoRA (Model and CLIP)", down=1)
    hand.drag(spots.output("CheckpointLoaderSimple", 1), spots.input(kind, "clip"), "clip")
    for number in (1, 2):
        left, top = spots.title(kind, number - 1)
        hand.drag((left, top), (left - 60, top + 220), "a copy of the node", held="Alt")
        for slot, name in enumerate(("model", "clip")):
            hand.drag(spots.output(kind, slot, number - 1), spots.input(kind, name, number), name)
    to_sampler(desk, kind, 2)
    for number, (name, weight) in enumerate(WEIGHTS.items()):
        desk.choose_stock(kind, "lora_name", name, number)
        for strength in ("strength_model", "strength_clip"):
            desk.fill(kind, strength, weight, number)
    told = [(own["lora_name"], own["strength_model"], own["strength_clip"]) for own in desk.of(kind)]
    assert sorted(told) == sorted(
        (f"subjects/{name}.safetensors", float(weight), float(weight)) for name, weight in WEIGHTS.items()
    )
    sources = {desk.source(own[name]) for own in desk.of(kind) for name in ("model", "clip")}
    assert sources == {("CheckpointLoaderSimple", 0), ("CheckpointLoaderSimple", 1), (kind, 0), (kind, 1)}
    assert_sampled(desk, kind)


# One caption of thirty.


def caption_with_ours(desk: Desk) -> None:
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


def caption_with_stock(desk: Desk) -> None:
    hand, spots, kind = desk.hand, desk.spots, "StringReplace"
    desk.pull(spots.output("LoadImageTextDataSetFromFolder", 1), (520, 500), "Replace Text", "rep")
    hand.drag(spots.output(kind), spots.input("MakeTrainingDataset", "texts"), "texts")
    for name, text in {"find": OLD, "replace": OLD + ADDED}.items():
        hand.click(spots.widget(kind, name), name)
        hand.type(text, name)
    [replaced] = desk.of(kind)
    assert (replaced["find"], replaced["replace"]) == (OLD, OLD + ADDED)
    assert desk.source(replaced["string"]) == ("LoadImageTextDataSetFromFolder", 1)
    assert desk.source(desk.of("MakeTrainingDataset")[0]["texts"]) == (kind, 0)


# An adapter of three hundred.


def choose_with_ours(desk: Desk) -> None:
    name = desk.page.locator(".lw-stack .lw-name")
    desk.choose(name, "fox", ".lw-popover input")
    desk.page.locator(".lw-name[title^='subjects/fox.safetensors']").wait_for()
    assert desk.of("LW_Stack")[0]["rows"] == "on | subjects/fox.safetensors | 1"


def choose_with_stock(desk: Desk) -> None:
    desk.choose_stock("LoraLoader", "lora_name", "fox")
    assert desk.of("LoraLoader")[0]["lora_name"] == "subjects/fox.safetensors"


# The trigger words of an adapter in use.


def triggers_with_ours(desk: Desk) -> None:
    desk.page.locator(".lw-stack .lw-chip", has_text=NAMED["fox"]).wait_for()


def triggers_with_stock(desk: Desk) -> None:
    desk.hand.press("m", "opens the model library")
    desk.page.get_by_placeholder("Search Models").and_(desk.page.locator(":focus")).wait_for()
    desk.hand.type("fox", "in the search")
    entry = desk.page.get_by_role("treeitem").filter(has_text="fox").last
    desk.hand.point(entry.locator("span", has_text="fox").last)
    desk.page.get_by_text(NAMED["fox"]).wait_for()


# Three weights on two prompts.


def compare_with_ours(desk: Desk) -> None:
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


def compare_with_stock(desk: Desk) -> None:
    hand, spots, kind = desk.hand, desk.spots, "LoraLoaderModelOnly"
    order = [(prompt, weight) for prompt, weights in zip(PROMPTS, (COMPARED, COMPARED[::-1]), strict=True) for weight in weights]
    for number, (prompt, weight) in enumerate(order):
        if number % 3 == 0:  # the weight is already that of the picture before
            hand.click(spots.widget("CLIPTextEncode", "text"), "prompt")
            hand.press("Control+a", "to type over it")
            hand.type(prompt, "prompt")
        else:
            desk.fill(kind, "strength_model", weight)
        desk.run(number + 1)
    told = []
    for posted in desk.standin.prompts:
        of = {own["class_type"]: own["inputs"] for own in posted["prompt"].values() if own["inputs"].get("text") != ""}
        told.append((of["CLIPTextEncode"]["text"], of[kind]["strength_model"]))
    assert told == [(prompt, float(weight)) for prompt, weight in order]


# A training on fifteen own pictures.


def train_with_ours(desk: Desk) -> None:
    hand, spots, name = desk.hand, desk.spots, "Train an adapter"
    hand.double_click((700, 300), "the canvas")
    desk.search((700, 300), name, "train a")
    desk.fill(name, "path", "foxes")
    desk.pull(spots.input(name, "base"), (400, 600), "Base Model from ComfyUI", "bas")
    kind = "LW_BaseFromComfy"
    desk.pull(spots.input(kind, "model"), (130, 600), "CheckpointLoaderSimple")
    for slot, socket in ((1, "clip"), (2, "vae")):
        hand.drag(spots.output("CheckpointLoaderSimple", slot), spots.input(kind, socket), socket)
    [data], [base], [training] = desk.of("LW_LoadDataset"), desk.of(kind), desk.of("LW_TrainLoRA")
    assert data["path"] == "foxes" and desk.of("LW_SaveAdapter")
    assert {name: desk.source(base[name]) for name in ("model", "clip", "vae")} == {
        name: ("CheckpointLoaderSimple", slot) for slot, name in enumerate(("model", "clip", "vae"))
    }
    assert desk.source(training["base"]) == (kind, 0)


def train_with_stock(desk: Desk) -> None:
    hand, spots = desk.hand, desk.spots
    pictures, made, checkpoint, trained = (
        "LoadImageTextDataSetFromFolder", "MakeTrainingDataset", "CheckpointLoaderSimple", "TrainLoraNode",
    )  # fmt: skip
    hand.double_click((300, 300), "the canvas")
    desk.search((300, 300), "Load Image-Text (from Folder)", "image-", down=1)
    desk.choose_stock(pictures, "folder", "foxes")
    desk.pull(spots.output(pictures, 0), (720, 300), "Make Training Dataset", "ma", down=1)
    hand.drag(spots.output(pictures, 1), spots.input(made, "texts"), "captions")
    desk.pull(spots.input(made, "vae"), (300, 600), checkpoint)
    hand.drag(spots.output(checkpoint, 1), spots.input(made, "clip"), "clip")
    desk.pull(spots.output(made, 0), (1100, 400), "Train LoRA", "t")
    hand.drag(spots.output(made, 1), spots.input(trained, "positive"), "conditioning")
    hand.drag(spots.output(checkpoint, 0), spots.input(trained, "model"), "model")
    desk.fill(trained, "steps", "1500")
    desk.pull(spots.output(trained, 0), (1380, 600), "Save LoRA Weights", "s")
    [folder], [data], [training], [saved] = (desk.of(kind) for kind in (pictures, made, trained, "SaveLoRA"))
    assert (folder["folder"], training["steps"]) == ("foxes", 1500)
    links = {name: desk.source(data[name]) for name in ("images", "texts", "vae", "clip")}
    assert links == {"images": (pictures, 0), "texts": (pictures, 1), "vae": (checkpoint, 2), "clip": (checkpoint, 1)}
    links = {name: desk.source(training[name]) for name in ("latents", "positive", "model")}
    assert links == {"latents": (made, 0), "positive": (made, 1), "model": (checkpoint, 0)}
    assert desk.source(saved["lora"]) == (trained, 0)


LOADER = {"model": ["4", 0], "clip": ["4", 1], "lora_name": OTHER, "strength_model": 1.0, "strength_clip": 1.0}
STACKED = {"4": (100, 120), "2": (420, 120), "1": (420, 420)}


def stacked(adapter: str) -> dict[str, Any]:
    """The picture with a stack of one adapter."""
    return drawing("2", "2") | {
        "1": node("LW_Stack", rows=f"on | {adapter} | 1"),
        "2": node("LW_ApplyStack", model=["4", 0], clip=["4", 1], stack=["1", 0]),
    }


def loaded(kind: str, **inputs: Any) -> dict[str, Any]:
    """The picture with an adapter by ComfyUI's own node."""
    return drawing("2", "2" if "clip" in inputs else "4") | {"2": node(kind, **inputs)}


FOX = "subjects/fox.safetensors"
WAYS: dict[str, dict[str, Way]] = {
    "stack three adapters": {
        "ours": Way(graph=drawing(), places=DRAWING, act=stack_with_ours),
        "stock": Way(graph=drawing(), places=DRAWING, act=stack_with_stock),
    },
    "edit one caption of thirty": {
        "ours": Way(
            graph={
                "1": node("LW_LoadBase", base="demo_base", device="auto", precision="auto"),
                "2": node("LW_LoadDataset", path="old", on_unreadable="skip", uncaptioned="no caption"),
                "3": node("LW_Recipe", goal="subject", quality="standard", settings="", dataset=["2", 0], base=["1", 0]),
                "4": node("LW_TrainLoRA", seed=1, name="", base=["1", 0], dataset=["2", 0], recipe=["3", 0]),
                "5": node("LW_SaveAdapter", filename="", adapter=["4", 0]),
            },
            places={"1": (80, 700), "2": (80, 120), "3": (1060, 500), "4": (1060, 120), "5": (1400, 120)},
            act=caption_with_ours,
        ),
        "stock": Way(
            graph={
                "1": node("LoadImageTextDataSetFromFolder", folder="old"),
                "2": node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT),
                "3": node("MakeTrainingDataset", images=["1", 0], vae=["2", 2], clip=["2", 1], texts=["1", 1]),
                "4": node("TrainLoraNode", model=["2", 0], latents=["3", 0], positive=["3", 1], steps=1500),
                "5": node("SaveLoRA", lora=["4", 0], prefix="loras/fox"),
            },
            places={"1": (80, 120), "2": (80, 400), "3": (900, 120), "4": (1150, 320), "5": (1150, 600)},
            act=caption_with_stock,
        ),
    },
    "choose an adapter of 300": {
        "ours": Way(graph=stacked(OTHER), places=DRAWING | STACKED, act=choose_with_ours),
        "stock": Way(graph=loaded("LoraLoader", **LOADER), places=DRAWING | STACKED, act=choose_with_stock),
    },
    "see the trigger words of an adapter in use": {
        "ours": Way(graph=stacked(FOX), places=DRAWING | STACKED, act=triggers_with_ours),
        "stock": Way(
            graph=loaded("LoraLoader", **LOADER | {"lora_name": FOX}), places=DRAWING | STACKED, act=triggers_with_stock
        ),
    },
    "compare three weights on two prompts": {
        "ours": Way(
            graph={
                "1": node("LW_LoadBase", base="demo_base", device="auto", precision="auto"),
                "2": node("LW_Stack", rows=f"on | {FOX} | 1"),
                "3": node("LW_Generate", base=["1", 0], prompts="a fox", seed=3, stack=["2", 0]),
                "4": node("LW_SaveImages", filename_prefix="fox", batch=["3", 1]),
            },
            places={"1": (80, 120), "2": (80, 400), "3": (600, 120), "4": (1100, 200)},
            act=compare_with_ours,
        ),
        "stock": Way(
            graph=loaded("LoraLoaderModelOnly", model=["4", 0], lora_name=FOX, strength_model=1.0),
            places=DRAWING | STACKED,
            act=compare_with_stock,
        ),
    },
    "train on fifteen own pictures": {
        "ours": Way(graph={}, places={}, act=train_with_ours),
        "stock": Way(graph={}, places={}, act=train_with_stock),
    },
}
"""Task -> whose nodes -> how."""
