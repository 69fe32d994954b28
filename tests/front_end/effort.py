"""Six tasks, with our nodes and with ComfyUI's own: the graph that each begins with, and how it goes on.

docs/effort.md holds the counts and their rules.
"""

from __future__ import annotations

from typing import Any

import ways_with_ours as ours
import ways_with_stock as stock
from desk import Way
from effort_givens import FOX, OTHER
from stock_nodes import CHECKPOINT


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


WAYS: dict[str, dict[str, Way]] = {
    "stack three adapters": {
        "ours": Way(graph=drawing(), places=DRAWING, act=ours.stack),
        "stock": Way(graph=drawing(), places=DRAWING, act=stock.stack),
    },
    "edit one caption of thirty": {
        "ours": Way(
            graph={
                "1": node("LW_LoadBase", base="demo_base", device="auto", precision="auto"),
                "2": node("LW_LoadDataset", path="old", on_unreadable="skip", uncaptioned="no caption"),
                "3": node(
                    "LW_Recipe", goal="subject", quality="standard", settings="", dataset=["2", 0], base=["1", 0]
                ),
                "4": node("LW_TrainLoRA", seed=1, name="", base=["1", 0], dataset=["2", 0], recipe=["3", 0]),
                "5": node("LW_SaveAdapter", filename="", adapter=["4", 0]),
            },
            places={"1": (80, 700), "2": (80, 120), "3": (1060, 500), "4": (1060, 120), "5": (1400, 120)},
            act=ours.caption,
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
            act=stock.caption,
        ),
    },
    "choose an adapter of 300": {
        "ours": Way(graph=stacked(OTHER), places=DRAWING | STACKED, act=ours.choose),
        "stock": Way(graph=loaded("LoraLoader", **LOADER), places=DRAWING | STACKED, act=stock.choose),
    },
    "see the trigger words of an adapter in use": {
        "ours": Way(graph=stacked(FOX), places=DRAWING | STACKED, act=ours.triggers),
        "stock": Way(
            graph=loaded("LoraLoader", **LOADER | {"lora_name": FOX}), places=DRAWING | STACKED, act=stock.triggers
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
            act=ours.compare,
        ),
        "stock": Way(
            graph=loaded("LoraLoaderModelOnly", model=["4", 0], lora_name=FOX, strength_model=1.0),
            places=DRAWING | STACKED,
            act=stock.compare,
        ),
    },
    "train on fifteen own pictures": {
        "ours": Way(graph={}, places={}, act=ours.train),
        "stock": Way(graph={}, places={}, act=stock.train),
    },
}
"""Task -> whose nodes -> how."""
