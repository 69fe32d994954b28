"""Graphs of our nodes among ComfyUI's own, in API format."""

from __future__ import annotations

from typing import Any

from comfyui_server import Graph
from workspace import chosen, in_api_format


def demo_training(dataset: str = "assets/datasets/fox", *, seed: int = 1, name: str = "fox", **recipe: Any) -> Graph:
    """A training on the demo checkpoint as ComfyUI has loaded it; recipe values that aren't given are suggested."""
    return in_api_format({
        "demo": ("LW_DemoCheckpoint", {}),
        "data": ("LW_LoadDataset", {"path": dataset, "on_unreadable": "skip"}),
        "captions": ("LW_TriggerCaptions", {
            "dataset": ["data", 0], "trigger_word": "zwx", "class_word": "animal",
            "template": "an emoji of a {trigger} {class}", "mode": "prepend",
        }),
        "recipe": ("LW_Recipe", {"dataset": ["captions", 0], "base": ["demo", 3], **chosen(**recipe)}),
        "train": ("LW_TrainLoRA", {
            "base": ["demo", 3], "dataset": ["captions", 0], "recipe": ["recipe", 0], "seed": seed, "name": name,
        }),
        "save": ("LW_SaveAdapter", {"adapter": ["train", 0], "filename": name, "dtype": "float32"}),
    })  # fmt: skip


def demo_checkpoint() -> Graph:
    return in_api_format({"demo": ("LW_DemoCheckpoint", {})})


def our_stack(name: str, adapter: str, weight: float) -> Graph:
    """A node of that name with MODEL and CLIP that carry an adapter's file, by our own nodes."""
    return in_api_format({
        f"{name} adapter": ("LW_LoadAdapter", {"adapter": adapter}),
        f"{name} entry": ("LW_StackAdapters", {
            "adapter": [f"{name} adapter", 0], "weight": weight, "text_encoder_weight": weight, "enabled": True,
        }),
        name: ("LW_ApplyStack", {"model": ["demo", 0], "clip": ["demo", 1], "stack": [f"{name} entry", 0]}),
    })  # fmt: skip


def stock_loader(name: str, adapter: str, weight: float) -> Graph:
    """The same by ComfyUI's own loader."""
    return in_api_format({
        name: ("LoraLoader", {
            "model": ["demo", 0], "clip": ["demo", 1], "lora_name": adapter,
            "strength_model": weight, "strength_clip": weight,
        }),
    })  # fmt: skip


def drawing(
    name: str, source: str, prompt: str = "an emoji of a red apple", *, steps: int = 8, seed: int = 1, pictures: int = 1
) -> Graph:
    """Pictures of a node's MODEL and CLIP by ComfyUI's own nodes, saved under the given name."""
    return in_api_format({
        f"{name} positive": ("CLIPTextEncode", {"clip": [source, 1], "text": prompt}),
        f"{name} negative": ("CLIPTextEncode", {"clip": [source, 1], "text": ""}),
        f"{name} empty": ("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": pictures}),
        f"{name} latent": ("KSampler", {
            "model": [source, 0], "positive": [f"{name} positive", 0], "negative": [f"{name} negative", 0],
            "latent_image": [f"{name} empty", 0], "seed": seed, "steps": steps, "cfg": 3.0, "sampler_name": "euler",
            "scheduler": "sgm_uniform", "denoise": 1.0,
        }),
        f"{name} picture": ("VAEDecode", {"samples": [f"{name} latent", 0], "vae": ["demo", 2]}),
        f"{name} file": ("SaveImage", {"images": [f"{name} picture", 0], "filename_prefix": name}),
    })  # fmt: skip
