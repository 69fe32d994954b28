"""Why some tensors of adapter files can't be used."""

from __future__ import annotations

import re

from .kinds import unreadable

EMBEDDING = "bundle_emb."
"""How the names of trained words (textual inversion) begin that OneTrainer and A1111 put into adapter files."""

ANY_ADAPTER = re.compile(
    r"[._](?:lora|hada|lokr|oft|boft|vera|ia3)_|[._]lora\.|:(?:up|down)$|^bundle_emb\."
    r"|\.(?:alpha|dora_scale|diff|diff_b|set_weight|reshape_weight|w_norm|b_norm|on_input|[ab][12]\.weight)$"
)
"""Names of tensors in adapters of any kind, known here or not."""

_REASONS = (
    ((".lora_E", ".ranknum"), "AdaLoRA"),
    ((".lora_embedding_A", ".lora_embedding_B"), "an update of an embedding layer"),
    ((":up", ":down"), "numbered layers of the first LoRA scripts, whose order isn't known"),
    ((".comfy_quant",), "quantized factors"),
    ((".magnitude",), "ai-toolkit's DoRA"),
)
"""Ends of names -> what such tensors belong to, beside the kinds of adapter that aren't known here."""
_PLACES = (
    (("lora_te3_", "text_encoder_3.", "text_encoders."), "a text encoder that isn't CLIP"),
    (("lora_prior_",), "Stable Cascade"),
    (("model.", "cond_stage_model.", "first_stage_model.", "conditioner."), "a base model's weight"),
)


def reason(name: str) -> str:
    """What a tensor belongs to, by its name; empty if that isn't known."""
    if kind := unreadable(name):
        return kind
    for endings, why in _REASONS:
        if name.endswith(endings):
            return why
    if "base_model." in name and name.endswith((".weight", ".bias")):
        return "a layer that was trained whole"
    return next((why for beginnings, why in _PLACES if name.startswith(beginnings)), "")
