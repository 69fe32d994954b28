"""Older and longer spellings of tensors' names, rewritten as the ones that the kinds of adapter declare."""

from __future__ import annotations

import re

_PROCESSOR = re.compile(
    r"(?P<clip>\.self_attn)?(?:\.processor)?"
    r"\.to_(?P<side>q|k|v|out)_lora\.(?P<part>down|up)\.weight$"
)
"""Attention processors of diffusers before 0.23, in the denoiser and in CLIP."""
_ADAPTER_NAME = re.compile(
    r"\.(lora_[AB]|lora_magnitude_vector|(?:hada|lokr|oft|boft)_\w+)\.(?!(?:weight|bias)$)[^.]+(\.weight|\.bias)?$"
)
"""Inside a model, peft keeps each adapter's tensors under its name, such as ``lora_A.default.weight``."""


_JOINED = re.compile(r"_lora\.(down|up)\.weight$")
"""Other layers whose factors diffusers kept beside them."""
_WITHOUT_WEIGHT = re.compile(r"\.lora_[AB]$")


def plain(name: str) -> str:
    """The name without the adapter's own name, and with the layer's name where an attention processor had it."""
    name = _ADAPTER_NAME.sub(lambda found: f".{found[1]}{found[2] or ''}", name)
    name = _JOINED.sub(r".lora.\1.weight", _PROCESSOR.sub(_layer, name))
    return f"{name}.weight" if _WITHOUT_WEIGHT.search(name) else name


def _layer(found: re.Match[str]) -> str:
    if found["clip"]:
        layer = f".self_attn.{found['side']}_proj"
    else:
        layer = ".to_out.0" if found["side"] == "out" else f".to_{found['side']}"
    return f"{layer}.lora.{found['part']}.weight"
