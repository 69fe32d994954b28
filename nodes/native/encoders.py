"""CLIP's text encoders in ComfyUI's text-encoder models, and their tokenizers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .seam import CLIP, ClipEncoder, TextEncoder

CLIP_ENCODERS = ("clip_l", "clip_g", "clip_h")
"""The text encoders that can be trained: attributes of ComfyUI's text-encoder models."""


def encoders_of(root: TextEncoder) -> Mapping[str, ClipEncoder]:
    """Component name -> each of CLIP's text encoders."""
    return {name: getattr(root, attribute) for name, attribute in _attributes(root).items()}


def tokenizers_of(clip: CLIP) -> Mapping[str, Any]:
    """Component name -> tokenizer of each of CLIP's text encoders; empty if there are others beside them."""
    attributes = _attributes(clip.cond_stage_model)
    found = {name for name, part in vars(clip.tokenizer).items() if hasattr(part, "tokenize_with_weights")}
    if found != {*attributes.values()}:
        return {}
    return {name: getattr(clip.tokenizer, attribute) for name, attribute in attributes.items()}


def _attributes(root: TextEncoder) -> dict[str, str]:
    """Component name -> attribute of the text encoders' model."""
    present = [name for name in CLIP_ENCODERS if getattr(root, name, None) is not None]
    return {"text_encoder" + (f"_{number}" if number > 1 else ""): name for number, name in enumerate(present, 1)}
