"""Six tasks as an adept does them with ComfyUI's own nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from desk import assert_sampled, to_sampler
from effort_givens import ADDED, COMPARED, NAMED, OLD, PROMPTS, WEIGHTS

if TYPE_CHECKING:
    from desk import Desk


def stack(desk: Desk) -> None:
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


def caption(desk: Desk) -> None:
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


def choose(desk: Desk) -> None:
    desk.choose_stock("LoraLoader", "lora_name", "fox")
    assert desk.of("LoraLoader")[0]["lora_name"] == "subjects/fox.safetensors"


def triggers(desk: Desk) -> None:
    desk.hand.press("m", "opens the model library")
    desk.page.get_by_placeholder("Search Models").and_(desk.page.locator(":focus")).wait_for()
    desk.hand.type("fox", "in the search")
    entry = desk.page.get_by_role("treeitem").filter(has_text="fox").last
    desk.hand.point(entry.locator("span", has_text="fox").last)
    desk.page.get_by_text(NAMED["fox"]).wait_for()


def compare(desk: Desk) -> None:
    hand, spots, kind = desk.hand, desk.spots, "LoraLoaderModelOnly"
    order = [
        (prompt, weight)
        for prompt, weights in zip(PROMPTS, (COMPARED, COMPARED[::-1]), strict=True)
        for weight in weights
    ]
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


def train(desk: Desk) -> None:
    hand, spots = desk.hand, desk.spots
    pictures, made, checkpoint, trained = (
        "LoadImageTextDataSetFromFolder", "MakeTrainingDataset", "CheckpointLoaderSimple", "TrainLoraNode",
    )  # fmt: skip
    hand.double_click((300, 300), "the canvas")
    desk.search((300, 300), "Load Image-Text (from Folder)", "image-", down=1)
    hand.click(spots.widget(pictures, "folder"), "the list, which is too short for a filter")
    hand.click(desk.page.locator(".litecontextmenu .litemenu-entry", has_text="foxes"), "the folder")
    desk.pull(spots.output(pictures, 0), (720, 300), "Make Training Dataset", "ma", down=1)
    hand.drag(spots.output(pictures, 1), spots.input(made, "texts"), "captions")
    desk.pull(spots.input(made, "vae"), (300, 600), "Load Checkpoint")
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
