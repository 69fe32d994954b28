"""Small adapter files, as trainers elsewhere write them."""

from __future__ import annotations


def small_adapter() -> bytes:
    """A LoRA of two layers with diffusers' names of a transformer."""
    import torch
    from safetensors.torch import save

    generator = torch.Generator().manual_seed(0)
    stem = "transformer.single_transformer_blocks.0.attn"
    tensors = {}
    for layer in ("to_q", "to_k"):
        tensors[f"{stem}.{layer}.lora_A.weight"] = torch.randn(4, 32, generator=generator)
        tensors[f"{stem}.{layer}.lora_B.weight"] = torch.randn(32, 4, generator=generator)
    return save(tensors, metadata={"software": "somebody's trainer", "workflow": "{}", "lw.companions": "[]"})
