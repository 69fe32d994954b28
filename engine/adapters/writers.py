"""Which program wrote an adapter file, as far as its metadata and names tell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from .scales import DIFFUSERS_KEY

OURS = "LoRA Workbench"
_LONGEST = 60
_NAMES = (
    ("_lora.down.weight", "diffusers before 0.23"),
    ("base_model.model.", "peft"),
    (".lora_linear_layer.", "diffusers"),
    ("lycoris_", "LyCORIS"),
    ("bundle_emb.", "OneTrainer or A1111"),
    ("diffusion_model.", "a program with ComfyUI's names"),
    ("lora_unet_input_blocks_", "a program with ldm's names"),
    ("lora_unet_", "a program with kohya's names"),
    ("lora_te", "a program with kohya's names"),
    ("unet.", "diffusers"),
    ("transformer.", "diffusers"),
)
"""Part of a name -> who writes such names; the first that fits counts."""


def telling_names(names: Iterable[str]) -> tuple[str, ...]:
    """Those of many names that tell :func:`writer_of` as much as all of them."""
    names = list(names)
    found = (next((name for name in names if part in name), "") for part, _ in _NAMES)
    return tuple(dict.fromkeys(filter(None, found)))


def writer_of(names: Iterable[str], metadata: Mapping[str, str], configs: Mapping[str, Any]) -> str:
    """The program in words, for example ``kohya's sd-scripts`` or ``a program with ldm's names``.

    Args:
        names: of all tensors.
        metadata: of the file's header.
        configs: peft's configurations beside the file.
    """
    if "lw.version" in metadata:
        return OURS
    if any(key in metadata for key in ("ot_revision", "ot_branch", "ot_config")):
        return "OneTrainer"
    if software := _software(metadata.get("software", "")):
        return software
    if DIFFUSERS_KEY in metadata:
        return "diffusers"
    if configs:
        return f"peft {next(iter(configs.values())).get('peft_version') or ''}".strip()[:_LONGEST]
    if module := metadata.get("ss_network_module", ""):
        return _kohya(module)
    names = list(names)
    return next((writer for part, writer in _NAMES if any(part in name for name in names)), "an unknown program")


def _software(text: str) -> str:
    """Ai-toolkit's field, JSON with a name and a version."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        return ""
    return f"{found['name']} {found.get('version') or ''}".strip()[:_LONGEST]


def _kohya(module: str) -> str:
    if module.startswith("lycoris"):
        return "LyCORIS in kohya's sd-scripts"
    if any(name in module for name in ("wan", "hunyuan", "framepack", "qwen", "kandinsky", "zimage")):
        return "musubi-tuner"
    return "kohya's sd-scripts"
