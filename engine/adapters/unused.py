"""Why some tensors of adapter files can't be used."""

from __future__ import annotations

import re

EMBEDDING = "bundle_emb."
"""How the names of trained words (textual inversion) begin that OneTrainer and A1111 put into adapter files."""

ANY_ADAPTER = re.compile(
    r"[._](?:lora|hada|lokr|oft|boft|vera|ia3)_|[._]lora\.|:(?:up|down)$|^bundle_emb\."
    r"|\.(?:alpha|dora_scale|diff|diff_b|set_weight|reshape_weight|w_norm|b_norm|on_input|[ab][12]\.weight)$"
)
"""Names of tensors in adapters of any kind, known here or not."""

_REASONS = (
    ((".on_input",), "IA3, which only multiplies"),
    ((".a1.weight", ".a2.weight", ".b1.weight", ".b2.weight"), "GLoRA"),
    ((".w_norm", ".b_norm"), "trained norms"),
    ((".diff_b", ".lora_B.bias"), "trained biases"),
    ((".set_weight",), "replaced weights"),
    ((".reshape_weight",), "a layer of another size"),
    ((".lora_E", ".ranknum"), "AdaLoRA"),
    ((".oft_blocks", ".oft_diag", ".oft_R", ".oft_R.weight"), "OFT"),
    ((".dora_scale", ".lora_magnitude_vector", ".lora_magnitude_vector.weight"), "DoRA"),
    ((".lora_embedding_A", ".lora_embedding_B"), "an update of an embedding layer"),
    ((":up", ":down"), "numbered layers of the first LoRA scripts, whose order isn't known"),
    ((".comfy_quant",), "quantized factors"),
)
_MARKS = ((".hada_", "LoHa"), (".lokr_", "LoKr"), (".boft_", "BOFT"), (".vera_lambda", "VeRA"))
_PLACES = (
    (("lora_te3_", "text_encoder_3.", "text_encoders."), "a text encoder that isn't CLIP"),
    (("lora_prior_",), "Stable Cascade"),
    (("model.", "cond_stage_model.", "first_stage_model.", "conditioner."), "a base model's weight"),
)


def reason(name: str) -> str:
    """What a tensor belongs to, by its name; empty if that isn't known."""
    for endings, why in _REASONS:
        if name.endswith(endings):
            return why
    for mark, why in _MARKS:
        if mark in name:
            return why
    return next((why for beginnings, why in _PLACES if name.startswith(beginnings)), "")
