"""A graph of ComfyUI's own nodes with a sampler and a loader of a LoRA, in API format."""

from __future__ import annotations

from workspace import in_api_format

KSAMPLER = in_api_format({
    "4": ("CheckpointLoaderSimple", {"ckpt_name": "model.safetensors"}),
    "10": ("LoraLoader", {
        "model": ["4", 0], "clip": ["4", 1], "lora_name": "old.safetensors", "strength_model": 1.0,
        "strength_clip": 1.0,
    }),
    "6": ("CLIPTextEncode", {"clip": ["10", 1], "text": "a cat"}),
    "7": ("CLIPTextEncode", {"clip": ["10", 1], "text": "blurry"}),
    "8": ("ConditioningZeroOut", {"conditioning": ["6", 0]}),
    "5": ("EmptyLatentImage", {"width": 512, "height": 512, "batch_size": 1}),
    "3": ("KSampler", {
        "model": ["10", 0], "positive": ["8", 0], "negative": ["7", 0], "latent_image": ["5", 0], "seed": 1,
        "steps": 20, "cfg": 7.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0,
    }),
    "9": ("SaveImage", {"images": ["3", 0], "filename_prefix": "old"}),
})  # fmt: skip
